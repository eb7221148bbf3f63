import { readFileSync, rmSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CHUNK_BYTES, MIB } from '../../dist/base/limits.js';
import { DataPlane } from '../../dist/chunk/data-plane.js';
import { Vfs } from '../../dist/vfs/vfs.js';
import { CALLER, PlaneFixture } from '../chunk/support/plane-fixture.ts';
import { newImage, openReadOnly, outcome, row } from '../meta/support.ts';

const test = suite('vfs');
const f = await PlaneFixture.start({ ringBytes: 8 * MIB });
const { vfs, namespace } = f;
const ROOT = namespace.root.ino;
const CAPABILITY = 'security.capability';
test.after(async () => {
  await f.stop();
  rmSync(f.directory, { recursive: true, force: true });
});

const text = (value: string): Uint8Array => Buffer.from(value, 'latin1');

function read(ino: number, offset = 0, size = 1000): string {
  return Buffer.from(f.read(ino, offset, size).bytes).toString('latin1');
}

function mode(ino: number): string {
  return vfs.getattr(ino).mode.toString(8);
}

test('a write clears set-id bits when the kernel asks, an execute bit deciding of the set-group-id', () => {
  const ino = f.create('killed', 0o6777);
  f.write(ino, 0, text('a'), false);
  assert.is(mode(ino), '6777');
  f.write(ino, 0, text('b'), true);
  assert.is(mode(ino), '777');
  f.setattr(ino, { mode: 0o6765 });
  f.write(ino, 0, text('c'), true);
  assert.is(mode(ino), '2765', 'without group execution it means mandatory locking');
});

test('a write that the kernel held back leaves the times to it, in the log as well', async () => {
  const ino = f.create('held-back');
  const times = { atime: { sec: 5, nsec: 0 }, mtime: { sec: 1000, nsec: 7 }, ctime: { sec: 2000, nsec: 8 } };
  const shown = (): number[] => {
    const { mtime, mtimensec, ctime, ctimensec } = vfs.getattr(ino);
    return [mtime, mtimensec, ctime, ctimensec];
  };
  f.setattr(ino, times);
  f.room(10);
  vfs.write(ino, 0, 0, text('held back'), false, true);
  assert.equal(shown(), [1000, 7, 2000, 8]);
  f.setattr(ino, { ...times, ctime: times.mtime });
  f.room(10);
  vfs.write(ino, 0, 0, text('again'), false, true);
  assert.equal(shown(), [1000, 7, 1000, 7]);
  const { path } = await f.index();
  const indexed = openReadOnly(readFileSync(path)).inode(ino)!;
  assert.equal([indexed.length, indexed.mtime, indexed.mtimensec, indexed.ctime], [9, 1000, 7, 1000]);
  f.room(10);
  vfs.write(ino, 0, 0, text('now'), false);
  assert.ok(vfs.getattr(ino).mtime > 1.7e9);
});

test('chown clears set-id bits of files and leaves those of directories', () => {
  const ino = f.create('given', 0o6755);
  f.setattr(ino, { uid: 5 });
  assert.is(mode(ino), '755');
  f.setattr(ino, { mode: 0o6755 });
  f.setattr(ino, { gid: 5, mode: 0o4755 });
  assert.is(mode(ino), '4755', 'a mode that comes with it counts');
  f.room(0);
  const directory = vfs.mkdir(CALLER, ROOT, 'given-dir', 0o2775);
  f.setattr(directory.ino, { gid: 9 });
  assert.is(mode(directory.ino), '2775');
});

test('writing, cutting, giving away, punching and copying drop the capabilities; chmod does not', () => {
  const source = f.create('source');
  f.write(source, 0, text('from here'));
  const ino = f.create('capable');
  f.write(ino, 0, text('contents'));
  const changes: [string, () => unknown, boolean][] = [
    ['write', () => f.write(ino, 3, text('x')), true],
    ['truncate', () => f.setattr(ino, { size: 5 }), true],
    ['open', () => vfs.open(ino, 0o1001), true],
    ['chown', () => f.setattr(ino, { gid: 7 }), true],
    ['fallocate', () => f.allocate(ino, 0, 0, 100), true],
    ['copy', () => f.copy(source, 0, ino, 0, 5), true],
    ['chmod', () => f.setattr(ino, { mode: 0o755 }), false],
    ['utimes', () => f.setattr(ino, { mtime: 'now' }), false],
  ];
  for (const [what, change, drops] of changes) {
    f.room(0);
    vfs.setxattr(ino, CAPABILITY, text('cap'), 0);
    change();
    assert.is(vfs.getxattr(ino, CAPABILITY) === undefined, drops, what);
  }
});

