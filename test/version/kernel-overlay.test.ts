import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { kernelOverlay } from '../../dist/version/kernel-overlay.js';

const overlay = suite('the overlay kernel on a memory of its own');

/** Records of 9 bytes, one behind the other in the file and none behind the other in its slice: all stay. */
function scattered(count: number): Uint8Array {
  const bytes = Buffer.alloc(24 * count);
  for (let i = 0; i < count; i++) {
    const at = 24 * i;
    bytes.writeUInt32BE(9 * i, at);
    bytes.writeBigUInt64BE(BigInt(7), at + 4);
    bytes.writeUInt32BE(1 << 22, at + 12);
    bytes.writeUInt32BE(18 * i, at + 16);
    bytes.writeUInt32BE(9, at + 20);
  }
  return new Uint8Array(bytes);
}

overlay('has room for as many records as it is given, at first and when it has grown', () => {
  const resolve = kernelOverlay();
  for (const count of [1, 12_000, 16_383, 16_384, 16_385, 32_768, 50_000, 16_384]) {
    const records = scattered(count);
    assert.ok(Buffer.from(resolve(records)).equals(records), `${count} records`);
  }
});

overlay('has room for two segments of each record', () => {
  const count = 16_384;
  const whole = scattered(1);
  Buffer.from(whole.buffer).writeUInt32BE(9 * 2 * count, 20);
  const holes = scattered(2 * count).filter((_, at) => Math.floor(at / 24) % 2 === 1);
  const records = Buffer.concat([whole, holes.subarray(0, 24 * (count - 1))]);
  assert.is(kernelOverlay()(records).length / 24, 2 * count - 1);
});

overlay.run();
