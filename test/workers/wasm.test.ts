import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createMemory, instantiateKernels } from '../../dist/workers/wasm.js';
import { BASE, fill, naiveCrc32c } from './helpers.ts';

const wasm = suite('wasm');
const binary = readFileSync(new URL('../../dist/workers/kernels.wasm', import.meta.url));

/** Numbers of the sections of the module: 8 = a start function, 11 = data segments. */
function sections(): number[] {
  const found: number[] = [];
  for (let at = 8; at < binary.length;) {
    found.push(binary[at++] ?? 0);
    let size = 0;
    for (let shift = 0, more = true; more; shift += 7) {
      const byte = binary[at++] ?? 0;
      size |= (byte & 0x7f) << shift;
      more = (byte & 0x80) !== 0;
    }
    at += size;
  }
  return found;
}

wasm('has nothing that an instance would write over what another one uses', () => {
  assert.not.ok(sections().includes(8), 'no start function');
  assert.not.ok(sections().includes(11), 'no data segments');
});

wasm('has SIMD where it pays', () => {
  // i32x4.add, the heart of the hash: prefix 0xfd, opcode 0xae 0x01.
  assert.ok(binary.includes(Buffer.from([0xfd, 0xae, 0x01])));
});

wasm('serves several instances on one memory', () => {
  const memory = createMemory(64 * 1024);
  const first = instantiateKernels(memory);
  const bytes = new Uint8Array(memory.buffer);
  const constants = Uint8Array.from(bytes.subarray(0, BASE));
  const second = instantiateKernels(memory);
  assert.equal(bytes.slice(0, BASE), constants);
  const expected = naiveCrc32c(Uint8Array.from(fill(bytes.subarray(BASE, BASE + 1000), 1)));
  assert.is(first.crc32c(BASE, 1000, 0), expected);
  assert.is(second.crc32c(BASE, 1000, 0), expected);
});

wasm('keeps its constants below 64 KiB, and does not touch what follows', () => {
  const memory = createMemory(64 * 1024);
  instantiateKernels(memory);
  assert.ok(new Uint8Array(memory.buffer).subarray(65_536).every((byte) => byte === 0));
});

wasm.run();