test('refuses what no file can be', () => {
  const ino = f.create('limits');
  const past = Number.MAX_SAFE_INTEGER;
  assert.is(
    outcome(() => f.write(ino, past, text('x'))),
    'EFBIG',
  );
  assert.is(
    outcome(() => f.write(ino, -1, text('x'))),
    'EINVAL',
  );
  assert.is(
    outcome(() => f.setattr(ino, { size: -1 })),
    'EINVAL',
  );
  assert.is(
    outcome(() => f.setattr(ino, { size: 2 ** 60 })),
    'EFBIG',
  );
  assert.is(
    outcome(() => f.setattr(ROOT, { size: 0 })),
    'EISDIR',
  );
  assert.is(
    outcome(() => f.allocate(ino, 0, past, 10)),
    'EFBIG',
  );
  assert.is(
    outcome(() => f.allocate(ino, 0, 0, 0)),
    'EINVAL',
  );
  assert.is(
    outcome(() => f.allocate(ino, 2, 0, 10)),
    'EOPNOTSUPP',
  );
  assert.is(
    outcome(() => f.allocate(ino, 8, 0, 10)),
    'EOPNOTSUPP',
  );
  assert.is(
    outcome(() => f.allocate(ROOT, 0, 0, 10)),
    'EISDIR',
  );
  assert.is(vfs.getattr(ino).length, 0, 'nothing changed');
  f.setattr(ino, { size: 2 ** 50 });
  assert.is(read(ino, 2 ** 50 - 2), '\0\0');
});

test('what was refused changed nothing, neither size nor times', () => {
  const ino = f.create('same');
  f.write(ino, 0, text('0123456789'));
  const before = row(vfs.getattr(ino));
  assert.is(
    outcome(() => f.copy(ino, 0, ino, 5, 6)),
    'EINVAL',
  );
  assert.is(f.copy(ino, 10, ino, 0, 5), 0, 'nothing to copy behind the end');
  assert.is(
    outcome(() => f.copy(ino, 0, ROOT, 0, 5)),
    'EISDIR',
  );
  assert.equal(row(vfs.getattr(ino)), before);
  assert.is(read(ino), '0123456789');
});

test('copies a source in very many pieces in part, and the rest when asked again', () => {
  const source = f.create('pieces');
  const twin = Buffer.alloc(30_000);
  for (let i = 0; i < 1500; i++) {
    f.write(source, i * 20, Buffer.alloc(10, 1 + (i % 250)));
    twin.fill(1 + (i % 250), i * 20, i * 20 + 10);
  }
  const target = f.create('target');
  const first = f.copy(source, 0, target, 100, 30_000);
  assert.ok(first > 5000 && first < 20_000, `${first} bytes`);
  assert.is(vfs.getattr(target).length, 100 + first, 'as long as what was copied');
  let done = first;
  while (done < 29_990) {
    const copied = f.copy(source, done, target, 100 + done, 29_990 - done);
    assert.ok(copied > 0);
    done += copied;
  }
  const got = f.read(target, 100, 29_990).bytes;
  assert.is(Buffer.compare(got, twin.subarray(0, 29_990)), 0);
});

