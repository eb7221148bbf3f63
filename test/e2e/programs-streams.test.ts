// needs: mount
import { suite } from 'uvu';
import type { RWVolume } from '../../dist/index.js';
import { assertCommitted, assertNothingHeld, python, startPython } from './programs.ts';
import { Workspace } from './support.ts';

const work = new Workspace();
const streams = suite('large files, several at once');
let volume: RWVolume;
let path: string;

streams.before(async () => {
  volume = work.volume('streams');
  path = await volume.mount({ mountPath: work.fresh() });
});
streams.after(async () => {
  await volume.abandon({ delete: true });
  work.cleanUp();
});

/** Blocks of a file that tell where they belong. */
const common = `
import hashlib, mmap, os, sys
os.chdir(sys.argv[1]); me = sys.argv[2]
def block(i): return hashlib.sha256(f'{me} {i}'.encode()).digest() * 2048
def check(blocks):
    with open(me, 'rb') as f:
        # Not from the kernel's memory.
        os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        for i in range(blocks): assert f.read(65536) == block(i), (me, i)
        assert f.read() == b''
`;

streams('more than the log holds in memory, written, read back and committed meanwhile', async () => {
  const script = `${common}
fd = os.open(me, os.O_RDWR | os.O_CREAT)
for i in range(1000):
    os.write(fd, block(i))
    if i % 50 == 7: assert os.pread(fd, 65536, (i // 2) * 65536) == block(i // 2)
os.close(fd)
check(1000)
`;
  const writers = ['a', 'b', 'c'].map((name) => startPython(script, path, name));
  const all = Promise.all(writers);
  await Promise.all([all, volume.commit(), volume.commit(), volume.commit()]);
  await assertNothingHeld(volume);
  await volume.commit();
  // Now from the store, at any place and from several at once.
  const reader = `${common}
import random
check(1000)
r = random.Random(me); fd = os.open(me, os.O_RDONLY); os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
for _ in range(300):
    i = r.randrange(1000); assert os.pread(fd, 65536, i * 65536) == block(i)
`;
  await Promise.all(['a', 'b', 'c'].map((name) => startPython(reader, path, name)));
  await assertNothingHeld(volume);
});

streams('O_DIRECT and O_SYNC, O_TMPFILE where there is one, and vectors', () => {
  python(
    `
import errno, mmap, os, sys
os.chdir(sys.argv[1])
page = mmap.mmap(-1, 65536); page.write(b'direct..' * 8192)
fd = os.open('direct', os.O_RDWR | os.O_CREAT | os.O_DIRECT)
for i in range(64): assert os.pwritev(fd, [page], i * 65536) == 65536
into = mmap.mmap(-1, 65536); assert os.preadv(fd, [into], 63 * 65536) == 65536 and into[:] == page[:]
assert os.preadv(fd, [into], 64 * 65536) == 0
plain = os.open('direct', os.O_RDWR | os.O_SYNC)
os.pwrite(plain, b'X', 5); assert os.preadv(fd, [into], 0) == 65536 and into[:8] == b'direcX..'
assert os.pwritev(plain, [b'one', b'', b'two' * 5000], 100) == 15003 and os.pread(plain, 15003, 100) == b'one' + b'two' * 5000
os.fdatasync(plain); os.sync()
try:
    t = os.open('.', os.O_RDWR | os.O_TMPFILE)
    os.write(t, b'x'); os.link(f'/proc/self/fd/{t}', 'tmpfile', follow_symlinks=True)
except OSError as e: assert e.errno in (errno.EOPNOTSUPP, errno.EISDIR), e
`,
    path,
  );
});

streams('nothing is held at the end, and the version is what the mount shows', async () => {
  await assertNothingHeld(volume);
  await assertCommitted(work, volume, path);
});

streams.run();
