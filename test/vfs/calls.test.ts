/** System calls on the bare vfs: what a kernel in front would not let through, and what it leaves to us. */
import { rmSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FILE_BYTES_MAX, MIB } from '../../dist/base/limits.js';
import type { Vfs } from '../../dist/vfs/vfs.js';
import { outcome } from '../meta/support.ts';
import { CALLER, PENDING, PlaneFixture } from '../chunk/support/plane-fixture.ts';

const test = suite('calls on the bare vfs');
let f: PlaneFixture;
let vfs: Vfs;
/** Each test has a directory of its own. */
let root: number;
let count = 0;
test.before(async () => {
  f = await PlaneFixture.start({ ringBytes: 8 * MIB });
  vfs = f.vfs;
});
test.before.each(() => {
  root = mkdir(f.namespace.root.ino, `t${++count}`);
});
test.after(async () => {
  await f.stop();
  rmSync(f.directory, { recursive: true, force: true });
});

const text = (ino: number): string => Buffer.from(f.read(ino, 0, 1000).bytes).toString('latin1');

/** The call's outcome, after room was made for it. */
function change(call: () => unknown): string {
  f.room(70_000);
  return outcome(call);
}

/** A file of the test's directory, open for reading and writing. */
function create(name: string, mode = 0o644): number {
  f.room(0);
  const { inode, fh } = vfs.create(CALLER, root, name, mode, 2);
  f.handles.set(inode.ino, fh);
  return inode.ino;
}

function mkdir(parent: number, name: string, mode = 0o755): number {
  f.room(0);
  return vfs.mkdir(CALLER, parent, name, mode).ino;
}

test('refuses what is no name, and what is too long', () => {
  for (const [name, code] of [
    ['', 'ENOENT'],
    ['.', 'EINVAL'],
    ['..', 'EINVAL'],
    ['a/b', 'EINVAL'],
    ['a\0b', 'EINVAL'],
    ['x'.repeat(256), 'ENAMETOOLONG'],
  ] as const) {
    const is = (call: () => unknown): void => assert.is(change(call), code, JSON.stringify(name));
    const from = vfs.lookup(root, 'from')?.ino ?? create('from');
    is(() => vfs.create(CALLER, root, name, 0o644, 2));
    is(() => vfs.mkdir(CALLER, root, name, 0o755));
    is(() => vfs.mknod(CALLER, root, name, 0o644, 0));
    is(() => vfs.symlink(CALLER, root, name, Buffer.from('target')));
    is(() => vfs.link(from, root, name));
    is(() => vfs.rename(root, 'from', root, name, 0));
  }
  assert.is(
    outcome(() => vfs.lookup(root, 'x'.repeat(256))),
    'ENAMETOOLONG',
  );
  const bytes = 'x\xff\x01 \n'.padEnd(255, '\xe4');
  const ino = create(bytes);
  assert.is(vfs.lookup(root, bytes)?.ino, ino, 'any bytes are a name, up to 255');
});

test('tells types apart: what is done to a file is not done to a directory or a link', () => {
  const file = create('file');
  const directory = mkdir(root, 'directory');
  f.room(0);
  const fifo = vfs.mknod(CALLER, root, 'fifo', 0o010644, 0).ino;
  const is = (code: string, call: () => unknown): void => assert.is(change(call), code);
  is('ENOTDIR', () => vfs.lookup(file, 'x'));
  is('ENOTDIR', () => vfs.create(CALLER, file, 'x', 0o644, 0));
  is('ENOTDIR', () => vfs.opendir(file));
  is('ENOTDIR', () => vfs.rmdir(root, 'file'));
  is('EISDIR', () => vfs.unlink(root, 'directory'));
  is('EPERM', () => vfs.link(directory, root, 'other'));
  is('EISDIR', () => vfs.open(directory, 1));
  is('EISDIR', () => vfs.open(directory, 0o1000));
  is('EISDIR', () => vfs.write(directory, 0, 0, new Uint8Array(1), false));
  is('EISDIR', () => vfs.read(directory, 0, 0, 1, new Uint8Array(1), 0, -1));
  is('EISDIR', () => vfs.setattr(CALLER, directory, { size: 0 }));
  is('EISDIR', () => vfs.copyFileRange(directory, 0, file, 0, 1));
  is('EINVAL', () => vfs.setattr(CALLER, fifo, { size: 0 }));
  is('EINVAL', () => vfs.fallocate(fifo, 0, 0, 0, 1));
  is('EINVAL', () => vfs.readlink(file));
  is('EINVAL', () => vfs.mknod(CALLER, root, 'new', 0o040755, 0));
  is('ESTALE', () => vfs.getattr(2 ** 50));
});

