import * as assert from 'uvu/assert';
import { canPython, needsRoot, python, type PosixTest } from './support.ts';

/** What Linux has and node:fs does not show. */
export function linuxTests(test: PosixTest): void {
  dataTests(test);
  xattrTests(test);
  nodeTests(test);
}

function dataTests(test: PosixTest): void {
  test('fallocate grows, keeps the size, punches holes and zeros ranges', (dir) => {
    if (!canPython('fallocate')) return;
    const got = python(
      dir,
      `
answer = {}
with open('f', 'w+b') as f:
    fd = f.fileno()
    f.write(b'x' * 100000); f.flush()
    def state():
        data = os.pread(fd, 1000000, 0)
        return [len(data), data.count(b'x')]
    fallocate(fd, 0, 50000, 10); answer['inside'] = state()
    fallocate(fd, 0, 90000, 30000); answer['grow'] = state()
    fallocate(fd, 1, 0, 200000); answer['keep'] = state()
    fallocate(fd, 3, 10000, 20000); answer['punch'] = state()
    fallocate(fd, 3, 95000, 90000); answer['punch beyond'] = state()
    fallocate(fd, 17, 40000, 1); answer['zero, keep'] = state()
    fallocate(fd, 16, 94000, 50000); answer['zero, grow'] = state()
    answer['codes'] = [code(lambda: fallocate(fd, 2, 0, 10)), code(lambda: fallocate(fd, 0, 0, 0)), code(lambda: fallocate(fd, 0, -1, 5))]
print(json.dumps(answer))
`,
    );
    assert.equal(got, {
      inside: [100_000, 100_000],
      grow: [120_000, 100_000],
      keep: [120_000, 100_000],
      punch: [120_000, 80_000],
      'punch beyond': [120_000, 75_000],
      'zero, keep': [120_000, 74_999],
      'zero, grow': [144_000, 73_999],
      codes: ['ENOTSUP', 'EINVAL', 'EINVAL'],
    });
  });

  test('finds data and holes', (dir) => {
    if (!canPython('SEEK_DATA')) return;
    const got = python(
      dir,
      `
with open('f', 'w+b') as f:
    fd = f.fileno()
    M = 1 << 20
    os.ftruncate(fd, 300 * M)
    os.pwrite(fd, b'x' * M, 100 * M)
    os.pwrite(fd, b'x' * 2 * M, 127 * M)
    os.fsync(fd)
    def seek(at, how):
        try: return os.lseek(fd, at, how) / M
        except OSError as e: return errno.errorcode[e.errno]
    D, H = os.SEEK_DATA, os.SEEK_HOLE
    print(json.dumps([seek(0, D), seek(0, H), seek(100 * M, H), seek(101 * M, D), seek(127 * M, H), seek(129 * M, D),
                      seek(129 * M, H), seek(300 * M, D), seek(300 * M, H), os.lseek(fd, 0, os.SEEK_END) / M]))
    os.ftruncate(fd, 102 * M)
`,
    );
    assert.equal(got, [100, 0, 101, 127, 129, 'ENXIO', 129, 'ENXIO', 'ENXIO', 300]);
  });

  test('copy_file_range copies within and between files, holes too', (dir) => {
    if (!canPython('copy_file_range')) return;
    const got = python(
      dir,
      `
import random
random.seed(5)
a = bytearray(random.randbytes(3000000)); a[500000:900000] = bytes(400000)
with open('a', 'w+b') as f: f.write(a[:500000]); f.seek(900000); f.write(a[900000:])
open('b', 'wb').write(b'b' * 1000)
b = bytearray(b'b' * 1000)
fa, fb = os.open('a', os.O_RDWR), os.open('b', os.O_RDWR)
def copy(src, dst, n, at_src, at_dst):
    done = 0
    while done < n:
        got = os.copy_file_range(src, dst, n - done, at_src + done, at_dst + done)
        if got == 0: break
        done += got
    return done
def put(to, at, data):
    if len(to) < at: to.extend(bytes(at - len(to)))
    to[at:at + len(data)] = data
answer = []
answer.append(copy(fa, fb, 1000000, 100, 500)); put(b, 500, a[100:1000100])
answer.append(copy(fa, fb, 5000, 2999000, 2000000)); put(b, 2000000, a[2999000:])
answer.append(copy(fa, fa, 100000, 0, 2000000)); put(a, 2000000, bytes(a[:100000]))
answer.append(code(lambda: os.copy_file_range(fa, fa, 1000, 0, 500)))
os.pwrite(fa, b'later', 200); a[200:205] = b'later'
answer.append([open('a', 'rb').read() == a, open('b', 'rb').read() == b])
print(json.dumps(answer))
`,
    );
    assert.equal(got, [1_000_000, 1000, 100_000, 'EINVAL', [true, true]]);
  });

  test('mappings and descriptors show the same file', (dir) => {
    if (!canPython('mmap')) return;
    const got = python(
      dir,
      `
import mmap
fd = os.open('f', os.O_RDWR | os.O_CREAT)
os.ftruncate(fd, 20000)
m = mmap.mmap(fd, 20000)
os.pwrite(fd, b'by write', 5000)
seen = bytes(m[5000:5008]).decode()
m[10000:10006] = b'by map'
m.flush()
back = os.pread(fd, 6, 10000).decode()
m[15000:15005] = b'later'
m.close(); os.close(fd)
print(json.dumps([seen, back, open('f', 'rb').read()[15000:15005].decode()]))
`,
    );
    assert.equal(got, ['by write', 'by map', 'later']);
  });
}

