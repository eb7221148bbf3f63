import { StoreError } from '../base/errors.js';
import type { ObjectStore } from '../cloud/object-store.js';
import type { BlockCache } from './block-cache.js';
import type { FetchBudget } from './fetch-budget.js';
import { firstBadGranule, type GranuleChecker } from './granule-checker.js';
import { LocalBlock } from './local-block.js';
import type { BlockRef } from './messages.js';
import type { Patience } from './patience.js';

/** Blocks that are kept in memory when they cannot be kept in the cache, so that a sequential read fetches each once. */
const RECENT_MAX = 4;

export interface WholeBlocksOptions {
  store: ObjectStore;
  cache: BlockCache | null;
  budget: FetchBudget;
  checker: GranuleChecker;
  patience: Patience;
  signal: AbortSignal;
  /** The block is in the cache now and known to be right; take the descriptor or leave it. */
  onCached: (block: BlockRef, local: LocalBlock) => void;
}

/** Fetches whole blocks, each once at a time, and puts them in the cache. */
export class WholeBlocks {
  readonly #options: WholeBlocksOptions;
  /** Being fetched or on their way into the cache. */
  readonly #fetching = new Map<string, Promise<Uint8Array>>();
  readonly #keeping = new Set<Promise<void>>();
  /** Least recently fetched first. */
  readonly #recent = new Map<string, Uint8Array>();

  constructor(options: WholeBlocksOptions) {
    this.#options = options;
  }

  /** Is it, or will it be, in memory? */
  has(key: string): boolean {
    return this.#fetching.has(key) || this.#recent.has(key);
  }

  /**
   * The bytes of the block, all granules checked; not to be changed. With `low` priority it waits until readers leave room.
   * @throws StoreError `not-found`, `corrupt`, or what the store failed with for too long
   */
  async get(key: string, block: BlockRef, options: { low?: boolean } = {}): Promise<Uint8Array> {
    if (options.low === true && !this.has(key)) {
      await this.#options.budget.acquire(block.sizeBytes, { low: true });
      // A reader who came meanwhile did not wait for this.
      if (!this.has(key)) return this.#begin(key, block, Promise.resolve());
      this.#options.budget.release(block.sizeBytes);
    }
    const known = this.#fetching.get(key) ?? this.#recent.get(key);
    return known ?? this.#begin(key, block, this.#options.budget.acquire(block.sizeBytes));
  }

  async close(): Promise<void> {
    while (this.#keeping.size > 0) await Promise.all(this.#keeping);
    this.#recent.clear();
  }

  #begin(key: string, block: BlockRef, room: Promise<void>): Promise<Uint8Array> {
    const fetched = room.then(() => this.#fetch(key, block));
    const bytes = fetched.then(({ bytes }) => bytes);
    this.#fetching.set(key, bytes);
    const kept = this.#keepWhenFetched(key, block, fetched);
    this.#keeping.add(kept);
    void kept.finally(() => this.#keeping.delete(kept));
    return bytes;
  }

  async #keepWhenFetched(
    key: string,
    block: BlockRef,
    fetched: Promise<{ bytes: Uint8Array; crcs: Uint32Array }>,
  ): Promise<void> {
    try {
      const { bytes, crcs } = await fetched;
      await this.#keep(key, block, bytes, crcs);
    } catch {
      // Whoever waits for the bytes is told.
    } finally {
      this.#fetching.delete(key);
      this.#options.budget.release(block.sizeBytes);
    }
  }

  /** What came wrong is asked for once more: it may be the way that spoilt it. */
  async #fetch(key: string, block: BlockRef): Promise<{ bytes: Uint8Array; crcs: Uint32Array }> {
    const { store, patience, signal, checker } = this.#options;
    for (let attempt = 1; ; attempt++) {
      const bytes = await patience.retry(() => store.get(key, { signal }));
      if (bytes.length === block.sizeBytes) {
        const crcs = await checker.ofBlock(bytes);
        if (block.crcs === undefined || firstBadGranule(crcs, block.crcs) < 0) return { bytes, crcs };
      }
      if (attempt === 2) throw new StoreError('corrupt', 'a block is not what was written', { key });
    }
  }

  async #keep(key: string, block: BlockRef, bytes: Uint8Array, crcs: Uint32Array): Promise<void> {
    const { cache, onCached } = this.#options;
    const isCached = (await cache?.put(key, bytes, crcs)) === true;
    const cached = isCached ? await cache?.open(key, block.sizeBytes) : undefined;
    if (cached === undefined) {
      this.#recent.set(key, bytes);
      const oldest = this.#recent.keys().next().value;
      if (this.#recent.size > RECENT_MAX && oldest !== undefined) this.#recent.delete(oldest);
      return;
    }
    const local = new LocalBlock(key, { ...cached, sizeBytes: block.sizeBytes });
    try {
      onCached(block, local);
    } finally {
      await local.close();
    }
  }
}
