import { assert } from '../base/assert.js';
import { ARENA_EXTENTS, BLOCK_BYTES, KIB, LOG_RING_BYTES, MIB } from '../base/limits.js';
import type { SharedMemory } from './webassembly.js';

/** WebAssembly's unit of memory. */
const PAGE_BYTES = 64 * KIB;
/** Below this address the kernels keep their constants. */
export const STATICS_BYTES = MIB;
/** After the block of each extent: CRCs of granules, then work space of the kernel that has the extent. */
export const EXTENT_CRC_BYTES = 4 * KIB;
export const EXTENT_WORK_BYTES = 512 * KIB - EXTENT_CRC_BYTES;
const EXTENT_STRIDE_BYTES = BLOCK_BYTES + EXTENT_CRC_BYTES + EXTENT_WORK_BYTES;
const EXTENTS_OFFSET = STATICS_BYTES + LOG_RING_BYTES;
const ARENA_BYTES = EXTENTS_OFFSET + ARENA_EXTENTS * EXTENT_STRIDE_BYTES;

/** The extent that `offset` lies in. */
export function extentOf(offset: number): number {
  return offset - ((offset - EXTENTS_OFFSET) % EXTENT_STRIDE_BYTES);
}

/** CRCs of granules (u32 little endian) of the block in this extent. */
export function crcOffset(extent: number): number {
  return extent + BLOCK_BYTES;
}

/** Work space of EXTENT_WORK_BYTES that belongs to this extent. */
export function workOffset(extent: number): number {
  return extent + BLOCK_BYTES + EXTENT_CRC_BYTES;
}

/**
 * The memory that all threads of a daemon share: `[constants of the kernels][ring of the log][extents]`, fixed in size.
 * An extent holds one block from the moment it is gathered until its upload is answered; extents are handed out by the
 * thread that created the arena.
 */
export class Arena {
  readonly memory: SharedMemory;
  readonly ringOffset = STATICS_BYTES;
  readonly #bytes: Uint8Array;
  /** Undefined in threads that attached themselves: they get extents with their tasks. */
  readonly #free: number[] | undefined;
  readonly #waiting: ((extent: number) => void)[] = [];

  private constructor(memory: SharedMemory, free?: number[]) {
    this.memory = memory;
    this.#bytes = new Uint8Array(memory.buffer);
    this.#free = free;
  }

  static create(): Arena {
    const pages = ARENA_BYTES / PAGE_BYTES;
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    const free = Array.from({ length: ARENA_EXTENTS }, (_, i) => EXTENTS_OFFSET + i * EXTENT_STRIDE_BYTES);
    return new Arena(memory, free.toReversed());
  }

  /** The arena of another thread, by its memory. */
  static attach(memory: SharedMemory): Arena {
    assert(memory.buffer.byteLength === ARENA_BYTES, 'this memory is an arena');
    return new Arena(memory);
  }

  /** A view of `length` bytes at `offset`; it shows what other threads write. */
  bytes(offset: number, length: number): Uint8Array {
    assert(offset >= 0 && length >= 0 && offset + length <= ARENA_BYTES, 'a view lies in the arena');
    return this.#bytes.subarray(offset, offset + length);
  }

  /** Extents that nobody has. */
  get freeExtents(): number {
    return this.#free?.length ?? 0;
  }

  /** Offset of an extent of BLOCK_BYTES for the caller alone, as soon as there is one; first come, first served. */
  acquire(signal?: AbortSignal): Promise<number> {
    const free = this.#free;
    assert(free !== undefined, 'extents are acquired where the arena was created');
    if (signal?.aborted) return Promise.reject(signal.reason as Error);
    const extent = free.pop();
    if (extent !== undefined) return Promise.resolve(extent);
    return new Promise((resolve, reject) => {
      const take = (extent: number): void => {
        signal?.removeEventListener('abort', onAbort);
        resolve(extent);
      };
      const onAbort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(take), 1);
        reject(signal?.reason as Error);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(take);
    });
  }

  /** Gives an extent back; its bytes may be overwritten at once. */
  release(offset: number): void {
    const free = this.#free;
    assert(free !== undefined, 'extents are released where the arena was created');
    const index = (offset - EXTENTS_OFFSET) / EXTENT_STRIDE_BYTES;
    assert(Number.isInteger(index) && index >= 0 && index < ARENA_EXTENTS, 'what is released is an extent');
    assert(!free.includes(offset), 'an extent is released once');
    const next = this.#waiting.shift();
    if (next === undefined) free.push(offset);
    else next(offset);
  }
}
