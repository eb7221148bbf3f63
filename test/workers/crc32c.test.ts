import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BASE, bench, fill, naiveCrc32c, seeded } from './helpers.ts';

const crc = suite('crc32c');
const { kernels, bytes, view } = bench(1024 * 1024);

function crcOf(input: Uint8Array): number {
  bytes.set(input, BASE);
  return kernels.crc32c(BASE, input.length, 0);
}

crc('gives the check value of the catalogues', () => {
  assert.is(crcOf(Buffer.from('123456789')), 0xe3069283);
});

crc('gives the values of RFC 3720, appendix B.4', () => {
  const up = Uint8Array.from({ length: 32 }, (_, i) => i);
  assert.is(crcOf(new Uint8Array(32)), 0x8a9136aa);
  assert.is(crcOf(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
  assert.is(crcOf(up), 0x46dd794e);
  assert.is(crcOf(up.toReversed()), 0x113fdb5c);
  const command = new Uint8Array(48);
  command.set([0x01, 0xc0], 0);
  command[16] = 0x14;
  command.set([0x04, 0x00], 22);
  command.set([0x14, 0, 0, 0, 0x18, 0x28], 27);
  command[40] = 0x02;
  assert.is(crcOf(command), 0xd9963a56);
});

crc('agrees with the definition at every length and alignment', () => {
  for (let length = 0; length < 100; length++) {
    for (const at of [0, 1, 7, 15]) {
      const input = fill(bytes.subarray(BASE + at, BASE + at + length), 100 * length + at);
      assert.is(kernels.crc32c(BASE + at, length, 0), naiveCrc32c(Uint8Array.from(input)), `${length} at ${at}`);
    }
  }
});

crc('goes on from the CRC of what came before', () => {
  const input = fill(bytes.subarray(BASE, BASE + 5000), 1);
  const whole = kernels.crc32c(BASE, 5000, 0);
  for (const cut of [0, 1, 16, 777, 4999, 5000]) {
    const before = kernels.crc32c(BASE, cut, 0);
    assert.is(kernels.crc32c(BASE + cut, 5000 - cut, before), whole);
  }
  assert.is(whole, naiveCrc32c(Uint8Array.from(input)));
});

crc('combines the CRCs of two parts', () => {
  const random = seeded(2);
  fill(bytes.subarray(BASE, BASE + 20_000), 3);
  for (let round = 0; round < 200; round++) {
    const length = random(20_000);
    const cut = random(length + 1);
    const a = kernels.crc32c(BASE, cut, 0);
    const b = kernels.crc32c(BASE + cut, length - cut, 0);
    assert.is(kernels.crc32cCombine(a, b, length - cut), kernels.crc32c(BASE, length, 0));
  }
});

crc('combines lengths beyond 32 bits', () => {
  // 2^33 zeros in one step, and as 2 * 2^32.
  const [a, b] = [0x12345678, 0x9abcdef0];
  const once = kernels.crc32cCombine(a, b, 2 ** 33);
  const zeros = kernels.crc32cCombine(kernels.crc32cCombine(a, 0, 2 ** 32), b, 2 ** 32);
  assert.is(once, zeros);
});

crc('checksums granules, the last one shorter', () => {
  const out = BASE + 512 * 1024;
  for (const [length, granule] of [
    [0, 64],
    [1, 64],
    [64, 64],
    [65, 64],
    [300_000, 65_536],
    [262_144, 65_536],
    [1000, 33],
    [10, 1000],
  ] as const) {
    fill(bytes.subarray(BASE, BASE + length), length);
    const count = kernels.granules(BASE, length, granule, out);
    assert.is(count, Math.ceil(length / granule));
    for (let i = 0; i < count; i++) {
      const part = Uint8Array.from(bytes.subarray(BASE + i * granule, BASE + Math.min(length, (i + 1) * granule)));
      assert.is(view.getUint32(out + 4 * i, true), naiveCrc32c(part), `granule ${i} of ${length}`);
    }
  }
});

crc.run();
