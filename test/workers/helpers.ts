import { createMemory, instantiateKernels, type Kernels } from '../../dist/workers/wasm.js';

/** First address that belongs to a test: the kernels keep their constants below it. */
export const BASE = 1024 * 1024;

export interface Bench {
  kernels: Kernels;
  bytes: Uint8Array;
  view: DataView;
}

export function bench(bytesAboveStatics: number): Bench {
  const memory = createMemory(bytesAboveStatics);
  const bytes = new Uint8Array(memory.buffer);
  return { kernels: instantiateKernels(memory), bytes, view: new DataView(memory.buffer) };
}

/** Whole numbers in [0, limit) from a seed (mulberry32), so that a failure can be seen again. */
export function seeded(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * limit);
  };
}

export function fill(bytes: Uint8Array, seed: number): Uint8Array {
  const random = seeded(seed);
  for (let i = 0; i < bytes.length; i++) bytes[i] = random(256);
  return bytes;
}

/** What the division leaves of one byte, bit by bit as the definition has it. */
const REMAINDERS = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

/** CRC-32C byte by byte. */
export function naiveCrc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ (REMAINDERS[(crc ^ byte) & 0xff] ?? 0);
  return ~crc >>> 0;
}