test('a file without a name lives as long as a handle, and its inode number is stale afterwards', () => {
  const ino = f.create('orphan');
  f.write(ino, 0, text('still here'));
  f.room(0);
  vfs.unlink(ROOT, 'orphan');
  assert.is(vfs.getattr(ino).nlink, 0);
  assert.is(read(ino), 'still here');
  f.setattr(ino, { size: 5 });
  assert.is(read(ino), 'still');
  assert.is(
    outcome(() => vfs.link(ino, ROOT, 'again')),
    'ENOENT',
  );
  f.close(ino);
  assert.is(vfs.getattr(ino).nlink, 0, 'the kernel knows it still');
  vfs.forget(ino, 1);
  assert.is(
    outcome(() => vfs.getattr(ino)),
    'ESTALE',
  );
  assert.is(
    outcome(() => vfs.open(ino, 0)),
    'ESTALE',
  );
  vfs.release(999_999);
});

test('open cuts a file when asked, and refuses directories for writing', () => {
  const ino = f.create('cut');
  f.write(ino, 0, text('contents'));
  f.room(0);
  const fh = vfs.open(ino, 0o1002);
  assert.is(vfs.getattr(ino).length, 0);
  vfs.release(fh);
  assert.is(
    outcome(() => vfs.open(ROOT, 1)),
    'EISDIR',
  );
  assert.is(
    outcome(() => vfs.opendir(ino)),
    'ENOTDIR',
  );
  assert.is(
    outcome(() => vfs.read(ROOT, 0, 0, 10, new Uint8Array(10), 0, -1)),
    'EISDIR',
  );
  assert.ok(vfs.inodesOpenForWriting().includes(ino));
});

test('makes nodes of all types, and no unknown ones', () => {
  f.room(0);
  const device = vfs.mknod(CALLER, ROOT, 'char', 0o020666, 259);
  assert.equal([device.type, device.mode, device.rdev], [6, 0o666, 259]);
  const fifo = vfs.mknod(CALLER, ROOT, 'fifo', 0o010644, 259);
  assert.equal([fifo.type, fifo.rdev], [4, 0]);
  assert.is(vfs.mknod(CALLER, ROOT, 'plain', 0o600, 0).type, 1);
  assert.is(
    outcome(() => vfs.mknod(CALLER, ROOT, 'x', 0o040755, 0)),
    'EINVAL',
  );
  assert.is(
    outcome(() => vfs.mknod(CALLER, ROOT, 'x', 0o110644, 0)),
    'EINVAL',
  );
  assert.is(
    outcome(() => f.write(fifo.ino, 0, text('x'))),
    'EINVAL',
  );
  assert.is(vfs.lookup(ROOT, 'x'), undefined);
  assert.is(
    outcome(() => vfs.lookup(ROOT, 'n'.repeat(256))),
    'ENAMETOOLONG',
  );
});

test('a symbolic link keeps its own copy of the target', () => {
  f.room(0);
  const target = text('some/where');
  const link = vfs.symlink(CALLER, ROOT, 'link', target);
  target.fill(0);
  assert.is(Buffer.from(vfs.readlink(link.ino)).toString(), 'some/where');
  assert.is(link.length, 10);
  assert.is(
    outcome(() => vfs.symlink(CALLER, ROOT, 'l2', text('x'.repeat(4096)))),
    'ENAMETOOLONG',
  );
  assert.is(
    outcome(() => vfs.symlink(CALLER, ROOT, 'l2', text(''))),
    'ENOENT',
  );
});

test('has no ACLs, and says so rather than that there are none', () => {
  const ino = f.create('acl');
  const name = 'system.posix_acl_access';
  assert.is(
    outcome(() => vfs.getxattr(ino, name)),
    'EOPNOTSUPP',
  );
  assert.is(
    outcome(() => vfs.setxattr(ino, name, text('x'), 0)),
    'EOPNOTSUPP',
  );
  assert.is(vfs.getxattr(ino, 'user.none'), undefined);
  const value = text('value');
  vfs.setxattr(ino, 'user.own', value, 0);
  value.fill(0);
  assert.is(Buffer.from(vfs.getxattr(ino, 'user.own')!).toString(), 'value');
  assert.equal(vfs.listxattr(ino), ['user.own']);
  assert.is(
    outcome(() => vfs.removexattr(ino, 'user.none')),
    'ENODATA',
  );
});

