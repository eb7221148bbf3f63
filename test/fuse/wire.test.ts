import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FsError } from '../../dist/base/errors.js';
import { invalidateEntry, invalidateInode } from '../../dist/fuse/notify.js';
import { Opcode } from '../../dist/fuse/protocol/constants.js';
import { MemoryVfs } from './memory-vfs.ts';
import { bytesOf, CALLER, errnoOf, requestBytes, u32, wireTo, type Part } from './wire.ts';

/** A vfs with one file (inode 2) of known attributes under the root. */
function fixture(options: Parameters<typeof wireTo>[1] = {}) {
  const vfs = new MemoryVfs();
  const inode = vfs.mknod(CALLER, 1, 'file', 0o100644, 0);
  vfs.write(2, 0, 0, Buffer.from('hello'), false);
  Object.assign(inode, { atime: 1, atimensec: 2, mtime: -3, mtimensec: 4, ctime: 2 ** 33 + 5, ctimensec: 6 });
  vfs.calls.length = 0;
  return { vfs, inode, ...wireTo(vfs, options) };
}

/** struct fuse_attr of the fixture's file. */
const ATTR: Part[] = [2, 5, 1, 1, -3, 2 ** 33 + 5, u32(2, 4, 6, 0o100644, 1, 1000, 1001, 0, 65536, 0)];
const ok = (...body: Part[]): Buffer => {
  const rest = bytesOf(...body);
  return bytesOf(u32(16 + rest.length, 0), 77, rest);
};
const failed = (errno: number): Buffer => bytesOf(u32(16, -errno), 77);
const ENTRY: Part[] = [2, 0, 30, 60, u32(500_000_000, 0), ...ATTR];

test('INIT agrees on the smaller minor version and on the flags that both have', () => {
  const { ask, bridge } = fixture();
  const all = 0xffffffff;
  const reply = ask(Opcode.INIT, 0, u32(7, 45, 131072, all, all), new Uint8Array(44));
  const flags = 0x1 + 0x20 + 0x2000 + 0x8000 + 0x40000 + 0x400000 + 0x800000 + 0x2000000 + 0x10000000;
  const body = [u32(7, 45, 131072, flags, 64 + 48 * 65536, 1 << 20, 1, 256), new Uint8Array(32)];
  assert.equal(reply, ok(...body));
  assert.equal(bridge.agreed, { major: 7, minor: 45, maxReadaheadBytes: 131072, flags });
});

test('INIT of older and newer kernels', () => {
  const init = (major: number, minor: number): Buffer => fixture().ask(Opcode.INIT, 0, u32(major, minor, 65536, 0x29))!;
  assert.is(init(7, 31).readUInt32LE(20), 31);
  assert.is(init(7, 99).readUInt32LE(20), 45);
  assert.is(init(7, 31).readUInt32LE(28), 0x21, 'nothing that the kernel does not offer, and no ATOMIC_O_TRUNC');
  assert.equal(init(7, 30), failed(71));
  assert.equal(init(6, 40), failed(71));
  const again = init(8, 0);
  assert.equal([again.length, again.readUInt32LE(16), again.readInt32LE(4)], [80, 7, 0]);
});

test('INIT asks for write-back only when told to', () => {
  const init = (kernelWriteback: boolean): number =>
    fixture({ kernelWriteback })
      .ask(Opcode.INIT, 0, u32(7, 38, 65536, 0xffffffff))!
      .readUInt32LE(28);
  assert.is(init(false) & 0x10000, 0);
  assert.is(init(true) & 0x10000, 0x10000);
});

test('LOOKUP answers an entry with its times and validity', () => {
  const { ask } = fixture();
  assert.equal(ask(Opcode.LOOKUP, 1, 'file\0'), ok(...ENTRY));
});

test('LOOKUP of nothing is an entry without a node that may be believed, or ENOENT', () => {
  assert.equal(fixture().ask(Opcode.LOOKUP, 1, 'none\0'), ok(0, 0, 30, 0, u32(500_000_000, 0), new Uint8Array(88)));
  assert.equal(fixture({ entryTimeoutMs: 0 }).ask(Opcode.LOOKUP, 1, 'none\0'), failed(2));
});

