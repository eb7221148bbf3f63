import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { overlayBytes } from '../../dist/workers/wasm.js';
import { BASE, bench, seeded } from './helpers.ts';

interface Slice {
  pos: number;
  id: number;
  size: number;
  off: number;
  len: number;
}

const overlay = suite('overlay');
const RECORD_BYTES = 24;
const COUNT_MAX = 20_000;
const OUT = BASE + COUNT_MAX * RECORD_BYTES;
const { kernels, view } = bench(COUNT_MAX * RECORD_BYTES + overlayBytes(COUNT_MAX));

function put(slices: Slice[]): void {
  slices.forEach((slice, i) => {
    const at = BASE + i * RECORD_BYTES;
    view.setUint32(at, slice.pos);
    view.setBigUint64(at + 4, BigInt(slice.id));
    view.setUint32(at + 12, slice.size);
    view.setUint32(at + 16, slice.off);
    view.setUint32(at + 20, slice.len);
  });
}

function visible(slices: Slice[]): Slice[] {
  put(slices);
  const count = kernels.overlay(BASE, slices.length, OUT);
  return Array.from({ length: count }, (_, i) => {
    const at = OUT + i * RECORD_BYTES;
    return {
      pos: view.getUint32(at),
      id: Number(view.getBigUint64(at + 4)),
      size: view.getUint32(at + 12),
      off: view.getUint32(at + 16),
      len: view.getUint32(at + 20),
    };
  });
}

/** Byte by byte: the last record that covers a byte has it. */
function naive(slices: Slice[]): Slice[] {
  const length = Math.max(0, ...slices.map((slice) => slice.pos + slice.len));
  const owner: (Slice | undefined)[] = Array.from({ length });
  for (const slice of slices) owner.fill(slice, slice.pos, slice.pos + slice.len);
  const segments: Slice[] = [];
  owner.forEach((slice, pos) => {
    if (slice === undefined || slice.id === 0) return;
    const off = slice.off + pos - slice.pos;
    const last = segments.at(-1);
    const continues = last !== undefined && last.pos + last.len === pos && last.off + last.len === off;
    if (continues && last.id === slice.id && last.size === slice.size) last.len++;
    else segments.push({ ...slice, pos, off, len: 1 });
  });
  return segments;
}

overlay('of nothing is nothing', () => {
  assert.equal(visible([]), []);
  assert.equal(visible([{ pos: 5, id: 7, size: 10, off: 0, len: 0 }]), []);
});

overlay('lets a later record cover an earlier one', () => {
  const slices = [
    { pos: 0, id: 1, size: 100, off: 0, len: 100 },
    { pos: 40, id: 2, size: 20, off: 0, len: 20 },
  ];
  assert.equal(visible(slices), [
    { pos: 0, id: 1, size: 100, off: 0, len: 40 },
    { pos: 40, id: 2, size: 20, off: 0, len: 20 },
    { pos: 60, id: 1, size: 100, off: 60, len: 40 },
  ]);
});

overlay('leaves zeros out, whatever their size and offset say', () => {
  const slices = [
    { pos: 0, id: 1, size: 100, off: 0, len: 100 },
    { pos: 10, id: 0, size: 3, off: 9, len: 80 },
  ];
  assert.equal(visible(slices), [
    { pos: 0, id: 1, size: 100, off: 0, len: 10 },
    { pos: 90, id: 1, size: 100, off: 90, len: 10 },
  ]);
});

overlay('merges pieces that continue each other in one slice', () => {
  const id = 2 ** 53 - 1;
  const slices = [
    { pos: 50, id, size: 100, off: 50, len: 50 },
    { pos: 0, id, size: 100, off: 0, len: 50 },
  ];
  assert.equal(visible(slices), [{ pos: 0, id, size: 100, off: 0, len: 100 }]);
});

overlay('agrees with painting byte by byte', () => {
  const random = seeded(11);
  for (let round = 0; round < 600; round++) {
    const span = 1 + random(200);
    const slices = Array.from({ length: random(30) }, () => {
      const pos = random(span);
      const id = random(4);
      // Few sizes and offsets tied to positions, so that neighbours often continue each other.
      return { pos, id, size: 1000 + random(2), off: random(4) === 0 ? random(500) : pos, len: random(span - pos + 1) };
    });
    assert.equal(visible(slices), naive(slices), `round ${round}`);
  }
});

overlay('takes thousands of records', () => {
  const random = seeded(12);
  const slices = Array.from({ length: COUNT_MAX }, (_, i) => {
    const pos = random(100_000);
    return { pos, id: 1 + i, size: 4096, off: random(100), len: 1 + random(3000) };
  });
  assert.equal(visible(slices), naive(slices));
});

overlay('is not slow where each record covers the one before', () => {
  const slices = Array.from({ length: COUNT_MAX }, (_, i) => ({
    pos: i,
    id: 1 + i,
    size: 65_536,
    off: 0,
    len: 2 * COUNT_MAX,
  }));
  const segments = visible(slices);
  assert.is(segments.length, COUNT_MAX);
  assert.equal(segments[0], { pos: 0, id: 1, size: 65_536, off: 0, len: 1 });
  assert.equal(segments.at(-1), { pos: COUNT_MAX - 1, id: COUNT_MAX, size: 65_536, off: 0, len: 2 * COUNT_MAX });
});

overlay.run();
