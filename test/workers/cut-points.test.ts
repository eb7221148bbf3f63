import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BASE, bench, fill, seeded } from './helpers.ts';

const cuts = suite('cut points');
const INPUT_MAX = 4 * 1024 * 1024;
const OUT = BASE + INPUT_MAX;
const { kernels, bytes, view } = bench(INPUT_MAX + 65_536);
const KIB = 1024;

interface Limits {
  min: number;
  avg: number;
  max: number;
}

function cutsOf(at: number, length: number, { min, avg, max }: Limits): number[] {
  const count = kernels.cutPoints(at, length, min, avg, max, OUT, 16_384);
  return Array.from({ length: count }, (_, i) => view.getUint32(OUT + 4 * i, true));
}

const MASK = 2n ** 64n - 1n;
const GEAR = Array.from({ length: 256 }, (_, i) => {
  let z = (BigInt(i + 1) * 0x9e3779b97f4a7c15n) & MASK;
  z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK;
  z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & MASK;
  return z ^ (z >> 31n);
});

/** The definition: a cut after the first byte whose window of 64 hashes low enough. */
function naiveCuts(input: Uint8Array, { min, avg, max }: Limits): number[] {
  const ends: number[] = [];
  for (let start = 0; start < input.length; start = ends.at(-1) ?? 0) {
    let end = Math.min(start + max, input.length);
    let hash = 0n;
    for (let at = start + min - 64; at < Math.min(start + max, input.length); at++) {
      hash = ((hash << 1n) + (GEAR[input[at] ?? 0] ?? 0n)) & MASK;
      const length = at + 1 - start;
      const even = MASK / BigInt(avg);
      if (length > min && hash < (length <= avg ? even >> 2n : even << 2n)) {
        end = at + 1;
        break;
      }
    }
    ends.push(end);
  }
  return ends;
}

cuts('agrees with the definition', () => {
  const random = seeded(31);
  for (let round = 0; round < 40; round++) {
    const min = 64 + random(100);
    const avg = min + random(400);
    const limits = { min, avg, max: avg + random(1000) };
    const length = random(20_000);
    const at = BASE + random(8);
    const input = Uint8Array.from(fill(bytes.subarray(at, at + length), round));
    assert.equal(cutsOf(at, length, limits), naiveCuts(input, limits), `round ${round}`);
  }
});

cuts('keeps to its limits and ends with the data', () => {
  fill(bytes.subarray(BASE, BASE + INPUT_MAX), 32);
  const limits = { min: 2 * KIB, avg: 8 * KIB, max: 32 * KIB };
  const ends = cutsOf(BASE, INPUT_MAX, limits);
  assert.is(ends.at(-1), INPUT_MAX);
  const lengths = ends.map((end, i) => end - (ends[i - 1] ?? 0));
  assert.ok(lengths.slice(0, -1).every((length) => length > limits.min && length <= limits.max));
  const average = INPUT_MAX / ends.length;
  assert.ok(average > 0.6 * limits.avg && average < 1.6 * limits.avg, `average ${average}`);
});

cuts('are the same again after an insertion', () => {
  const limits = { min: 2 * KIB, avg: 8 * KIB, max: 32 * KIB };
  const length = 1024 * KIB;
  fill(bytes.subarray(BASE, BASE + length), 33);
  const before = cutsOf(BASE, length, limits);
  bytes.copyWithin(BASE + 10_007, BASE + 10_000, BASE + length);
  const after = new Set(cutsOf(BASE, length + 7, limits).map((end) => end - 7));
  const kept = before.filter((end) => after.has(end)).length;
  assert.ok(kept > 0.9 * before.length, `${kept} of ${before.length}`);
});

cuts('of data that repeats are at the longest length', () => {
  bytes.fill(0, BASE, BASE + 100 * KIB);
  assert.equal(
    cutsOf(BASE, 100 * KIB, { min: 4 * KIB, avg: 8 * KIB, max: 32 * KIB }),
    [32, 64, 96, 100].map((n) => n * KIB),
  );
});

cuts('are no more than there is room for', () => {
  fill(bytes.subarray(BASE, BASE + 100 * KIB), 34);
  assert.is(kernels.cutPoints(BASE, 100 * KIB, 64, 256, 1024, OUT, 3), 3);
  assert.is(kernels.cutPoints(BASE, 0, 64, 256, 1024, OUT, 3), 0);
});

cuts.run();
