// needs: mount
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { RWVolume } from '../../dist/index.js';
import { assertCommitted, assertNothingHeld, python } from './programs.ts';
import { Workspace } from './support.ts';

const work = new Workspace();
const limits = suite('large, deep and odd things');
let volume: RWVolume;
let path: string;

limits.before(async () => {
  volume = work.volume('limits');
  path = await volume.mount({ mountPath: work.fresh() });
});
limits.after(async () => {
  await volume.abandon({ delete: true });
  work.cleanUp();
});

/** Runs in the mount or in a version of it; asserts are Python's. */
const inTree = (script: string, at = path): string => python(`import os, sys\nos.chdir(sys.argv[1])\n${script}`, at);

const checkSparse = `
def pieces(fd):
    size, at, found = os.fstat(fd).st_size, 0, []
    while at < size:
        try: start = os.lseek(fd, at, os.SEEK_DATA)
        except OSError: break
        at = os.lseek(fd, start, os.SEEK_HOLE); found.append((start, at))
    return found
for name, size in ('five', 5 << 30), ('huge', 3 << 40):
    fd = os.open(name, os.O_RDONLY)
    assert os.fstat(fd).st_size == size
    assert pieces(fd) == [(4096, 8192), ((4 << 30) - 2, (4 << 30) + 2), (size - 3, size)], pieces(fd)
    assert os.pread(fd, 8, (4 << 30) - 4) == b'\\0\\0edge\\0\\0'
    assert os.pread(fd, 10, size - 5) == b'\\0\\0end'
    assert os.pread(fd, 1 << 20, 1 << 30) == bytes(1 << 20)
    assert os.pread(fd, 4096, 4096) == b'x' * 4096
    os.close(fd)
`;

limits('sparse files beyond 4 GiB and 1 TiB', () => {
  inTree(`
for name, size in ('five', 5 << 30), ('huge', 3 << 40):
    fd = os.open(name, os.O_RDWR | os.O_CREAT)
    os.pwrite(fd, b'x' * 4096, 4096); os.pwrite(fd, b'edge', (4 << 30) - 2); os.pwrite(fd, b'end', size - 3)
    os.close(fd)
${checkSparse}`);
});

limits('a copy of a sparse file is sparse, off the mount as well', () => {
  inTree(`
import subprocess, tempfile
with tempfile.TemporaryDirectory() as out:
    for name in ('five', 'huge'):
        assert os.stat(name).st_blocks * 512 <= 4 * (64 << 20), os.stat(name).st_blocks
        subprocess.run(['cp', name, out + '/copy'], check=True)
        assert os.stat(out + '/copy').st_size == os.stat(name).st_size
        assert os.stat(out + '/copy').st_blocks * 512 < 256 << 20, os.stat(out + '/copy').st_blocks
        with open(out + '/copy', 'rb') as f:
            f.seek((4 << 30) - 2); assert f.read(4) == b'edge'
            f.seek(-3, 2); assert f.read() == b'end'
`);
});

limits('fallocate extends, keeps the size, punches holes and zeroes', () => {
  inTree(`
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def fallocate(fd, mode, at, n):
    if libc.fallocate(fd, mode, ctypes.c_long(at), ctypes.c_long(n)) != 0: raise OSError(ctypes.get_errno(), 'fallocate')
fd = os.open('allocated', os.O_RDWR | os.O_CREAT)
os.posix_fallocate(fd, 0, 1 << 20); assert os.fstat(fd).st_size == 1 << 20
os.pwrite(fd, b'y' * (1 << 20), 0)
fallocate(fd, 1, 1 << 20, 1 << 20); assert os.fstat(fd).st_size == 1 << 20
fallocate(fd, 3, 100, 70000)
assert os.pread(fd, 70200, 0) == b'y' * 100 + bytes(70000) + b'y' * 100
fallocate(fd, 16, (1 << 20) - 10, 20); assert os.fstat(fd).st_size == (1 << 20) + 10
assert os.pread(fd, 40, (1 << 20) - 20) == b'y' * 10 + bytes(20)
os.ftruncate(fd, 50); os.ftruncate(fd, 200); assert os.pread(fd, 300, 0) == b'y' * 50 + bytes(150)
`);
});

const checkNames = `
names = [bytes([b]) * 255 for b in range(0x80, 0x90)] + [b'\\xff\\xfe' + bytes(range(1, 47)), b'new\\nline', b'-rf', b'\\xc3\\x28', b'a\\\\b', b' ']
there = set(os.listdir(b'odd'))
assert there == {n for n in names} | {b'd' + n[1:] for n in names}, there
for n in names:
    assert open(b'odd/' + n, 'rb').read() == n
    assert os.readlink(b'odd/d' + n[1:] + b'/l') == n
`;