test('names of directories have a validity of their own', () => {
  const reply = fixture().ask(Opcode.MKDIR, 1, u32(0o40755, 0o22), 'dir\0')!;
  assert.equal([reply.readUInt32LE(32), reply.readUInt32LE(40), reply.readUInt32LE(48)], [10, 60, 0]);
});

test('GETATTR and SETATTR answer the attributes', () => {
  const { ask, vfs, inode } = fixture();
  const attr = [60, u32(0, 0), ...ATTR];
  assert.equal(ask(Opcode.GETATTR, 2, u32(0, 0), 0), ok(...attr));
  const times = [9, -7, 11, u32(12, 13, 14)];
  const body = [u32(0x67f, 0), 5, 3, 0, ...times, u32(0o100600, 0, 21, 22, 0)];
  const reply = ask(Opcode.SETATTR, 2, ...body)!;
  assert.is(errnoOf(reply), 0);
  const change = { mode: 0o600, uid: 21, gid: 22, size: 3, atime: { sec: 9, nsec: 12 }, mtime: { sec: -7, nsec: 13 } };
  assert.equal(vfs.calls, [`setattr 2 ${JSON.stringify({ ...change, ctime: { sec: 11, nsec: 14 } })}`]);
  assert.equal([inode.length, inode.mtime], [3, -7]);
});

test('SETATTR takes "now", and the set-id bits when the kernel says so', () => {
  const { ask, vfs, inode } = fixture();
  inode.mode = 0o6755;
  ask(Opcode.SETATTR, 2, u32(0x1b0 + 0x800, 0), new Uint8Array(80));
  assert.equal(vfs.calls, ['setattr 2 {"atime":"now","mtime":"now","mode":493}']);
  inode.mode = 0o6745;
  ask(Opcode.SETATTR, 2, u32(0x800, 0), new Uint8Array(80));
  assert.is(inode.mode, 0o2745, 'set-group-id stays where the group may not execute');
});

test('OPEN, READ, WRITE, RELEASE', () => {
  const { ask, vfs } = fixture();
  assert.equal(ask(Opcode.OPEN, 2, u32(2, 0)), ok(1, u32(2, 0)));
  assert.equal(ask(Opcode.READ, 2, 1, 1, u32(100, 0), 0, u32(0, 0)), ok('ello'));
  assert.equal(ask(Opcode.READ, 2, 1, 5, u32(100, 0), 0, u32(0, 0)), ok());
  assert.equal(ask(Opcode.WRITE, 2, 1, 5, u32(3, 4), 0, u32(0, 0), 'abc'), ok(u32(3, 0)));
  assert.equal(ask(Opcode.WRITE, 2, 1, 8, u32(3, 0), 0, u32(0, 0), 'def'), ok(u32(3, 0)));
  assert.equal(ask(Opcode.READ, 2, 1, 0, u32(4096, 0), 0, u32(0, 0)), ok('helloabcdef'));
  assert.equal(ask(Opcode.RELEASE, 2, 1, u32(0, 0), 0), ok());
  assert.equal(vfs.calls, [
    'read 2 1 100 77', 'read 2 5 100 77', 'write 2 5 3 true', 'write 2 8 3 false', 'read 2 0 4096 77', 'release 1',
  ]); // prettier-ignore
});

test('OPEN with O_TRUNC empties the file and takes the set-id bits', () => {
  const { ask, inode } = fixture();
  inode.mode = 0o4755;
  assert.is(errnoOf(ask(Opcode.OPEN, 2, u32(0o1001, 1))), 0);
  assert.equal([inode.length, inode.mode], [0, 0o755]);
});

