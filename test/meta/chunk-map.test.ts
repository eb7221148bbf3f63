import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ChunkMap } from '../../dist/meta/chunk-map.js';
import { decodeSlices, encodeSlices, type SliceRecord } from '../../dist/meta/slice-record.js';

const map = suite('the map of a chunk');

/** For each byte of a small chunk: slice id and offset in it, or 0. The naive twin. */
class Bytes {
  readonly ids: number[];
  readonly offs: number[];

  constructor(size: number) {
    this.ids = Array.from({ length: size }, () => 0);
    this.offs = Array.from({ length: size }, () => 0);
  }

  overlay(pos: number, len: number, id: number, off: number): void {
    for (let i = 0; i < len; i++) {
      this.ids[pos + i] = id;
      this.offs[pos + i] = id === 0 ? 0 : off + i;
    }
  }
}

function bytesOf(chunk: ChunkMap, size: number): Bytes {
  const bytes = new Bytes(size);
  let at = 0;
  chunk.visit(0, size, (pos, len, id, _size, off) => {
    assert.is(pos, at, 'pieces follow each other');
    assert.ok(len > 0);
    bytes.overlay(pos, len, id, off);
    at += len;
  });
  assert.is(at, size, 'the whole range is visited');
  return bytes;
}

/** xorshift32, so that a seed that failed can be run again. */
function randomOf(seed: number): (below: number) => number {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

map('is what a byte for byte twin says, over random writes, zeros and reads', () => {
  const seed = (Date.now() % 2 ** 31) | 1;
  console.log(`seed ${seed}`);
  const random = randomOf(seed);
  for (let round = 0; round < 60; round++) {
    const size = 1 + random(400);
    const [chunk, twin] = [new ChunkMap(), new Bytes(size)];
    for (let step = 0; step < 60; step++) {
      const pos = random(size);
      const len = 1 + random(size - pos);
      if (random(4) === 0) {
        chunk.zero(pos, len);
        twin.overlay(pos, len, 0, 0);
      } else {
        const [id, off] = [1 + random(5), random(50)];
        chunk.overlay(pos, len, id, 1000, off);
        twin.overlay(pos, len, id, off);
      }
      assert.equal(bytesOf(chunk, size), twin, `seed ${seed} round ${round} step ${step}`);
      const again = ChunkMap.decode(chunk.encode());
      assert.equal(bytesOf(again, size), twin, 'encoded and decoded');
      const from = random(size);
      const data = twin.ids.findIndex((id, i) => i >= from && id !== 0);
      assert.is(chunk.dataFrom(from) ?? -1, data);
      const hole = twin.ids.findIndex((id, i) => i >= from && id === 0);
      assert.is(chunk.holeFrom(from), hole < 0 ? Math.max(size, chunk.holeFrom(from)) : hole);
    }
  }
});

map('joins what is written in sequence', () => {
  const chunk = new ChunkMap();
  for (let i = 0; i < 100; i++) chunk.overlay(i * 4096, 4096, 7, 0, i * 4096);
  assert.is(chunk.count, 1);
  chunk.overlay(4096, 4096, 8, 0, 0);
  assert.is(chunk.count, 3);
  chunk.overlay(4096, 4096, 7, 0, 4096);
  assert.is(chunk.count, 1);
});

map('reads lists with records of zeros and overlaps, newest on top', () => {
  const records: SliceRecord[] = [
    { pos: 0, id: 5, size: 100, off: 0, len: 100 },
    { pos: 20, id: 0, size: 77, off: 3, len: 10 },
    { pos: 90, id: 2 ** 53 - 1, size: 30, off: 5, len: 25 },
  ];
  const chunk = ChunkMap.decode(encodeSlices(records));
  const seen: number[][] = [];
  chunk.visit(0, 120, (...piece) => seen.push(piece));
  assert.equal(seen, [
    [0, 20, 5, 100, 0],
    [20, 10, 0, 0, 0],
    [30, 60, 5, 100, 30],
    [90, 25, 2 ** 53 - 1, 30, 5],
    [115, 5, 0, 0, 0],
  ]);
  assert.is(chunk.dirty, false);
  assert.equal(decodeSlices(encodeSlices(records)), records);
});

map('refuses a list that is damaged with EIO', () => {
  assert.throws(() => ChunkMap.decode(new Uint8Array(25)), /EIO/);
  assert.throws(() => ChunkMap.decode(new Uint8Array(24).fill(255)), /EIO/);
});

map.run();