test('setattr takes given times as they are and sets the others', () => {
  const ino = f.create('times');
  f.setattr(ino, { atime: { sec: -5, nsec: 7 }, mtime: { sec: 1e9, nsec: 999_999_999 } });
  const { atime, atimensec, mtime, mtimensec, ctime } = vfs.getattr(ino);
  assert.equal([atime, atimensec, mtime, mtimensec], [-5, 7, 1e9, 999_999_999]);
  assert.ok(ctime > 1.7e9);
  f.setattr(ino, { size: 10 });
  assert.ok(vfs.getattr(ino).mtime > 1.7e9, 'a truncate sets mtime');
  f.setattr(ino, { size: 12, mtime: { sec: 3, nsec: 0 }, ctime: { sec: 4, nsec: 0 } });
  assert.equal([vfs.getattr(ino).mtime, vfs.getattr(ino).ctime], [3, 4], 'unless one is given');
});

test('cuts a file with data in very many chunks in one step', () => {
  const ino = f.create('wide');
  for (let i = 0; i < 300; i++) f.write(ino, i * CHUNK_BYTES + 5, text('x'));
  const before = f.log.writer.appended;
  f.setattr(ino, { size: 0 });
  assert.ok(f.log.writer.appended - before < 64 * 1024);
  f.setattr(ino, { size: 300 * CHUNK_BYTES });
  assert.is(
    outcome(() => vfs.lseek(ino, 0, 0, 3)),
    'ENXIO',
    'nothing is left',
  );
  assert.is(read(ino, 299 * CHUNK_BYTES, 10), '\0'.repeat(10));
});

test('refuses to cut data in more chunks than one step can, before it changes anything', () => {
  const ino = f.create('wider');
  const chunks = 20_001;
  for (let i = 0; i < chunks; i++) f.write(ino, i * CHUNK_BYTES, text('x'));
  const before = row(vfs.getattr(ino));
  assert.is(
    outcome(() => f.setattr(ino, { size: 0 })),
    'EFBIG',
  );
  assert.equal(row(vfs.getattr(ino)), before);
  f.setattr(ino, { size: CHUNK_BYTES });
  assert.is(read(ino, 0, 2), 'x\0', 'a part of them can be cut');
});

test('a read-only volume refuses every change and owes nothing', () => {
  const ns = openReadOnly(newImage());
  const plane = new DataPlane({
    log: null,
    segments: null,
    namespace: ns,
    ids: null,
    post: () => undefined,
    writeback: false,
    blockBytes: 4 * MIB,
  });
  const ro = new Vfs(ns, plane, { readOnly: true });
  for (const change of [
    () => ro.create(CALLER, ROOT, 'f', 0o644, 1),
    () => ro.mkdir(CALLER, ROOT, 'd', 0o755),
    () => ro.symlink(CALLER, ROOT, 'l', text('x')),
    () => ro.mknod(CALLER, ROOT, 'n', 0o644, 0),
    () => ro.link(ROOT, ROOT, 'h'),
    () => ro.unlink(ROOT, 'f'),
    () => ro.rmdir(ROOT, 'd'),
    () => ro.rename(ROOT, 'a', ROOT, 'b', 0),
    () => ro.setattr(CALLER, ROOT, { mode: 0 }),
    () => ro.setxattr(ROOT, 'user.x', text(''), 0),
    () => ro.removexattr(ROOT, 'user.x'),
    () => ro.write(ROOT, 0, 0, text('x'), false),
    () => ro.fallocate(ROOT, 0, 0, 0, 1),
    () => ro.copyFileRange(ROOT, 0, ROOT, 0, 1),
    () => ro.open(ROOT, 1),
    () => ro.room(0),
  ]) {
    assert.is(outcome(change), 'EROFS', String(change));
  }
  assert.not(ro.flushOwes);
  assert.is(ro.flush(ROOT, 0, -1), 0);
  assert.is(ro.fsync(ROOT, 0, false, -1), 0);
  const { files, filesFree, blocks, blocksFree, nameMax } = ro.statfs();
  assert.ok(files >= filesFree && blocks >= blocksFree && nameMax === 255);
  ro.release(ro.open(ROOT, 0));
  assert.is(ro.stats().handles, 0);
});

test.run();