test('CREATE answers the entry and the handle', () => {
  const { ask } = fixture();
  const reply = ask(Opcode.CREATE, 1, u32(0o102, 0o100640, 0o22, 0), 'new\0')!;
  assert.is(reply.length, 16 + 128 + 16);
  assert.equal(reply.subarray(0, 56), bytesOf(u32(160, 0), 77, 3, 0, 30, 60, u32(500_000_000, 0)));
  assert.equal(reply.subarray(144), bytesOf(1, u32(2, 0)));
  assert.is(reply.readUInt32LE(16 + 40 + 60), 0o100640);
});

test('the other requests that make, move and remove names', () => {
  const { ask, vfs } = fixture();
  assert.is(ask(Opcode.SYMLINK, 1, 'link\0', 'to/where\0')?.length, 144);
  assert.equal(ask(Opcode.READLINK, 3), ok('to/where'));
  assert.is(ask(Opcode.LINK, 1, 2, 'hard\0')?.readUInt32LE(16), 2);
  assert.is(ask(Opcode.MKNOD, 1, u32(0o020600, 0x501, 0, 0), 'tty\0')?.readUInt32LE(16 + 40 + 76), 0x501);
  assert.equal(ask(Opcode.RENAME2, 1, 1, u32(1, 0), 'hard\0', 'x\0'), ok());
  assert.equal(ask(Opcode.RENAME, 1, 1, 'x\0', 'y\0'), ok());
  assert.equal(ask(Opcode.UNLINK, 1, 'y\0'), ok());
  assert.equal(ask(Opcode.UNLINK, 1, 'y\0'), failed(2));
  ask(Opcode.MKDIR, 1, u32(0o755, 0), 'd\0');
  assert.equal(ask(Opcode.RMDIR, 1, 'd\0'), ok());
  assert.equal(vfs.calls, ['rename 1 hard 1 x 1', 'rename 1 x 1 y 0']);
});

test('READDIR begins with the dots, and each cookie goes on behind its entry', () => {
  const { ask } = fixture();
  ask(Opcode.MKDIR, 1, u32(0o755, 0), 'eightlet\0');
  const list = (opcode: number, cookie: number, size: number): Buffer =>
    ask(opcode, 1, 1, cookie, u32(size, 0), 0, u32(0, 0))!;
  const dots = [1, 1, u32(1, 4), '.\0\0\0\0\0\0\0', 1, 2, u32(2, 4), '..\0\0\0\0\0\0'];
  const file = [2, 3, u32(4, 8), 'file\0\0\0\0'];
  const directory = [3, 4, u32(8, 4), 'eightlet'];
  assert.equal(list(Opcode.READDIR, 0, 4096), ok(...dots, ...file, ...directory));
  assert.equal(list(Opcode.READDIR, 0, 96), ok(...dots, ...file));
  assert.equal(list(Opcode.READDIR, 1, 33), ok(...dots.slice(4)));
  assert.equal(list(Opcode.READDIR, 2, 4096), ok(...file, ...directory));
  assert.equal(list(Opcode.READDIR, 3, 4096), ok(...directory));
  assert.equal(list(Opcode.READDIR, 4, 4096), ok());
  assert.equal(list(Opcode.READDIR, 3, 31), failed(22));
  const nothing = new Uint8Array(128);
  const plus = [nothing, ...dots.slice(0, 4), nothing, ...dots.slice(4), ...ENTRY, ...file];
  assert.equal(list(Opcode.READDIRPLUS, 0, 3 * 160), ok(...plus));
});

test('OPENDIR lets the kernel keep listings unless that is off', () => {
  assert.equal(fixture().ask(Opcode.OPENDIR, 1, u32(0, 0)), ok(1, u32(10, 0)));
  assert.equal(fixture({ dirEntryTimeoutMs: 0 }).ask(Opcode.OPENDIR, 1, u32(0, 0)), ok(1, u32(0, 0)));
});

test('READDIRPLUS counts a lookup for each entry but the dots', () => {
  const { ask, inode, vfs } = fixture();
  const before = inode.lookups;
  ask(Opcode.READDIRPLUS, 1, 1, 0, u32(4096, 0), 0, u32(0, 0));
  assert.is(inode.lookups, before + 1);
  assert.is(vfs.nodes.get(1)!.lookups, 0);
});

