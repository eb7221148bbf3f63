import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { isOneWay } from '../../dist/fuse/protocol/structs.js';
import { Opcode } from '../../dist/fuse/protocol/constants.js';
import { MemoryVfs } from './memory-vfs.ts';
import { bytesOf, CALLER, errnoOf, requestBytes, u32, wireTo } from './wire.ts';

const made = () => {
  const vfs = new MemoryVfs();
  vfs.mknod(CALLER, 1, 'file', 0o100644, 0);
  return { vfs, ...wireTo(vfs) };
};

test('a request that is shorter than its structure is EINVAL, or nothing for a one-way one', () => {
  for (const opcode of Object.values(Opcode)) {
    const { ask, replies } = made();
    const reply = ask(opcode, 1);
    if (isOneWay(opcode)) assert.is(replies.length, 0, `opcode ${opcode}`);
    else assert.is(reply?.length === undefined || reply.length >= 16, true, `opcode ${opcode}`);
  }
  const { ask } = made();
  for (const opcode of [Opcode.WRITE, Opcode.SETATTR, Opcode.INIT, Opcode.READ, Opcode.CREATE]) {
    assert.is(errnoOf(ask(opcode, 1, u32(1))), 22, `opcode ${opcode}`);
  }
});

test('less than a header, or a length that is not the read one', () => {
  const { feed, replies } = made();
  for (let bytes = 0; bytes < 16; bytes++) feed(requestBytes(Opcode.GETATTR, 7, 1).subarray(0, bytes));
  assert.is(replies.length, 0, 'nothing to name in a reply');
  feed(requestBytes(Opcode.GETATTR, 7, 1).subarray(0, 39));
  feed(Buffer.concat([requestBytes(Opcode.GETATTR, 8, 1, 0, 0), Buffer.from('x')]));
  assert.equal(replies, [bytesOf(u32(16, -22), 7), bytesOf(u32(16, -22), 8)]);
});

test('names without an end, empty, of dots, with a slash, too long', () => {
  const { ask } = made();
  const lookup = (name: string): number | undefined => errnoOf(ask(Opcode.LOOKUP, 1, name));
  assert.equal(['name', '\0\0', '.\0', '..\0', 'a/b\0'].map(lookup), [22, 22, 22, 22, 22]);
  assert.equal([lookup(`${'x'.repeat(255)}\0`), lookup(`${'x'.repeat(256)}\0`)], [0, 36]);
  assert.is(errnoOf(ask(Opcode.RENAME, 1, 1, 'file\0', 'other')), 22);
  assert.is(errnoOf(ask(Opcode.SYMLINK, 1, 'link\0', 'target')), 22);
  assert.is(errnoOf(ask(Opcode.GETXATTR, 2, u32(0, 0), 'user.a')), 22);
  assert.is(errnoOf(ask(Opcode.LOOKUP, 1, '...\0')), 0, 'three dots are a name');
});

test('data that is shorter than announced', () => {
  const { ask, vfs } = made();
  assert.is(errnoOf(ask(Opcode.WRITE, 2, 1, 0, u32(4, 0), 0, u32(0, 0), 'abc')), 22);
  assert.is(errnoOf(ask(Opcode.WRITE, 2, 1, 0, u32(0xffffffff, 0), 0, u32(0, 0), 'abc')), 22);
  assert.is(errnoOf(ask(Opcode.SETXATTR, 2, u32(4, 0), 'user.a\0', 'abc')), 22);
  assert.equal(vfs.calls, []);
});

test('64-bit values that no number holds', () => {
  const { ask, feed, replies } = made();
  const huge = 2n ** 53n;
  assert.is(errnoOf(ask(Opcode.GETATTR, huge, 0, 0)), 22);
  assert.is(errnoOf(ask(Opcode.WRITE, 2, 1, huge, u32(1, 0), 0, u32(0, 0), 'x')), 27);
  assert.is(errnoOf(ask(Opcode.READ, 2, huge, 0, u32(1, 0), 0, u32(0, 0))), 22);
  assert.is(errnoOf(ask(Opcode.LSEEK, 2, 1, 2n ** 63n, u32(3, 0))), 6);
  assert.is(errnoOf(ask(Opcode.SETATTR, 2, u32(8, 0), 0, huge, new Uint8Array(64))), 27);
  assert.is(errnoOf(ask(Opcode.SETATTR, 2, u32(16, 0), 0, 0, 0, 2n ** 62n, new Uint8Array(48))), 22);
  feed(requestBytes(Opcode.STATFS, huge + 3n, 1));
  assert.equal(replies.at(-1), bytesOf(u32(16, -22), huge + 3n), 'the reply names the request as it is');
});

test('a count of forgets beyond the bytes that came', () => {
  const { ask, vfs } = made();
  ask(Opcode.BATCH_FORGET, 0, u32(1000, 0), 2, 1);
  assert.equal(vfs.calls, ['forget 2 1']);
});

/** xorshift32: the same requests for the same seed. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

test('any bytes get one well-formed reply, or none where none belongs', () => {
  const seed = Number(process.env['SEED'] ?? 20_260_101);
  const random = generator(seed);
  const { feed, replies, vfs } = made();
  for (let round = 0; round < 60_000; round++) {
    const opcode = random(10) === 0 ? random(2 ** 31) : random(56);
    const body = Buffer.alloc(random(5) === 0 ? random(2000) : random(140));
    for (let i = 0; i < body.length; i++) body[i] = random(4) === 0 ? random(256) : random(2) * random(8);
    const request = requestBytes(opcode, 2 * round + 2, random(4), body);
    if (random(20) === 0) request[random(request.length)] = random(256);
    replies.length = 0;
    const unique = request.subarray(8, 16);
    const where = `seed ${seed}, round ${round}, ${request.toString('hex')}`;
    assert.is(feed(request), 'done', where);
    const isSilent = isOneWay(request.readUInt32LE(4));
    assert.is(replies.length, isSilent ? 0 : 1, where);
    for (const reply of replies) {
      assert.is(reply.readUInt32LE(0), reply.length, where);
      assert.ok(reply.subarray(8, 16).equals(unique), where);
      const error = reply.readInt32LE(4);
      assert.ok(error <= 0 && error > -512 && (error === 0 || reply.length === 16), where);
    }
    vfs.calls.length = 0;
  }
});

test.run();
