import { FsError } from '../base/errors.js';
import { GRANULE_BYTES } from '../base/limits.js';
import { blockKey } from '../chunk/block-key.js';
import type { ObjectStore } from '../cloud/object-store.js';
import type { ChunkMap } from '../meta/chunk-map.js';
import type { Namespace } from '../meta/namespace.js';
import { createMemory, instantiateKernels, MEMORY_PAGES_MIN, type Kernels } from '../workers/wasm.js';

const WASM_PAGE_BYTES = 65_536;
/** Zeros of holes are handed out in pieces of this size. */
const ZEROS = new Uint8Array(1024 * 1024);

interface Segment {
  pos: number;
  len: number;
  id: number;
  size: number;
  off: number;
}

/** Reads parts of files straight from the store and checks what arrives, granule by granule. */
export class BlockFetcher {
  readonly #store: ObjectStore;
  readonly #family: string;
  readonly #format: { blockBytes: number; hashPrefix: boolean };
  readonly #namespace: Namespace;
  #kernels: { kernels: Kernels; memory: Uint8Array } | undefined;

  constructor(options: {
    store: ObjectStore;
    family: string;
    format: { blockBytes: number; hashPrefix: boolean };
    namespace: Namespace;
  }) {
    this.#store = options.store;
    this.#family = options.family;
    this.#format = options.format;
    this.#namespace = options.namespace;
  }

  /** The first `length` bytes of a chunk, in order. @throws FsError EIO */
  async *chunk(map: ChunkMap, length: number): AsyncGenerator<Uint8Array> {
    const segments: Segment[] = [];
    map.visit(0, length, (pos, len, id, size, off) => segments.push({ pos, len, id, size, off }));
    for (const segment of segments) {
      if (segment.id === 0) yield* zeros(segment.len);
      else yield* this.#slice(segment);
    }
  }

  async *#slice({ id, size, off, len }: Segment): AsyncGenerator<Uint8Array> {
    const { blockBytes } = this.#format;
    for (let at = off; at < off + len;) {
      const indx = Math.floor(at / blockBytes);
      const from = at - indx * blockBytes;
      const to = Math.min(blockBytes, off + len - indx * blockBytes);
      const sizeBytes = Math.min(blockBytes, size - indx * blockBytes);
      yield await this.#part({ id, indx, sizeBytes }, from, to);
      at = indx * blockBytes + to;
    }
  }

  /** Bytes [from, to) of a block; whole granules are fetched around them, since a part has no checksum. */
  async #part(block: { id: number; indx: number; sizeBytes: number }, from: number, to: number): Promise<Uint8Array> {
    const key = `${this.#family}/${blockKey(block.id, block.indx, block.sizeBytes, this.#format.hashPrefix)}`;
    const start = from - (from % GRANULE_BYTES);
    const end = Math.min(block.sizeBytes, Math.ceil(to / GRANULE_BYTES) * GRANULE_BYTES);
    let bytes: Uint8Array;
    try {
      bytes = await this.#store.get(key, { offset: start, length: end - start });
    } catch (error) {
      throw new FsError('EIO', { message: `block ${key} cannot be read`, syscall: 'read', cause: error });
    }
    if (bytes.length !== end - start) {
      throw new FsError('EIO', { message: `block ${key} is cut short`, syscall: 'read' });
    }
    this.#check(key, block, bytes, start / GRANULE_BYTES);
    return bytes.subarray(from - start, to - start);
  }

  /** An adopted block has no checksums before it is rewritten. */
  #check(key: string, block: { id: number; indx: number }, bytes: Uint8Array, firstGranule: number): void {
    const wanted = this.#namespace.granules(block.id, block.indx);
    if (wanted === undefined) return;
    const { kernels, memory } = this.#loaded();
    const data = MEMORY_PAGES_MIN * WASM_PAGE_BYTES;
    const out = data + this.#format.blockBytes;
    memory.set(bytes, data);
    const count = kernels.granules(data, bytes.length, GRANULE_BYTES, out);
    const found = new DataView(memory.buffer, out, count * 4);
    for (let i = 0; i < count; i++) {
      if (found.getUint32(i * 4, true) === wanted[firstGranule + i]) continue;
      throw new FsError('EIO', { message: `block ${key} is not what was written (checksum)`, syscall: 'read' });
    }
  }

  #loaded(): { kernels: Kernels; memory: Uint8Array } {
    if (this.#kernels === undefined) {
      const { blockBytes } = this.#format;
      const memory = createMemory(blockBytes + (4 * blockBytes) / GRANULE_BYTES);
      this.#kernels = { kernels: instantiateKernels(memory), memory: new Uint8Array(memory.buffer) };
    }
    return this.#kernels;
  }
}

function* zeros(length: number): Generator<Uint8Array> {
  for (let left = length; left > 0; left -= ZEROS.length) yield ZEROS.subarray(0, Math.min(left, ZEROS.length));
}
