import { ERRNO } from '../base/errno.js';
import { errorToRecord, StoreError } from '../base/errors.js';
import { FETCH_BYTES_MAX, GRANULE_BYTES, LOG_SEGMENT_BYTES } from '../base/limits.js';
import { silentLogger, type Logger } from '../base/log.js';
import type { ObjectStore } from '../cloud/object-store.js';
import type { Arena } from '../workers/arena.js';
import type { KernelPool } from '../workers/pool.js';
import type { BlockCache } from './block-cache.js';
import { blockKey } from './block-key.js';
import { BlockHistory, type BlockMemory } from './block-history.js';
import { FetchBudget } from './fetch-budget.js';
import { firstBadGranule, granuleCrcs, GranuleChecker } from './granule-checker.js';
import { LocalBlock } from './local-block.js';
import { readLogPart } from './log-part.js';
import type { BlockRef, MissingPart, Ticket, ToMain, ToOwner } from './messages.js';
import { Patience } from './patience.js';
import { WholeBlocks } from './whole-blocks.js';

/** Blocks whose history is remembered: which were asked for before, and which local files are known to be right. */
const HISTORY_MAX = 16_384;
/** A request for this part of a block fetches all of it. */
const WHOLE_FRACTION = 1 / 4;
/** Blocks that wait to be read ahead; the oldest ones are forgotten. */
const READAHEAD_QUEUE_MAX = 32;
const READAHEAD_AT_ONCE = 2;

type ReadMessage = Extract<ToMain, { t: 'read' }>;
type BlockPart = Extract<MissingPart, { from: 'block' }>;

export interface BlockReaderOptions {
  store: ObjectStore;
  family: string;
  format: { blockBytes: number; hashPrefix: boolean };
  /** Null: a store whose objects are local files needs none, as they are read where they are. */
  cache: BlockCache | null;
  /** Where the log's segment files are; null for a session that only reads. */
  logDirectory: string | null;
  segmentBytes?: number;
  /** Extents and threads to check whole blocks with; without them that is done here. */
  arena?: Arena | null;
  pool?: KernelPool | null;
  reply: (ticket: Ticket, errno: number, body: Uint8Array | null) => void;
  post: (message: ToOwner) => void;
  logger?: Logger;
  /** How long a read waits for a store that does not answer. */
  patienceMs?: number;
  fetchBytesMax?: number;
}

/** Part of a block that somebody wants: `[from, from + into.length)` of it. */
interface Wanted {
  block: BlockRef;
  key: string;
  from: number;
  into: Uint8Array;
  memory: BlockMemory;
  isWhole: boolean;
}

/**
 * Fills what the owner thread could not read at once: from the log's files, from a local file of the block (the store's
 * own or the cache's), or from the store. Nothing is handed out whose granules have not been checked, unless nobody ever
 * made checksums of the block.
 */
export class BlockReader {
  readonly #options: BlockReaderOptions;
  readonly #logger: Logger;
  readonly #checker: GranuleChecker;
  readonly #history = new BlockHistory(HISTORY_MAX);
  readonly #budget: FetchBudget;
  readonly #closing = new AbortController();
  readonly #patience: Patience;
  readonly #wholes: WholeBlocks;
  readonly #checking = new Map<string, Promise<void>>();
  readonly #active = new Set<Promise<void>>();
  #aheadQueue: BlockRef[] = [];
  #aheadRunning = 0;

