import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { assert } from '../base/assert.js';
import type { SharedMemory } from './webassembly.js';

const ABI = 1;

/** Room for the result of `hash128` and its work. */
export const HASH_ROOM_BYTES = 4096;

/** Room for the segments of `overlay` and its work. */
export function overlayBytes(count: number): number {
  return 72 * count + 16;
}

/**
 * The kernels, on the memory they were instantiated with. Pointers and lengths are bytes; nothing is copied in or out.
 * The caller answers for the bounds: a kernel writes where it is told to.
 */
export interface Kernels {
  /** CRC-32C of `bytes` at `ptr`, which follow bytes with the CRC `seed` (0 for none). */
  readonly crc32c: (ptr: number, bytes: number, seed: number) => number;
  /** CRC-32C of A followed by B, from the CRC of each and the length of B. */
  readonly crc32cCombine: (crcA: number, crcB: number, bytesB: number) => number;
  /** CRC-32C of each granule, the last one shorter, as u32 little endian at `outPtr`; answers how many. */
  readonly granules: (ptr: number, bytes: number, granuleBytes: number, outPtr: number) => number;
  /**
   * What is visible of `count` slice records (JuiceFS's 24 bytes, oldest first): segments in the same form, sorted by
   * position, not overlapping, pieces of one slice that continue each other merged, zeros (id 0) and gaps left out.
   * Answers how many there are. `outPtr` needs {@link overlayBytes} of room.
   */
  readonly overlay: (recordsPtr: number, count: number, outPtr: number) => number;
  /**
   * Content-defined cut points (gear hash): ends of pieces of `min` to `max` bytes, about `avg`, as u32 counted from
   * `ptr`; the last piece may be shorter. 64 <= min <= avg <= max. Answers how many, at most `outMax`.
   */
  readonly cutPoints: (
    ptr: number,
    bytes: number,
    min: number,
    avg: number,
    max: number,
    outPtr: number,
    outMax: number,
  ) => number;
  /**
   * BLAKE3 of the bytes: the 128-bit hash is the first 16 of the 32 bytes that it writes to `outPtr`, which needs
   * {@link HASH_ROOM_BYTES}. Two different contents agree by chance with 2^-128; finding two on purpose takes about 2^64
   * hashes, so bytes from strangers who might try are to be compared by all 32.
   */
  readonly hash128: (ptr: number, bytes: number, outPtr: number) => void;
  /**
   * Packs `count` pieces, `{u32 ptr, u32 bytes}` each at `piecesPtr`, one after the other to `outPtr`; answers the bytes
   * in all. No piece may overlap the destination.
   */
  readonly copyPieces: (piecesPtr: number, count: number, outPtr: number) => number;
}

type Exports = Kernels & { readonly abi: () => number; readonly setUp: () => void };

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
export function createMemory(bytesAboveStatics: number): SharedMemory {
  const pages = MEMORY_PAGES_MIN + Math.ceil(bytesAboveStatics / 65_536);
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
}

/** Compiles (once in each thread) and instantiates the kernels. `memory` must be shared and at least 1 MiB. */
export function instantiateKernels(memory: SharedMemory): Kernels {
  const instance = new WebAssembly.Instance(loadModule(), { env: { memory } });
  const raw = instance.exports as unknown as Exports;
  assert(raw.abi() === ABI, 'the kernels are of this version');
  raw.setUp();
  return {
    // WebAssembly answers signed numbers.
    crc32c: (ptr, bytes, seed) => raw.crc32c(ptr, bytes, seed) >>> 0,
    crc32cCombine: (crcA, crcB, bytesB) => raw.crc32cCombine(crcA, crcB, bytesB) >>> 0,
    granules: raw.granules,
    overlay: raw.overlay,
    cutPoints: raw.cutPoints,
    hash128: raw.hash128,
    copyPieces: raw.copyPieces,
  };
}
