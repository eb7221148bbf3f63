import { assert } from '../base/assert.js';
import { startTimer, systemClock, type Clock } from '../base/clock.js';
import { errorToRecord, StoreError, VolumeError } from '../base/errors.js';
import { ARENA_EXTENTS, BLOCK_BYTES, GRANULE_BYTES } from '../base/limits.js';
import { silentLogger, type Logger } from '../base/log.js';
import { systemRandom, type Random } from '../base/random.js';
import type { ObjectStore } from '../cloud/object-store.js';
import type { Arena } from '../workers/arena.js';
import type { KernelPool } from '../workers/pool.js';
import { backoffMs, type Backoff } from './backoff.js';
import { blockKey } from './block-key.js';
import { segmentPath, segmentStart } from './log-names.js';
import type { SealedPack } from './messages.js';
import { UploadWaits, type Patience } from './upload-waits.js';

/** Extents that uploads leave free, so that checking what is read never waits for a slow store. */
const EXTENTS_FOR_READERS = 2;
const BACKOFF: Backoff = { firstMs: 100, maxMs: 30_000 };
const PATIENCE: Patience = { attempts: 8, stallMs: 300_000 };

export interface UploaderOptions {
  store: ObjectStore;
  family: string;
  arena: Arena;
  pool: KernelPool;
  /** Where the log's segment files are. */
  segments: { directory: string; segmentBytes: number };
  /** Resolves when the log before this LSN is in its files. */
  written: (lsn: number) => Promise<void>;
  maxUploads: number;
  /** A pack stays this long in the log before it is uploaded, unless somebody is in a hurry. */
  uploadDelayMs: number;
  blockBytes: number;
  hashPrefix: boolean;
  /** The pack's block is in the store; `crcs` are those of its granules. */
  onUploaded: (pack: SealedPack, crcs: Uint32Array) => void;
  logger?: Logger;
  clock?: Clock;
  random?: Random;
  backoff?: Backoff;
  patience?: Patience;
}

interface Upload {
  pack: SealedPack;
  addedMs: number;
  /** Not before. */
  dueMs: number;
  failures: number;
  isRunning: boolean;
}

export interface UploadStatus {
  /** Packs that are not in the store, and their bytes. */
  queued: number;
  bytes: number;
  /** Age of the oldest of them. */
  oldestMs: number;
  /** What the last upload failed with, until one succeeds. */
  lastError: string | null;
  uploaded: { objects: number; bytes: number };
  /** Most uploads that were under way at one time. */
  peakActive: number;
}

/**
 * Brings sealed packs from the log to the store, several at a time. A pack is gathered into an extent of the arena and put
 * from there, create-if-absent; what fails stays queued and is tried again for as long as the uploader lives.
 */
export class Uploader {
  readonly #options: UploaderOptions;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #runningMax: number;
  /** By pack, in the order they were sealed. */
  readonly #queue = new Map<number, Upload>();
  readonly #running = new Set<Promise<void>>();
  readonly #waits: UploadWaits;
  readonly #closing = new AbortController();
  #cancelTimer: (() => void) | undefined;
  #lastError: string | null = null;
  readonly #uploaded = { objects: 0, bytes: 0 };
  #peakActive = 0;

  constructor(options: UploaderOptions) {
    assert(options.maxUploads >= 1, 'uploads are allowed');
    this.#options = options;
    this.#logger = options.logger ?? silentLogger;
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? systemRandom;
    this.#runningMax = Math.min(options.maxUploads, ARENA_EXTENTS - EXTENTS_FOR_READERS);
    this.#waits = new UploadWaits(options.patience ?? PATIENCE);
  }