  constructor(options: BlockReaderOptions) {
    this.#options = options;
    this.#logger = options.logger ?? silentLogger;
    this.#checker = new GranuleChecker(options.arena ?? null, options.pool ?? null);
    this.#budget = new FetchBudget(options.fetchBytesMax ?? FETCH_BYTES_MAX);
    this.#patience = new Patience({ signal: this.#closing.signal, ...pick(options) });
    this.#wholes = new WholeBlocks({
      store: options.store,
      cache: options.cache,
      budget: this.#budget,
      checker: this.#checker,
      patience: this.#patience,
      signal: this.#closing.signal,
      onCached: (block, local) => this.#post(block, local),
    });
  }

  /** Fills the body and answers the ticket: EIO when a part of it cannot be had, which the log explains. */
  read(message: ReadMessage): Promise<void> {
    const done = this.#read(message);
    this.#track(done);
    return done;
  }

  /** Fetches blocks when there is time, so that the owner or the cache has them when a reader comes. */
  readahead(blocks: readonly BlockRef[]): void {
    this.#aheadQueue.push(...blocks);
    this.#aheadQueue = this.#aheadQueue.slice(-READAHEAD_QUEUE_MAX);
    this.#runAhead();
  }

  /** Bytes in memory for reads under way. */
  get bufferedBytes(): number {
    return this.#budget.usedBytes;
  }

  /** Gives up what is under way (EIO) and waits until nothing is. */
  async close(): Promise<void> {
    this.#aheadQueue = [];
    this.#closing.abort(new StoreError('unavailable', 'the volume is being closed', { retryable: false }));
    while (this.#active.size > 0) await Promise.all(this.#active);
    await this.#wholes.close();
  }

  async #read({ ticket, body, parts }: ReadMessage): Promise<void> {
    // Each part begins before anything is waited for: a log segment must be opened before it can be deleted.
    const filled = await Promise.allSettled(parts.map((part) => this.#fill(body, part)));
    const failures = filled.flatMap((result, i) => (result.status === 'rejected' ? [{ part: parts[i]!, result }] : []));
    for (const { part, result } of failures) {
      if (this.#closing.signal.aborted) break;
      const { reason } = result as { reason: unknown };
      const what = part.from === 'log' ? { lsn: part.lsn } : { key: this.#key(part.block) };
      this.#logger.error({ ...what, error: errorToRecord(reason) }, 'a part of a file cannot be read: EIO');
    }
    if (failures.length === 0) this.#options.reply(ticket, 0, body);
    else this.#options.reply(ticket, ERRNO.EIO, null);
  }

  #fill(body: Uint8Array, part: MissingPart): Promise<void> {
    if (part.from === 'block') return this.#fromBlock(body, part);
    const { logDirectory, segmentBytes = LOG_SEGMENT_BYTES } = this.#options;
    if (logDirectory === null) return Promise.reject(new Error('a session that only reads has no log'));
    return readLogPart(logDirectory, segmentBytes, part.lsn, body.subarray(part.at, part.at + part.len));
  }

  async #fromBlock(body: Uint8Array, { at, len, off, block }: BlockPart): Promise<void> {
    const key = this.#key(block);
    const memory = this.#history.use(key);
    memory.misses++;
    const isWhole = memory.misses > 1 || len >= block.sizeBytes * WHOLE_FRACTION || block.sizeBytes <= GRANULE_BYTES;
    const wanted = { block, key, from: off, into: body.subarray(at, at + len), memory, isWhole };
    const path = this.#objectPath(key);
    if (path !== undefined) {
      await this.#patience.retry(async () => this.#fromFile(wanted, await LocalBlock.ofObject(path, key, block)));
      return;
    }
    if (await this.#fromCache(wanted)) return;
    if (isWhole) wanted.into.set((await this.#wholes.get(key, block)).subarray(off, off + len));
    else await this.#fromStore(wanted);
  }

  /** False when the cache has no such block, or a spoilt one, which it forgets. */
  async #fromCache(wanted: Wanted): Promise<boolean> {
    const { key, block } = wanted;
    // While it is on its way into the cache it is in memory.
    if (this.#wholes.has(key)) return false;
    const local = await this.#cached(key, block);
    if (local === undefined) return false;
    try {
      await this.#fromFile(wanted, local);
      return true;
    } catch (error) {
      this.#logger.warn({ key, error: errorToRecord(error) }, 'a block in the read cache is spoilt: fetching it again');
      wanted.memory.checkedIno = undefined;
      await this.#options.cache?.remove(key);
      return false;
    }
  }

  async #cached(key: string, block: BlockRef): Promise<LocalBlock | undefined> {
    const cached = await this.#options.cache?.open(key, block.sizeBytes);
    return cached && new LocalBlock(key, { ...cached, sizeBytes: block.sizeBytes, crcs: block.crcs ?? cached.crcs });
  }

  /** Takes the file over: it goes to the owner when all of it is known to be right, else it is closed. */
  async #fromFile({ block, key, from, into, memory, isWhole }: Wanted, local: LocalBlock): Promise<void> {
    try {
      const isOthers = this.#checking.has(key);
      if (isWhole && !isChecked(local, memory)) await this.#checkWhole(local, memory);
      if (!isChecked(local, memory)) {
        const bytes = alignedEnd(block, from + into.length) - alignedStart(from);
        await this.#budget.acquire(bytes);
        try {
          await local.readChecked(into, from);
        } finally {
          this.#budget.release(bytes);
        }
        return;
      }
      await local.read(into, from);
      if (!isOthers) this.#post(block, local);
    } finally {
      await local.close();
    }
  }

  /** All who come meanwhile wait for the same check. */
  async #checkWhole(local: LocalBlock, memory: BlockMemory): Promise<void> {
    const { key, ino } = local;
    let check = this.#checking.get(key);
    if (check === undefined) {
      check = local.check(this.#checker).then(() => void (memory.checkedIno = ino));
      this.#checking.set(key, check);
      const end = (): void => void this.#checking.delete(key);
      check.then(end, end);
    }
    await check;
  }

  /** Only the granules that are wanted. What came wrong is asked for once more: it may be the way that spoilt it. */
  async #fromStore({ block, key, from, into }: Wanted): Promise<void> {
    const start = alignedStart(from);
    const end = alignedEnd(block, from + into.length);
    await this.#budget.acquire(end - start);
    try {
      for (let attempt = 1; ; attempt++) {
        const { signal } = this.#closing;
        const range = { offset: start, length: end - start, signal };
        const bytes = await this.#patience.retry(() => this.#options.store.get(key, range));
        if (isRight(block, bytes, start, end)) {
          into.set(bytes.subarray(from - start, from - start + into.length));
          return;
        }
        if (attempt === 2) throw new StoreError('corrupt', 'a block is not what was written', { key });
        this.#logger.warn(
          { key, offset: start, bytes: bytes.length },
          'a part of a block came wrong: asking once more',
        );
      }
    } finally {
      this.#budget.release(end - start);
    }
  }

  #runAhead(): void {
    while (this.#aheadRunning < READAHEAD_AT_ONCE && !this.#closing.signal.aborted) {
      const block = this.#aheadQueue.shift();
      if (block === undefined) return;
      this.#track(this.#aheadQuietly(block));
    }
  }

  async #aheadQuietly(block: BlockRef): Promise<void> {
    this.#aheadRunning++;
    try {
      await this.#ahead(block);
    } catch (error) {
      // Whoever really reads it will say so.
      this.#logger.debug({ error: errorToRecord(error) }, 'readahead failed');
    }
    this.#aheadRunning--;
    this.#runAhead();
  }

  async #ahead(block: BlockRef): Promise<void> {
    const key = this.#key(block);
    const memory = this.#history.use(key);
    if (memory.checkedIno !== undefined || this.#wholes.has(key)) return;
    const path = this.#objectPath(key);
    const local = path === undefined ? await this.#cached(key, block) : await LocalBlock.ofObject(path, key, block);
    if (local === undefined) {
      await this.#wholes.get(key, block, { low: true });
      return;
    }
    try {
      if (!isChecked(local, memory)) await this.#checkWhole(local, memory);
      this.#post(block, local);
    } finally {
      await local.close();
    }
  }

  /** From here on the owner reads the block by itself, as far as it is in memory. */
  #post({ id, indx, sizeBytes }: BlockRef, local: LocalBlock): void {
    this.#history.use(local.key).checkedIno = local.ino;
    this.#options.post({ t: 'block-file', id, indx, sizeBytes, fd: local.takeFd(), from: 0, to: sizeBytes });
  }

  /** The object's own file. Whoever wants a cache gets one: a bucket may be a folder on a slow disk. */
  #objectPath(key: string): string | undefined {
    return this.#options.cache === null ? this.#options.store.localPath?.(key) : undefined;
  }

  #key({ id, indx, sizeBytes }: BlockRef): string {
    return `${this.#options.family}/${blockKey(id, indx, sizeBytes, this.#options.format.hashPrefix)}`;
  }

  #track(work: Promise<void>): void {
    this.#active.add(work);
    void work.finally(() => this.#active.delete(work));
  }
}

/** A block without checksums is as right as it will ever be. */
function isChecked(local: LocalBlock, memory: BlockMemory): boolean {
  return local.crcs === undefined || local.ino === memory.checkedIno;
}

function isRight(block: BlockRef, bytes: Uint8Array, start: number, end: number): boolean {
  if (bytes.length !== end - start) return false;
  return block.crcs === undefined || firstBadGranule(granuleCrcs(bytes), block.crcs, start / GRANULE_BYTES) < 0;
}

function alignedStart(from: number): number {
  return from - (from % GRANULE_BYTES);
}

function alignedEnd(block: BlockRef, to: number): number {
  return Math.min(block.sizeBytes, Math.ceil(to / GRANULE_BYTES) * GRANULE_BYTES);
}

function pick({ patienceMs }: BlockReaderOptions): { patienceMs?: number } {
  return patienceMs === undefined ? {} : { patienceMs };
}
