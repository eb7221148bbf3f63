"""Does OPERATIONS random operations below ROOT, chosen by SEED alone, and prints what each of them said.

    model-worker.py ROOT WORKER SEED OPERATIONS

Run at two places it must say the same at both: what it picks depends on the seed and on its own earlier choices, never on
what the file system answered. Each worker has a directory of its own; in the shared ones it changes only names of its own,
so that several workers at once leave what one after the other would.
"""
import ctypes, errno, hashlib, mmap, os, random, stat, sys

root, worker, seed, operations = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
os.chdir(root)
os.umask(0o022)
r = random.Random(f'{seed}-{worker}')
libc = ctypes.CDLL(None, use_errno=True)
AT_FDCWD = -100
own = f'own-{worker}'
DIRECTORIES = [own, f'{own}/a', f'{own}/b', f'{own}/a/c', 'shared-0', 'shared-1']
FILE_BYTES = 3 << 20
fds = {}
names = []


def call(function, *args):
    result = function(*args)
    if result < 0:
        raise OSError(ctypes.get_errno(), 'call')
    return result


def named(name):
    names.append(name)
    return name


def path():
    directory = r.choice(DIRECTORIES)
    # In shared directories only names that no other worker uses.
    mark = f'w{worker}-' if directory.startswith('shared') else ''
    return named(f'{directory}/{mark}{r.choice("pqrstuvwxyz")}')


def directory():
    return named(f'{own}/' + r.choice(['a', 'b', 'a/c', 'd', 'd/e', 'f']))