  /** A pack that is queued already is not queued twice. */
  add(pack: SealedPack): void {
    assert(
      pack.sizeBytes > 0 && pack.sizeBytes <= Math.min(this.#options.blockBytes, BLOCK_BYTES),
      'a pack is a block',
    );
    assert(pack.lens.reduce((sum, len) => sum + len, 0) === pack.sizeBytes, 'the pieces are the pack');
    if (this.#closing.signal.aborted || this.#queue.has(pack.id)) return;
    const addedMs = this.#clock.monotonicMs();
    const dueMs = addedMs + this.#options.uploadDelayMs;
    this.#queue.set(pack.id, { pack, addedMs, dueMs, failures: 0, isRunning: false });
    this.#pump();
  }

  /**
   * Resolves when these packs are in the store; those that are not queued are. They are tried at once, whatever failed
   * before.
   * @throws StoreError or FsError of a pack that failed for good or too often during the wait (it stays queued), StoreError
   *   `unavailable` when nothing got done for too long, VolumeError `state` when the uploader is closed
   */
  waitFor(ids: Iterable<number>): Promise<void> {
    const pending = [...ids].filter((id) => this.#queue.has(id));
    if (pending.length === 0) return Promise.resolve();
    if (this.#closing.signal.aborted) return Promise.reject(closed());
    const done = this.#waits.add(pending);
    for (const id of pending) this.#queue.get(id)!.dueMs = 0;
    this.#pump();
    return done;
  }

  /** {@link waitFor} all packs that are queued now. */
  drain(): Promise<void> {
    return this.waitFor(this.#queue.keys());
  }

  /** Everything that is queued is tried now: delays and pauses after failures are over. */
  hurry(): void {
    for (const upload of this.#queue.values()) upload.dueMs = 0;
    this.#pump();
  }

  status(): UploadStatus {
    let bytes = 0;
    let oldest = Infinity;
    for (const { pack, addedMs } of this.#queue.values()) {
      bytes += pack.sizeBytes;
      oldest = Math.min(oldest, addedMs);
    }
    const queued = this.#queue.size;
    const oldestMs = queued === 0 ? 0 : Math.max(0, this.#clock.monotonicMs() - oldest);
    const uploaded = { ...this.#uploaded };
    return { queued, bytes, oldestMs, lastError: this.#lastError, uploaded, peakActive: this.#peakActive };
  }

  /** Lets go of everything; what is not uploaded stays in the log. */
  async close(): Promise<void> {
    this.#cancelTimer?.();
    this.#closing.abort(closed());
    this.#waits.rejectAll(closed());
    await Promise.all(this.#running);
  }

  /** Starts what is due as far as it may, and comes back when the next one is. */
  #pump(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    if (this.#closing.signal.aborted) return;
    const now = this.#clock.monotonicMs();
    let next = Infinity;
    for (const upload of this.#queue.values()) {
      if (this.#running.size >= this.#runningMax) return;
      if (upload.isRunning) continue;
      if (upload.dueMs <= now) this.#start(upload);
      else next = Math.min(next, upload.dueMs);
    }
    if (next !== Infinity) this.#cancelTimer = startTimer(Math.ceil(next - now), () => this.#pump());
  }

  #start(upload: Upload): void {
    upload.isRunning = true;
    const { pack } = upload;
    const running = this.#upload(pack).then(
      (crcs) => this.#succeeded(upload, crcs),
      (error: unknown) => this.#failed(upload, error as Error),
    );
    this.#running.add(running);
    this.#peakActive = Math.max(this.#peakActive, this.#running.size);
    void running.finally(() => {
      upload.isRunning = false;
      this.#running.delete(running);
      this.#pump();
    });
  }

  async #upload(pack: SealedPack): Promise<Uint32Array> {
    const { arena, pool, family, segments, hashPrefix } = this.#options;
    const { signal } = this.#closing;
    const { id, sizeBytes, lsns, lens } = pack;
    const key = `${family}/${blockKey(id, 0, sizeBytes, hashPrefix)}`;
    await this.#options.written(endOf(pack));
    const extent = await arena.acquire(signal);
    try {
      const files = segmentsOf(pack, segments);
      const { crcs, crc } = await pool.gather({ files, lsns, lens, extent, granuleBytes: GRANULE_BYTES });
      signal.throwIfAborted();
      const body = arena.bytes(extent, sizeBytes);
      if ((await this.#create(key, body, crc)) === 'exists') await this.#compare(key, body);
      return crcs;
    } finally {
      arena.release(extent);
    }
  }

  async #create(key: string, body: Uint8Array, crc32c: number): Promise<'created' | 'exists'> {
    const { signal } = this.#closing;
    try {
      return await this.#options.store.put(key, body, { ifAbsent: true, crc32c, signal });
    } catch (error) {
      // Some stores answer a lost race with an error.
      if (error instanceof StoreError && error.kind === 'precondition') return 'exists';
      throw error;
    }
  }

  /** It may be ours, of a request whose answer was lost or of a session before a crash. Any other is never overwritten. */
  async #compare(key: string, body: Uint8Array): Promise<void> {
    let standing: Uint8Array;
    try {
      standing = await this.#options.store.get(key, { signal: this.#closing.signal });
    } catch (error) {
      if (!(error instanceof StoreError && error.kind === 'not-found')) throw error;
      throw new StoreError('unavailable', 'a block was there and is gone again', { key, cause: error });
    }
    if (Buffer.compare(standing, body) === 0) return;
    throw new StoreError('precondition', 'another block is stored under this key; it is left as it is', { key });
  }

  #succeeded({ pack }: Upload, crcs: Uint32Array): void {
    this.#lastError = null;
    this.#uploaded.objects++;
    this.#uploaded.bytes += pack.sizeBytes;
    this.#queue.delete(pack.id);
    this.#options.onUploaded(pack, crcs);
    this.#waits.succeeded(pack.id);
  }

  #failed(upload: Upload, error: Error): void {
    if (this.#closing.signal.aborted) return;
    const { pack } = upload;
    upload.failures++;
    const pauseMs = backoffMs(upload.failures, this.#options.backoff ?? BACKOFF, this.#random);
    upload.dueMs = this.#clock.monotonicMs() + pauseMs;
    this.#lastError = error.message;
    const fields = {
      pack: pack.id,
      failures: upload.failures,
      pauseMs: Math.round(pauseMs),
      error: errorToRecord(error),
    };
    if (error instanceof StoreError && error.kind === 'precondition') {
      this.#logger.error(fields, 'the store holds another block under the key of this pack; nothing is overwritten');
    } else if (Number.isInteger(Math.log2(upload.failures))) {
      this.#logger.warn(fields, 'a pack could not be uploaded; it stays in the log and is tried again');
    }
    this.#waits.failed(pack.id, error);
  }
}

function closed(): VolumeError {
  return new VolumeError('state', 'uploads have ended; what is not uploaded stays in the local log');
}

function endOf({ lsns, lens }: SealedPack): number {
  let end = 0;
  for (const [i, lsn] of lsns.entries()) end = Math.max(end, lsn + (lens[i] ?? 0));
  return end;
}

/** The segment files that hold pieces of the pack, in the order of the log. */
function segmentsOf(
  { lsns }: SealedPack,
  { directory, segmentBytes }: { directory: string; segmentBytes: number },
): { path: string; firstByte: number }[] {
  const starts = new Set<number>();
  for (const lsn of lsns) starts.add(segmentStart(lsn, segmentBytes));
  return [...starts]
    .toSorted((a, b) => a - b)
    .map((firstByte) => ({ path: segmentPath(directory, firstByte), firstByte }));
}