test('files end at the largest exact number, and what lies there can be read', () => {
  const usedBefore = f.namespace.statfs().usedBytes;
  const ino = create('f');
  const is = (code: string, call: () => unknown): void => assert.is(change(call), code);
  is('EFBIG', () => vfs.write(ino, 0, FILE_BYTES_MAX - 1, new Uint8Array(2), false));
  is('EFBIG', () => vfs.setattr(CALLER, ino, { size: FILE_BYTES_MAX + 1 }));
  is('EFBIG', () => vfs.fallocate(ino, 0, 0, FILE_BYTES_MAX, 1));
  const other = create('other');
  f.write(other, 0, Buffer.from('0123456789'));
  is('EFBIG', () => vfs.copyFileRange(other, 0, ino, FILE_BYTES_MAX - 9, 10));
  assert.is(vfs.getattr(ino).length, 0, 'nothing was done by halves');
  f.write(ino, FILE_BYTES_MAX - 3, Buffer.from('end'));
  assert.is(vfs.getattr(ino).length, FILE_BYTES_MAX);
  assert.equal(Buffer.from(f.read(ino, FILE_BYTES_MAX - 5, 100).bytes).toString('latin1'), '\0\0end');
  assert.is(vfs.lseek(ino, 0, 0, 3), FILE_BYTES_MAX - 3);
  f.setattr(ino, { size: 0 });
  assert.is(f.namespace.statfs().usedBytes - usedBefore, 2 * 4096, 'an empty file and a small one');
});

test('entries of a set-gid directory have its group, and directories the bit', () => {
  const parent = mkdir(root, 'd', 0o2755);
  f.setattr(parent, { gid: 77 });
  f.room(0);
  const file = vfs.create(CALLER, parent, 'f', 0o644, 0).inode;
  const directory = vfs.mkdir(CALLER, parent, 'sub', 0o700);
  assert.equal([file.gid, file.uid, file.mode], [77, CALLER.uid, 0o644]);
  assert.equal([directory.gid, directory.mode], [77, 0o2700]);
  assert.is(vfs.create(CALLER, root, 'plain', 0o644, 0).inode.gid, CALLER.gid);
});

test('extended attributes may be empty or 64 KiB, and take flags', () => {
  const ino = create('f');
  assert.is(
    change(() => vfs.setxattr(ino, 'user.a', new Uint8Array(0), 1)),
    'ok',
  );
  assert.is(vfs.getxattr(ino, 'user.a')?.length, 0);
  assert.is(
    change(() => vfs.setxattr(ino, 'user.a', new Uint8Array(1), 1)),
    'EEXIST',
  );
  assert.is(
    change(() => vfs.setxattr(ino, 'user.b', new Uint8Array(1), 2)),
    'ENODATA',
  );
  assert.is(
    change(() => vfs.setxattr(ino, 'user.a', new Uint8Array(65_536).fill(7), 2)),
    'ok',
  );
  assert.is(
    change(() => vfs.setxattr(ino, 'user.a', new Uint8Array(65_537), 0)),
    'E2BIG',
  );
  assert.is(vfs.getxattr(ino, 'user.a')?.length, 65_536);
  assert.equal(vfs.listxattr(ino), ['user.a']);
  assert.is(
    change(() => vfs.removexattr(ino, 'user.a')),
    'ok',
  );
  assert.is(
    change(() => vfs.removexattr(ino, 'user.a')),
    'ENODATA',
  );
  assert.equal(vfs.listxattr(ino), []);
});

test('cutting a file and growing it again shows zeros, however it grows', () => {
  const grow: [string, (ino: number) => void][] = [
    ['truncate', (ino) => f.setattr(ino, { size: 20 })],
    ['write', (ino) => f.write(ino, 19, Buffer.from('\0'))],
    ['fallocate', (ino) => f.allocate(ino, 0, 0, 20)],
    ['copy', (ino) => assert.is(f.copy(ino, 0, ino, 19, 1) && vfs.getattr(ino).length, 20)],
  ];
  for (const [how, act] of grow) {
    const ino = create(how);
    f.write(ino, 0, Buffer.from('\0bcdefghijklmnopqrst'));
    f.setattr(ino, { size: 4 });
    act(ino);
    assert.is(text(ino), `\0bcd${'\0'.repeat(16)}`, how);
  }
});

test('does the kinds of fallocate that it can, and refuses the others', () => {
  const ino = create('f');
  f.write(ino, 0, Buffer.from('abcdefghij'));
  const state = (mode: number, offset: number, length: number): string => {
    f.allocate(ino, mode, offset, length);
    return text(ino);
  };
  assert.is(state(1, 0, 100), 'abcdefghij');
  assert.is(state(3, 2, 2), 'ab\0\0efghij');
  assert.is(state(3, 9, 100), 'ab\0\0efghi\0');
  assert.is(state(17, 0, 1), '\0b\0\0efghi\0');
  assert.is(state(17, 50, 1), '\0b\0\0efghi\0');
  assert.is(state(16, 8, 4), '\0b\0\0efgh\0\0\0\0');
  assert.is(state(0, 0, 13), '\0b\0\0efgh\0\0\0\0\0');
  for (const mode of [2, 8, 9, 18, 19, 32, 64, 65, 128]) {
    assert.is(
      change(() => vfs.fallocate(ino, 0, mode, 0, 1)),
      'EOPNOTSUPP',
      `mode ${mode}`,
    );
  }
  assert.is(
    change(() => vfs.fallocate(ino, 0, 0, 0, 0)),
    'EINVAL',
  );
});