def content(n):
    return r.randbytes(16) * (n // 16) + b'tail'[: n % 16]


def digest(data):
    return f'{len(data)}:{hashlib.sha1(data).hexdigest()[:12]}'


def size():
    return r.choice([1, 100, 4096, 5000, 70000, r.randrange(300000)])


def shown(s):
    plain = stat.S_ISREG(s.st_mode)
    return f'{s.st_mode:o} {s.st_nlink} {s.st_size if not stat.S_ISDIR(s.st_mode) else "-"} {s.st_uid} {plain}'


def op_open():
    key, p = r.randrange(6), path()
    flags = os.O_RDWR | os.O_CREAT | r.choice([0, 0, os.O_TRUNC, os.O_EXCL, os.O_APPEND])
    if key in fds: os.close(fds.pop(key))
    fds[key] = os.open(p, flags, r.choice([0o644, 0o600, 0o755]))
    return f'{key} {flags:o}'


def op_close():
    key = r.randrange(6)
    if key in fds: os.close(fds.pop(key))


def with_fd(use):
    key, p = r.randrange(6), path()
    if key in fds: return use(fds[key])
    fd = os.open(p, os.O_RDWR)
    try: return use(fd)
    finally: os.close(fd)


def op_write():
    at, data = r.randrange(FILE_BYTES), content(size())
    return with_fd(lambda fd: os.pwrite(fd, data, at))


def op_rewrite():
    p, data = path(), content(size())
    with open(p, 'wb') as f: f.write(data)


def op_append():
    p, data = path(), content(size() // 4)
    with open(p, 'ab') as f: f.write(data)


def op_read():
    at, n = r.randrange(FILE_BYTES), size()
    return with_fd(lambda fd: digest(os.pread(fd, n, at)))


def op_read_all():
    p = path()
    with open(p, 'rb') as f: return digest(f.read())


def op_truncate():
    n = r.choice([0, size(), r.randrange(FILE_BYTES)])
    return with_fd(lambda fd: os.ftruncate(fd, n))


def op_fallocate():
    mode, at, n = r.choice([0, 1, 3, 16, 17]), r.randrange(FILE_BYTES), size()
    return with_fd(lambda fd: call(libc.fallocate, fd, mode, ctypes.c_long(at), ctypes.c_long(n)))


def op_copy_range():
    p, q, at, to, n = path(), path(), r.randrange(500000), r.randrange(500000), size()
    if p == q: return 'same'
    a = os.open(p, os.O_RDONLY)
    try:
        b = os.open(q, os.O_WRONLY)
        try:
            done = 0
            if os.fstat(a).st_ino == os.fstat(b).st_ino: return 'same'
            while done < n:
                k = os.copy_file_range(a, b, n - done, at + done, to + done)
                if k == 0: break
                done += k
            return done
        finally: os.close(b)
    finally: os.close(a)


def op_mmap():
    at, data = r.randrange(100000), content(r.randrange(1, 20000))
    def use(fd):
        n = os.fstat(fd).st_size
        if n == 0: return 'empty'
        with mmap.mmap(fd, n) as m:
            end = min(n, at + len(data))
            if at < end: m[at:end] = data[: end - at]
            return digest(m[:])
    return with_fd(use)


def op_fsync():
    return with_fd(os.fsync)


def op_unlink(): return os.unlink(path())
def op_link(): return os.link(path(), path(), follow_symlinks=False)
# In a shared directory nobody else comes by these, either.
def op_symlink(): return os.symlink(r.choice([f'w{worker}-p', f'../{own}/a/q', f'w{worker}-nowhere', 'x' * 300]), path())
def op_readlink(): return os.readlink(path())
def op_stat(): return shown(os.lstat(path()))
# No set-id bits: FUSE's kernel does not say whether the caller of fallocate or copy_file_range may keep them.
def op_chmod(): return os.chmod(path(), r.choice([0o600, 0o644, 0o755, 0o1711]))
def op_mkdir(): return os.mkdir(directory())
def op_rmdir(): return os.rmdir(directory())
def op_list(): return ' '.join(sorted(os.listdir(directory())))


def op_rename():
    flags, p, q = r.choice([0, 0, 0, 1, 2]), path(), path()
    if flags == 0: return os.rename(p, q)
    return call(libc.renameat2, AT_FDCWD, p.encode(), AT_FDCWD, q.encode(), flags)


def op_rename_directory():
    p, q = directory(), directory()
    # Which of two errors is told is each file system's own choice.
    if q.startswith(p + '/') or p.startswith(q + '/') or p == q: return 'inside'
    return os.rename(p, q)


def op_utime():
    at, m = r.randrange(2**33), r.randrange(10**9)
    p = path()
    os.utime(p, ns=(at * 10**9 + m, (at + 1) * 10**9 + m), follow_symlinks=False)
    return os.lstat(p).st_mtime_ns


def op_setxattr():
    name, value, flags = f'user.{r.choice("abc")}', content(r.randrange(200)), r.choice([0, 0, 1, 2])
    return os.setxattr(path(), name, value, flags)


def op_removexattr(): return os.removexattr(path(), f'user.{r.choice("abc")}')


def op_listxattr():
    p = path()
    return [(n, digest(os.getxattr(p, n))) for n in sorted(os.listxattr(p))]


def op_shared_log():
    # Each worker's lines are whole and in order; the others' lie between them.
    fd = os.open('shared-log', os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try: return os.write(fd, f'{worker} {r.randrange(10**6)} {"." * r.randrange(2000)}\n'.encode())
    finally: os.close(fd)


def op_shared_walk():
    # Looked at only: what it finds depends on the others.
    for name in os.listdir('shared-0'):
        try:
            with open(f'shared-0/{name}', 'rb') as f: f.read(1 << 16)
        except OSError: pass


WEIGHTS = {
    op_open: 8, op_close: 3, op_write: 12, op_rewrite: 6, op_append: 6, op_read: 8, op_read_all: 6, op_truncate: 5,
    op_fallocate: 4, op_copy_range: 4, op_mmap: 4, op_fsync: 1, op_unlink: 5, op_link: 4, op_symlink: 2, op_readlink: 1,
    op_stat: 5, op_chmod: 3, op_mkdir: 4, op_rmdir: 3, op_list: 3, op_rename: 8, op_rename_directory: 3, op_utime: 2,
    op_setxattr: 3, op_removexattr: 1, op_listxattr: 2, op_shared_log: 3, op_shared_walk: 1,
}

for d in DIRECTORIES[:4]: os.makedirs(d, exist_ok=True)
kinds, weights = list(WEIGHTS), list(WEIGHTS.values())
for step in range(operations):
    op = r.choices(kinds, weights)[0]
    state = r.getstate()
    r.seed(f'{seed}-{worker}-{step}')
    try: said = op()
    except OSError as e: said = errno.errorcode.get(e.errno, e.errno)
    r.setstate(state)
    print(step, op.__name__, *names, said)
    names.clear()
for fd in fds.values(): os.close(fd)