function xattrTests(test: PosixTest): void {
  test('keeps extended attributes of files and directories', (dir) => {
    if (!canPython('xattrs')) return;
    const got = python(
      dir,
      `
answer = {}
os.mkdir('d'); open('f', 'w').close()
for p in ['d', 'f']:
    os.setxattr(p, 'user.a', b'one'); os.setxattr(p, 'user.empty', b''); os.setxattr(p, 'user.bytes', bytes(range(256)))
    os.setxattr(p, 'user.a', b'two')
    names = sorted(n for n in os.listxattr(p) if n.startswith('user.'))
    answer[p] = [names, os.getxattr(p, 'user.a').decode(), list(os.getxattr(p, 'user.empty')),
        os.getxattr(p, 'user.bytes') == bytes(range(256)),
        code(lambda: os.setxattr(p, 'user.a', b'x', os.XATTR_CREATE)),
        code(lambda: os.setxattr(p, 'user.b', b'x', os.XATTR_REPLACE)),
        code(lambda: os.getxattr(p, 'user.none')), code(lambda: os.removexattr(p, 'user.none')),
        code(lambda: os.removexattr(p, 'user.a')), code(lambda: os.getxattr(p, 'user.a')),
        code(lambda: os.setxattr(p, 'user.' + 'n' * 251, b'x')),
        code(lambda: os.setxattr(p, 'user.big', bytes(65537)))]
print(json.dumps(answer))
`,
    );
    const expected = [
      ['user.a', 'user.bytes', 'user.empty'],
      'two',
      [],
      true,
      'EEXIST',
      'ENODATA',
      'ENODATA',
      'ENODATA',
      'ok',
      'ENODATA',
      'ERANGE',
      'E2BIG',
    ];
    assert.equal(got, { d: expected, f: expected });
  });

  test('a write, truncate or chown takes the capabilities of a file', (dir) => {
    if (!canPython('capabilities') || !needsRoot('capabilities')) return;
    const got = python(
      dir,
      `
cap = bytes.fromhex('0100000200040000000000000000000000000000')
answer = {}
def write(name):
    with open(name, 'r+') as f: f.write('x')
for name, call in {'write': write, 'truncate': lambda n: os.truncate(n, 1), 'chown': lambda n: os.chown(n, 1, 1),
                   'chmod': lambda n: os.chmod(n, 0o700)}.items():
    open(name, 'w').write('text'); os.setxattr(name, 'security.capability', cap)
    before = os.getxattr(name, 'security.capability') == cap
    call(name)
    answer[name] = [before, code(lambda: os.getxattr(name, 'security.capability'))]
print(json.dumps(answer))
`,
    );
    const gone = [true, 'ENODATA'];
    assert.equal(got, { write: gone, truncate: gone, chown: gone, chmod: [true, 'ok'] });
  });
}

function nodeTests(test: PosixTest): void {
  test('makes fifos, sockets and device nodes', (dir) => {
    if (!canPython('mknod')) return;
    const got = python(
      dir,
      `
import socket
os.mkfifo('fifo', 0o640)
s = socket.socket(socket.AF_UNIX); s.bind('socket')
kinds = [stat.S_ISFIFO(os.stat('fifo').st_mode), stat.S_ISSOCK(os.stat('socket').st_mode)]
if os.getuid() == 0:
    os.mknod('null', stat.S_IFCHR | 0o666, os.makedev(1, 3))
    kinds.append([stat.S_ISCHR(os.stat('null').st_mode), os.stat('null').st_rdev == os.makedev(1, 3)])
r = os.open('fifo', os.O_RDONLY | os.O_NONBLOCK); w = os.open('fifo', os.O_WRONLY)
os.write(w, b'through')
print(json.dumps([kinds[:2], kinds[2:] in ([], [[True, True]]), os.read(r, 10).decode()]))
`,
    );
    assert.equal(got, [[true, true], true, 'through']);
  });

  test('rename2 exchanges two names, or refuses to replace', (dir) => {
    if (!canPython('renameat2')) return;
    const got = python(
      dir,
      `
open('a', 'w').write('A'); os.mkdir('d'); open('d/b', 'w').write('B'); os.mkdir('e')
answer = [code(lambda: rename2('a', 'd/b', 1))]
rename2('a', 'd/b', 2)
answer.append([open('a').read(), open('d/b').read()])
rename2('a', 'e', 2)
answer.append([os.path.isdir('a'), open('e').read()])
answer.append([code(lambda: rename2('a', 'none', 2)), code(lambda: rename2('a', 'd', 3)), code(lambda: rename2('d', 'd/x', 1))])
rename2('e', 'new', 1)
answer.append(sorted(os.listdir('.')))
print(json.dumps(answer))
`,
    );
    assert.equal(got, ['EEXIST', ['B', 'A'], [true, 'B'], ['ENOENT', 'EINVAL', 'EINVAL'], ['a', 'd', 'new']]);
  });

  test('locks of one process keep another out', (dir) => {
    if (!canPython('locks')) return;
    const got = python(
      dir,
      `
import fcntl
f = open('f', 'w')
answer = []
def child(call):
    pid = os.fork()
    if pid == 0:
        try: call(open('f', 'r+')); os._exit(0)
        except OSError as e: os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
fcntl.flock(f, fcntl.LOCK_EX)
answer.append(child(lambda g: fcntl.flock(g, fcntl.LOCK_EX | fcntl.LOCK_NB)))
fcntl.flock(f, fcntl.LOCK_UN)
answer.append(child(lambda g: fcntl.flock(g, fcntl.LOCK_EX | fcntl.LOCK_NB)))
fcntl.lockf(f, fcntl.LOCK_EX, 10, 0)
answer.append(child(lambda g: fcntl.lockf(g, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 5)))
answer.append(child(lambda g: fcntl.lockf(g, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 20)))
print(json.dumps(answer))
`,
    );
    assert.equal(got, [1, 0, 1, 0]);
  });
}