test('an unlinked file is whole until its last handle is closed and the kernel has forgotten it', () => {
  const usage = (): unknown => f.namespace.statfs();
  const before = usage();
  const { handles } = vfs.stats();
  for (const isForgottenFirst of [true, false]) {
    const ino = create('o');
    f.write(ino, 0, Buffer.from('orphan'));
    f.room(0);
    const second = vfs.open(ino, 2);
    vfs.unlink(root, 'o');
    assert.is(vfs.getattr(ino).nlink, 0);
    assert.is(vfs.lookup(root, 'o'), undefined);
    f.write(ino, 6, Buffer.from('!'));
    assert.is(text(ino), 'orphan!');
    assert.is(
      change(() => vfs.link(ino, root, 'again')),
      'ENOENT',
    );
    if (isForgottenFirst) vfs.forget(ino, 1);
    f.close(ino);
    assert.is(text(ino), 'orphan!', 'one handle is left');
    f.room(0);
    vfs.release(second);
    if (!isForgottenFirst) {
      assert.is(text(ino), 'orphan!', 'the kernel knows it');
      vfs.forget(ino, 1);
    }
    assert.is(
      outcome(() => vfs.getattr(ino)),
      'ESTALE',
    );
    assert.equal(usage(), before, 'its space is free');
  }
  assert.is(vfs.stats().handles, handles);
});

test('keeps times as they are given, and changes only those that an operation changes', () => {
  const ino = create('f');
  const times = (): number[][] => {
    const { atime, atimensec, mtime, mtimensec, ctime, ctimensec } = vfs.getattr(ino);
    return [[atime, atimensec], [mtime, mtimensec], [ctime, ctimensec]]; // prettier-ignore
  };
  f.setattr(ino, { atime: { sec: -5, nsec: 1 }, mtime: { sec: 2 ** 33, nsec: 999_999_999 } });
  const [atime, mtime, ctime] = times();
  assert.equal([atime, mtime], [[-5, 1], [2 ** 33, 999_999_999]]); // prettier-ignore
  f.setattr(ino, { mode: 0o600 });
  assert.equal(times().slice(0, 2), [atime, mtime]);
  assert.not.equal(times()[2], ctime);
  const [, , beforeRead] = times();
  f.read(ino, 0, 10);
  assert.equal(times(), [atime, mtime, beforeRead], 'reading writes nothing');
  f.write(ino, 0, new Uint8Array(1));
  assert.equal(times()[0], atime);
  assert.equal(times()[1], times()[2], 'a write sets mtime and ctime alike');
  f.setattr(ino, { size: 1, mtime: { sec: 3, nsec: 4 } });
  assert.equal(times()[1], [3, 4], 'a cut with a time has that time');
});

test('copies ranges within and between files without their bytes', () => {
  const [a, b] = [create('a'), create('b')];
  f.write(a, 0, Buffer.from('0123456789'));
  f.setattr(a, { size: 12 });
  const written = f.plane.stats()['bytesWritten'];
  assert.is(f.copy(a, 2, b, 5, 4), 4);
  assert.is(text(b), '\0\0\0\0\x002345');
  assert.is(f.copy(a, 8, b, 0, 100), 4, 'up to the end of the source, its hole too');
  assert.is(text(b), '89\0\0\x002345');
  assert.is(f.copy(a, 12, b, 0, 5), 0);
  assert.is(f.copy(a, 0, a, 20, 3), 3);
  assert.is(text(a), `0123456789${'\0'.repeat(10)}012`);
  assert.is(
    change(() => vfs.copyFileRange(a, 0, a, 2, 5)),
    'EINVAL',
    'ranges of one file do not overlap',
  );
  assert.is(f.plane.stats()['bytesWritten'], written);
  f.write(a, 2, Buffer.from('XXXX'));
  assert.is(text(b), '89\0\0\x002345', 'the copy stays as it was');
});

test('syncs a directory like a file: through the log', async () => {
  mkdir(root, 'd');
  assert.is(vfs.fsyncdir(root, -9), PENDING);
  assert.is(await f.log.answered(-9), 0);
});

test('names the inodes that are open for writing', () => {
  const [a, b] = [create('a'), create('b')];
  f.close(b);
  const isOpen = (ino: number): boolean => vfs.inodesOpenForWriting().includes(ino);
  vfs.release(vfs.open(b, 0));
  const readOnly = vfs.open(b, 0);
  assert.equal([isOpen(a), isOpen(b)], [true, false]);
  f.close(a);
  vfs.release(readOnly);
  assert.equal([isOpen(a), isOpen(b)], [false, false]);
});

test.run();
