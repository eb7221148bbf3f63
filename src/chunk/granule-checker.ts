import { read } from 'node:fs';
import { promisify } from 'node:util';
import { BLOCK_BYTES, GRANULE_BYTES, MIB } from '../base/limits.js';
import type { Arena } from '../workers/arena.js';
import type { KernelPool } from '../workers/pool.js';
import { createMemory, instantiateKernels, MEMORY_PAGES_MIN, type Kernels } from '../workers/wasm.js';

const readAsync = promisify(read);

/** Bytes that are checked at one time on the calling thread; whole granules. */
const WINDOW_BYTES = MIB;
const WINDOW_OFFSET = MEMORY_PAGES_MIN * 64 * 1024;
const CRCS_OFFSET = WINDOW_OFFSET + WINDOW_BYTES;
/** Less is checked on the spot: a trip to another thread takes longer. */
const POOL_BYTES_MIN = MIB / 2;

interface Window {
  kernels: Kernels;
  bytes: Uint8Array;
  view: DataView;
}

/** One for each thread that checks anything. */
let shared: Window | undefined;

function window(): Window {
  if (shared !== undefined) return shared;
  const memory = createMemory(WINDOW_BYTES + (4 * WINDOW_BYTES) / GRANULE_BYTES);
  shared = {
    kernels: instantiateKernels(memory),
    bytes: new Uint8Array(memory.buffer),
    view: new DataView(memory.buffer),
  };
  return shared;
}

/** CRC-32C of each granule of GRANULE_BYTES, the last one shorter. On the calling thread: 0.5 ms per MiB. */
export function granuleCrcs(bytes: Uint8Array): Uint32Array {
  const { kernels, bytes: memory, view } = window();
  const crcs = new Uint32Array(Math.ceil(bytes.length / GRANULE_BYTES));
  let done = 0;
  for (let at = 0; at < bytes.length; at += WINDOW_BYTES) {
    const part = bytes.subarray(at, at + WINDOW_BYTES);
    memory.set(part, WINDOW_OFFSET);
    const count = kernels.granules(WINDOW_OFFSET, part.length, GRANULE_BYTES, CRCS_OFFSET);
    for (let i = 0; i < count; i++) crcs[done++] = view.getUint32(CRCS_OFFSET + 4 * i, true);
  }
  return crcs;
}

/** Index of the first granule whose CRC is not the wanted one, counted in the block; -1 when all are right. */
export function firstBadGranule(found: Uint32Array, wanted: Uint32Array, firstGranule = 0): number {
  for (const [i, crc] of found.entries()) if (crc !== wanted[firstGranule + i]) return firstGranule + i;
  return -1;
}

/** Reads up to `buffer.length` bytes at `position`; answers fewer only at the end of the file. Throws Node's errors. */
export async function readFully(fd: number, buffer: Uint8Array, position: number): Promise<number> {
  let done = 0;
  while (done < buffer.length) {
    const { bytesRead } = await readAsync(fd, buffer, done, buffer.length - done, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}

/** Checksums whole blocks: by the kernel pool in an extent when one is free, else here. */
export class GranuleChecker {
  readonly #arena: Arena | null;
  readonly #pool: KernelPool | null;

  constructor(arena: Arena | null, pool: KernelPool | null) {
    this.#arena = arena;
    this.#pool = pool;
  }

  async ofBlock(bytes: Uint8Array): Promise<Uint32Array> {
    const crcs = await this.#inExtent(bytes.length, (extent) => {
      extent.set(bytes);
      return Promise.resolve(bytes.length);
    });
    return crcs ?? granuleCrcs(bytes);
  }

  /** Of the first `sizeBytes` bytes of a file; fewer CRCs when the file is shorter. */
  async ofFile(fd: number, sizeBytes: number): Promise<Uint32Array> {
    const crcs = await this.#inExtent(sizeBytes, (extent) => readFully(fd, extent, 0));
    if (crcs !== undefined) return crcs;
    const all: number[] = [];
    const buffer = new Uint8Array(Math.min(sizeBytes, WINDOW_BYTES));
    for (let at = 0; at < sizeBytes; at += buffer.length) {
      const got = await readFully(fd, buffer.subarray(0, sizeBytes - at), at);
      all.push(...granuleCrcs(buffer.subarray(0, got)));
      if (got < Math.min(buffer.length, sizeBytes - at)) break;
    }
    return Uint32Array.from(all);
  }

  /** Undefined when that is not the way: waiting for an extent would make a read wait for uploads. */
  async #inExtent(sizeBytes: number, fill: (extent: Uint8Array) => Promise<number>): Promise<Uint32Array | undefined> {
    const arena = this.#arena;
    const pool = this.#pool;
    if (arena === null || pool === null || arena.freeExtents === 0) return undefined;
    if (sizeBytes < POOL_BYTES_MIN || sizeBytes > BLOCK_BYTES) return undefined;
    const extent = await arena.acquire();
    try {
      const bytes = await fill(arena.bytes(extent, sizeBytes));
      return bytes === 0 ? new Uint32Array() : (await pool.checksum(extent, bytes)).crcs;
    } finally {
      arena.release(extent);
    }
  }
}
