import './webassembly.js';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { assert } from '../base/assert.js';

const ABI = 1;

/**
 * The kernels, on the memory they were instantiated with. Pointers and lengths are bytes; nothing is copied in or out.
 * The caller answers for the bounds: a kernel writes where it is told to.
 */
export interface Kernels {
  /** CRC-32C of `bytes` at `ptr`, which follow bytes with the CRC `seed` (0 for none). */
  crc32c(ptr: number, bytes: number, seed: number): number;
  /** CRC-32C of A followed by B, from the CRC of each and the length of B. */
  crc32cCombine(crcA: number, crcB: number, bytesB: number): number;
  /** CRC-32C of each granule, the last one shorter, as u32 little endian at `outPtr`; answers how many. */
  granules(ptr: number, bytes: number, granuleBytes: number, outPtr: number): number;
}

type Exports = Kernels & { abi(): number; setUp(): void };

let compiled: WebAssembly.Module | undefined;

function loadModule(): WebAssembly.Module {
  if (compiled !== undefined) return compiled;
  const path = fileURLToPath(new URL('./kernels.wasm', import.meta.url));
  if (!existsSync(path)) throw new Error(`${path} is missing: the package is not built (npm run build)`);
  compiled = new WebAssembly.Module(readFileSync(path));
  return compiled;
}

/** Smallest memory that the kernels accept, in pages of 64 KiB; it holds their constants and nothing else of use. */
export const MEMORY_PAGES_MIN = 16;

/** A memory of one's own, for a thread without an arena. What is above the first MiB is the caller's. */
export function createMemory(bytesAboveStatics: number): WebAssembly.Memory {
  const pages = MEMORY_PAGES_MIN + Math.ceil(bytesAboveStatics / 65_536);
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
}

/** Compiles (once in each thread) and instantiates the kernels. `memory` must be shared and at least 1 MiB. */
export function instantiateKernels(memory: WebAssembly.Memory): Kernels {
  const instance = new WebAssembly.Instance(loadModule(), { env: { memory } });
  const raw = instance.exports as unknown as Exports;
  assert(raw.abi() === ABI, 'the kernels are of this version');
  raw.setUp();
  return {
    // WebAssembly answers signed numbers.
    crc32c: (ptr, bytes, seed) => raw.crc32c(ptr, bytes, seed) >>> 0,
    crc32cCombine: (crcA, crcB, bytesB) => raw.crc32cCombine(crcA, crcB, bytesB) >>> 0,
    granules: raw.granules,
  };
}
