import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BASE, bench, fill, seeded } from './helpers.ts';

const copy = suite('copy pieces');
const SOURCE_BYTES = 256 * 1024;
const LIST = BASE + SOURCE_BYTES;
const OUT = LIST + 64 * 1024;
const { kernels, bytes, view } = bench(2 * 1024 * 1024);

function gather(pieces: [from: number, length: number][]): { count: number; out: Uint8Array; expected: Uint8Array } {
  pieces.forEach(([from, length], i) => {
    view.setUint32(LIST + 8 * i, BASE + from, true);
    view.setUint32(LIST + 8 * i + 4, length, true);
  });
  const expected = Buffer.concat(
    pieces.map(([from, length]) => Uint8Array.from(bytes.subarray(BASE + from, BASE + from + length))),
  );
  bytes.fill(0xee, OUT, OUT + expected.length + 64);
  const count = kernels.copyPieces(LIST, pieces.length, OUT);
  return { count, out: Uint8Array.from(bytes.subarray(OUT, OUT + expected.length + 64)), expected };
}

copy('copies every length, and not a byte more', () => {
  fill(bytes.subarray(BASE, LIST), 41);
  for (let length = 0; length < 600; length++) {
    const { count, out, expected } = gather([[length % 13, length]]);
    assert.is(count, length);
    assert.equal(out.subarray(0, length), Uint8Array.from(expected), `${length} bytes`);
    assert.ok(
      out.subarray(length).every((byte) => byte === 0xee),
      `beyond ${length} bytes`,
    );
  }
});

copy('packs pieces in the order of the list', () => {
  const random = seeded(42);
  fill(bytes.subarray(BASE, LIST), 43);
  for (let round = 0; round < 50; round++) {
    const pieces = Array.from({ length: random(200) }, (): [number, number] => [
      random(SOURCE_BYTES / 2),
      random(8) === 0 ? random(5000) : random(200),
    ]);
    const { count, out, expected } = gather(pieces);
    assert.is(count, expected.length);
    assert.ok(Buffer.compare(out.subarray(0, count), expected) === 0, `round ${round}`);
  }
});

copy.run();