limits('names of 255 bytes that are not UTF-8, and nasty ones', () => {
  inTree(`
names = [bytes([b]) * 255 for b in range(0x80, 0x90)] + [b'\\xff\\xfe' + bytes(range(1, 47)), b'new\\nline', b'-rf', b'\\xc3\\x28', b'a\\\\b', b' ']
os.mkdir('odd')
for n in names:
    open(b'odd/' + n, 'wb').write(n)
    os.mkdir(b'odd/d' + n[1:]); os.symlink(n, b'odd/d' + n[1:] + b'/l')
try: open(b'odd/' + b'n' * 256, 'w'); assert False
except OSError as e: assert e.errno == 36
os.rename(b'odd/new\\nline', b'odd/\\xf0'); os.rename(b'odd/\\xf0', b'odd/new\\nline')
${checkNames}`);
});

const ENTRIES = 50_000;
const checkMany = `
names = os.listdir('many')
assert len(names) == ${ENTRIES - 5000} and set(names) == {f'entry-{i:06}' for i in range(${ENTRIES}) if i % 10}
`;

limits(`a directory with ${ENTRIES} entries, of which a tenth goes while it is listed`, () => {
  inTree(`
os.mkdir('many')
for i in range(${ENTRIES}): os.close(os.open(f'many/entry-{i:06}', os.O_CREAT | os.O_WRONLY))
seen = []
with os.scandir('many') as entries:
    for entry in entries:
        seen.append(entry.name)
        if entry.name.endswith('0'): os.unlink(entry.path)
assert len(seen) == len(set(seen)) == ${ENTRIES}, (len(seen), len(set(seen)))
assert os.stat('many/entry-012345').st_size == 0
${checkMany}`);
});

const checkDeep = `
at = os.open('deep', os.O_RDONLY)
for i in range(300):
    below = os.open(f'{i:03}' + 'd' * 40, os.O_RDONLY, dir_fd=at); os.close(at); at = below
fd = os.open('bottom', os.O_RDONLY, dir_fd=at); assert os.read(fd, 10) == b'bottom'
`;

limits('paths of 4,095 bytes and directories deeper than any path', () => {
  inTree(`
os.mkdir('deep'); at = os.open('deep', os.O_RDONLY)
for i in range(300):
    name = f'{i:03}' + 'd' * 40
    os.mkdir(name, dir_fd=at); below = os.open(name, os.O_RDONLY, dir_fd=at); os.close(at); at = below
fd = os.open('bottom', os.O_WRONLY | os.O_CREAT, dir_fd=at); os.write(fd, b'bottom'); os.close(fd)
longest = 'long'
os.mkdir(longest)
while len(longest) + 201 < 4090: longest += '/' + 'p' * 200; os.mkdir(longest)
longest += '/' + 'q' * (4095 - len(longest) - 1)
open(longest, 'w').write('x'); assert len(longest) == 4095 and open(longest).read() == 'x'
try: os.stat(longest + 'q'); assert False
except OSError as e: assert e.errno == 36
${checkDeep}`);
});

const checkReserved = `
for name in '.config', '.trash', '.stats', '.accesslog', '.control':
    assert open(name + '/file').read() == name and name in os.listdir('.')
`;

limits('names that other file systems keep for themselves are names like any other in the root', () => {
  inTree(`
for name in '.config', '.trash', '.stats', '.accesslog', '.control':
    os.mkdir(name); open(name + '/file', 'w').write(name)
os.rename('.trash', '.Trash'); os.rename('.Trash', '.trash'); os.unlink('.config/file'); open('.config/file', 'w').write('.config')
${checkReserved}`);
});

limits('all of it is in the version, and in the mount after going on from it', async () => {
  await assertNothingHeld(volume);
  const version = await volume.commit();
  const at = await version.mount({ mountPath: work.fresh() });
  for (const check of [checkSparse, checkNames, checkMany, checkDeep, checkReserved]) {
    inTree(check, at);
    inTree(check);
  }
  assert.equal(readdirSync(at).sort(), readdirSync(path).sort());
  await version.unmount();
});

limits('everything can be removed again', async () => {
  inTree(`
import shutil, subprocess
subprocess.run(['rm', '-rf', 'deep', 'long', 'odd', 'many', 'five', 'huge', 'allocated', '.trash', '.config', '.stats', '.accesslog', '.control'], check=True)
assert os.listdir('.') == []`);
  assert.is(join(path, '..') === work.directory, true);
  await assertCommitted(work, volume, path);
});

limits.run();
