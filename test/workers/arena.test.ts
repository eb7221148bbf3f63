import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ARENA_EXTENTS, BLOCK_BYTES, LOG_RING_BYTES } from '../../dist/base/limits.js';
import {
  Arena,
  crcOffset,
  EXTENT_CRC_BYTES,
  EXTENT_WORK_BYTES,
  extentOf,
  workOffset,
} from '../../dist/workers/arena.js';

const suiteOfArena = suite('arena');

async function acquireAll(arena: Arena): Promise<number[]> {
  const extents: number[] = [];
  for (let i = 0; i < ARENA_EXTENTS; i++) extents.push(await arena.acquire());
  return extents;
}

suiteOfArena('lays ring and extents out without overlap', async () => {
  const arena = Arena.create();
  const extents = (await acquireAll(arena)).toSorted((a, b) => a - b);
  let free = arena.ringOffset + LOG_RING_BYTES;
  for (const extent of extents) {
    assert.ok(extent >= free);
    assert.ok(crcOffset(extent) >= extent + BLOCK_BYTES);
    assert.ok(workOffset(extent) >= crcOffset(extent) + EXTENT_CRC_BYTES);
    assert.is(extentOf(extent), extent);
    assert.is(extentOf(extent + BLOCK_BYTES - 1), extent);
    free = workOffset(extent) + EXTENT_WORK_BYTES;
  }
  assert.is(free, arena.memory.buffer.byteLength);
});

suiteOfArena('lets callers wait for an extent in their order', async () => {
  const arena = Arena.create();
  const extents = await acquireAll(arena);
  const order: string[] = [];
  const first = arena.acquire().then((extent) => order.push(`first ${extent}`));
  const second = arena.acquire().then((extent) => order.push(`second ${extent}`));
  const [a = 0, b = 0] = extents;
  arena.release(b);
  arena.release(a);
  await Promise.all([first, second]);
  assert.equal(order, [`first ${b}`, `second ${a}`]);
  assert.is(arena.freeExtents, 0);
});

suiteOfArena('stops waiting when the signal says so', async () => {
  const arena = Arena.create();
  const [extent = 0] = await acquireAll(arena);
  const abort = new AbortController();
  const waiting = arena.acquire(abort.signal);
  abort.abort(new Error('enough'));
  await waiting.then(
    () => assert.unreachable(),
    (error: Error) => assert.is(error.message, 'enough'),
  );
  arena.release(extent);
  assert.is(arena.freeExtents, 1, 'the extent went to nobody');
  await arena.acquire(abort.signal).then(
    () => assert.unreachable(),
    () => assert.is(arena.freeExtents, 1),
  );
});

suiteOfArena('refuses what is not an extent, and one that is free', async () => {
  const arena = Arena.create();
  const extent = await arena.acquire();
  assert.throws(() => arena.release(extent + 1));
  assert.throws(() => arena.release(arena.ringOffset));
  arena.release(extent);
  assert.throws(() => arena.release(extent));
});

suiteOfArena('is one memory for who attaches', () => {
  const arena = Arena.create();
  const other = Arena.attach(arena.memory);
  arena.bytes(arena.ringOffset, 4).set([1, 2, 3, 4]);
  assert.equal([...other.bytes(other.ringOffset, 4)], [1, 2, 3, 4]);
  assert.throws(() => other.release(other.ringOffset), 'extents belong to the creator');
  assert.throws(() => arena.bytes(arena.memory.buffer.byteLength - 1, 2));
});

suiteOfArena.run();