test('attributes: their size, their value, a buffer that is too small, a miss', () => {
  const { ask } = fixture();
  assert.equal(ask(Opcode.SETXATTR, 2, u32(5, 0), 'user.a\0', 'value'), ok());
  assert.equal(ask(Opcode.SETXATTR, 2, u32(0, 0), 'user.empty\0'), ok());
  assert.equal(ask(Opcode.GETXATTR, 2, u32(0, 0), 'user.a\0'), ok(u32(5, 0)));
  assert.equal(ask(Opcode.GETXATTR, 2, u32(5, 0), 'user.a\0'), ok('value'));
  assert.equal(ask(Opcode.GETXATTR, 2, u32(4, 0), 'user.a\0'), failed(34));
  assert.equal(ask(Opcode.GETXATTR, 2, u32(9, 0), 'user.none\0'), failed(61));
  assert.equal(ask(Opcode.LISTXATTR, 2, u32(0, 0)), ok(u32(18, 0)));
  assert.equal(ask(Opcode.LISTXATTR, 2, u32(18, 0)), ok('user.a\0user.empty\0'));
  assert.equal(ask(Opcode.LISTXATTR, 2, u32(17, 0)), failed(34));
  assert.equal(ask(Opcode.REMOVEXATTR, 2, 'user.a\0'), ok());
  assert.equal(ask(Opcode.REMOVEXATTR, 2, 'user.a\0'), failed(61));
});

test('STATFS, FALLOCATE, LSEEK, COPY_FILE_RANGE', () => {
  const { ask } = fixture();
  const statfs = [1_000_000, 900_000, 900_000, 2, 1_000_000, u32(4096, 255, 4096, 0), new Uint8Array(24)];
  assert.equal(ask(Opcode.STATFS, 1), ok(...statfs));
  assert.equal(ask(Opcode.FALLOCATE, 2, 1, 0, 100, u32(0, 0)), ok());
  assert.equal(ask(Opcode.LSEEK, 2, 1, 3, u32(4, 0)), ok(100));
  assert.equal(ask(Opcode.LSEEK, 2, 1, 100, u32(3, 0)), failed(6));
  assert.equal(ask(Opcode.COPY_FILE_RANGE, 2, 1, 0, 2, 1, 200, 2 ** 40, 0), ok(u32(100, 0)));
});

test('FLUSH is refused for ever when nothing is owed at a close', () => {
  const { ask, vfs } = fixture();
  assert.equal(ask(Opcode.FLUSH, 2, 1, u32(0, 0), 0), failed(38));
  Object.assign(vfs, { flushOwes: true });
  assert.equal(ask(Opcode.FLUSH, 2, 1, u32(0, 0), 0), ok());
});

test('answers that come later leave no reply, and are named', () => {
  const pending: [number, number][] = [];
  const { ask, vfs, replies } = fixture({ onPending: (...request) => pending.push(request) });
  vfs.isSlow = true;
  ask(Opcode.FSYNC, 2, 1, u32(1, 0));
  ask(Opcode.FSYNCDIR, 1, 1, u32(0, 0));
  ask(Opcode.SYNCFS, 1, 0);
  ask(Opcode.READ, 2, 1, 0, u32(10, 0), 0, u32(0, 0));
  assert.is(replies.length, 0);
  assert.equal(pending, [[77, 4242], [77, 4242], [77, 4242], [77, 4242]]); // prettier-ignore
  assert.equal(vfs.calls, ['fsync 2 true 77', 'fsync 1 false 77', 'fsync 1 false 77', 'read 2 0 10 77']);
});

test('INTERRUPT answers the request that it names when it is to end, and itself never', () => {
  const asked: number[] = [];
  const { ask, replies } = fixture({ onInterrupt: (unique) => asked.push(unique) === 1 });
  ask(Opcode.INTERRUPT, 0, 2 ** 40 + 6);
  ask(Opcode.INTERRUPT, 0, 8);
  assert.equal(asked, [2 ** 40 + 6, 8]);
  assert.equal(replies, [bytesOf(u32(16, -4), 2 ** 40 + 6)]);
});

test('FORGET and BATCH_FORGET have no reply', () => {
  const { ask, vfs, replies } = fixture();
  ask(Opcode.FORGET, 2, 1);
  ask(Opcode.BATCH_FORGET, 0, u32(2, 0), 2, 3, 9, 2 ** 40);
  assert.is(replies.length, 0);
  assert.equal(vfs.calls, ['forget 2 1', 'forget 2 3', `forget 9 ${Number.MAX_SAFE_INTEGER}`]);
});

test('what is not served is refused so that the kernel does without it', () => {
  const { ask } = fixture();
  for (const opcode of [
    Opcode.ACCESS,
    Opcode.POLL,
    Opcode.BMAP,
    Opcode.TMPFILE,
    Opcode.STATX,
    Opcode.GETLK,
    53,
    4096,
  ]) {
    assert.equal(ask(opcode, 2, new Uint8Array(64)), failed(38), String(opcode));
  }
  assert.equal(ask(Opcode.IOCTL, 2, new Uint8Array(32)), failed(25));
  assert.equal(ask(Opcode.DESTROY, 0), ok());
  assert.is(ask(Opcode.NOTIFY_REPLY, 2, new Uint8Array(40)), undefined);
});

test('changes ask for room first; without it nothing happens until they are handed in again', () => {
  const { feed, vfs, replies } = fixture();
  const write = requestBytes(Opcode.WRITE, 78, 2, 1, 0, u32(2, 0), 0, u32(0, 0), 'HE');
  vfs.rooms.push('wait');
  assert.is(feed(write), 'wait');
  assert.is(feed(write, true), 'wait', 'earlier ones wait');
  assert.is(feed(requestBytes(Opcode.READ, 79, 2, 1, 0, u32(9, 0), 0, u32(0, 0)), true), 'done', 'reads go on');
  assert.equal([vfs.calls, replies.length], [['read 2 0 9 79'], 1]);
  assert.is(feed(write), 'done');
  vfs.rooms.push(new FsError('ENOSPC'), new FsError('ENOSPC'), new FsError('EIO'));
  assert.is(feed(write), 'done');
  assert.is(errnoOf(replies.at(-1)), 28);
  feed(requestBytes(Opcode.FORGET, 80, 2, 1));
  assert.is(vfs.calls.at(-1), 'forget 2 1', 'what lets go is done in any case');
  feed(requestBytes(Opcode.MKDIR, 81, 1, u32(0o755, 0), 'd\0'));
  assert.is(errnoOf(replies.at(-1)), 5);
});

test('an unexpected exception is EIO and logged with its cause', () => {
  const logged: object[] = [];
  const logger = { debug() {}, info() {}, warn() {}, error: (fields: object) => void logged.push(fields) };
  const { ask, vfs } = fixture({ logger });
  vfs.statfs = () => {
    throw new TypeError('a defect', { cause: new Error('the reason') });
  };
  assert.equal(ask(Opcode.STATFS, 1), failed(5));
  assert.is(logged.length, 1);
  assert.match(JSON.stringify(logged[0]), /a defect.*the reason/);
  assert.equal(ask(Opcode.GETATTR, 99, u32(0, 0), 0), failed(2));
  assert.is(logged.length, 1, 'an expected error is not');
});

test('notifications', () => {
  assert.equal(Buffer.from(invalidateInode(5)), bytesOf(u32(40, 2), 0, 5, 0, 0));
  assert.equal(Buffer.from(invalidateInode(5, -1, 7)), bytesOf(u32(40, 2), 0, 5, -1, 7));
  assert.equal(Buffer.from(invalidateEntry(1, 'n\xff')), bytesOf(u32(35, 3), 0, 1, u32(2, 0), 'n\xff\0'));
});

test.run();
