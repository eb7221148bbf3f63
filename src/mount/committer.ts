import { write as writeFd } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { assert } from '../base/assert.js';
import { sleep, type Clock } from '../base/clock.js';
import { toVolumeError, VolumeError } from '../base/errors.js';
import type { Logger } from '../base/log.js';
import type { Random } from '../base/random.js';
import type { CommitRecord } from '../chunk/log-format.js';
import type { LogThread } from '../chunk/log-thread.js';
import type { LocalState } from '../chunk/local-state.js';
import type { Uploader } from '../chunk/uploader.js';
import type { ObjectStore, StoreCounts } from '../cloud/object-store.js';
import { invalidateInode } from '../fuse/notify.js';
import { head } from '../version/history.js';
import { buildIndex, type BuildResult } from '../version/index-builder.js';
import { getIndex, putIndex } from '../version/index-object.js';
import type { UploadedPack } from '../version/log-replay.js';
import { formatLocator } from '../version/locator.js';
import { publishVersion, wasPublished } from '../version/publish.js';
import { versionRecord, type VersionRecord } from '../version/record.js';
import type { CommitPoint } from './owner-data.js';
import type { OwnerHandle } from './owner-handle.js';
import type { MountSpec } from './spec.js';

const writeAsync = promisify(writeFd);

/** How often and how many times a commit asks the owner whether its upload marks are in the log. */
const POLL_MS = 2;
const MARK_TRIES = 100;

export interface CommitterParts {
  spec: MountSpec;
  store: ObjectStore;
  state: LocalState;
  owner: OwnerHandle;
  log: LogThread;
  uploader: Uploader;
  /** The mount's descriptor, to tell the kernel to write back dirty mappings; null without a mount. */
  fuseFd: number | null;
  session: number;
  format: { blockBytes: number; hashPrefix: boolean; adopted: boolean };
  /** The version that the session continues; null before the first. */
  parent: VersionRecord | null;
  clock: Clock;
  random: Random;
  logger: Logger;
}

export interface CommitOptions {
  message?: string;
  producedBy?: string;
  /** Publish as version 1 of this volume of the family and stay where we are. */
  forkName?: string;
  onProgress?: (progress: { step: string; bytesLeft?: number }) => void;
}

/**
 * Publishes versions: bytes before metadata, the version's record last. Whatever fails on the way, nothing local is lost
 * and nothing is half published: the session goes on as before.
 */
export class Committer {
  readonly #parts: CommitterParts;
  #parent: VersionRecord | null;
  /** Packs in the store whose marks may not be in the log. */
  readonly #uploaded = new Map<number, UploadedPack>();
  /** A publication to which the store gave no answer: it may have arrived. */
  #unknown: { record: VersionRecord; lsn: number } | null = null;
  /** One commit at a time. */
  #last: Promise<unknown> = Promise.resolve();
  /** False once the kernel has ended the mount: then nothing can be dirty in it. */
  isMounted: boolean;

  constructor(parts: CommitterParts) {
    this.#parts = parts;
    this.#parent = parts.parent;
    this.isMounted = parts.fuseFd !== null;
  }

  /** The version that this session continues. */
  get parent(): VersionRecord | null {
    return this.#parent;
  }

  /** @throws VolumeError: `conflict` when another writer published first, or what went wrong; the work is kept */
  commit(options: CommitOptions = {}): Promise<VersionRecord> {
    const result = this.#last
      .then(() => this.#commit(options))
      .catch((error: unknown) => {
        throw toVolumeError(error, 'nothing is published, and the work is kept');
      });
    this.#last = result.catch(() => undefined);
    return result;
  }

  async #commit(options: CommitOptions): Promise<VersionRecord> {
    const { spec, store, state, clock } = this.#parts;
    const times: Record<string, number> = {};
    const begun = clock.monotonicMs();
    const timed = async <T>(step: string, work: Promise<T>): Promise<T> => {
      const start = clock.monotonicMs();
      options.onProgress?.({ step });
      const result = await work;
      times[step] = Math.round(clock.monotonicMs() - start) / 1000;
      return result;
    };
    const countsBefore = { ...store.counts };
    await this.#settleUnknown();
    const volume = options.forkName ?? spec.volume.name;
    const seq = options.forkName === undefined ? state.base!.seq + 1 : 1;
    await this.#refuseEarly(volume, seq);

    if (this.isMounted) await timed('mappings', this.#flushMappings());
    const point = await timed('seal', this.#parts.owner.call('commit-point'));
    await timed('upload', this.#upload(point, options));
    const token = this.#parts.random.id(16);
    const image = join(state.directory, `commit-${volume}-${seq}-${token}.db`);
    try {
      const built = await timed('index', this.#buildImage(image, point.lsn, volume, seq));
      const index = await timed(
        'index upload',
        putIndex(store, {
          family: spec.volume.family,
          volume,
          seq,
          token,
          path: image,
          sha256: built.sha256,
          bytes: built.bytes,
        }),
      );
      const record = this.#record({ options, volume, seq, token, built, indexKey: index.key });
      record.stats = { seconds: times, ...difference(countsBefore, store.counts) };
      await this.#noteIntent(record, point.lsn);
      await timed('publish', this.#publish(record, point.lsn));
      if (options.forkName === undefined) await this.#moveBase(record, image, point.lsn);
      this.#parts.logger.info({ locator: record.locator, seconds: (clock.monotonicMs() - begun) / 1000 }, 'published');
      return record;
    } finally {
      await rm(image, { force: true });
    }
  }

  async #publish(record: VersionRecord, lsn: number): Promise<void> {
    try {
      await publishVersion(this.#parts.store, record.family, record);
    } catch (error) {
      const isUnknown = error instanceof VolumeError && error.kind === 'unavailable';
      if (isUnknown && record.volume === this.#parts.spec.volume.name) this.#unknown = { record, lsn };
      throw error;
    }
  }

  /** If an earlier publication has arrived after all, this session continues that version, and does not fight itself. */
  async #settleUnknown(): Promise<void> {
    if (this.#unknown === null) return;
    const { record, lsn } = this.#unknown;
    const { store, state, logger } = this.#parts;
    if (await wasPublished(store, record.family, record)) {
      const image = join(state.directory, `commit-${record.writer}.db`);
      await getIndex(store, record, image);
      await this.#moveBase(record, image, lsn);
      logger.info({ locator: record.locator }, 'an earlier publication had arrived');
    }
    this.#unknown = null;
  }

  /** Nothing is uploaded for a version that cannot be published any more. */
  async #refuseEarly(volume: string, seq: number): Promise<void> {
    const { spec, store } = this.#parts;
    const newest = await head(store, spec.volume.family, volume);
    if (newest < seq) return;
    if (seq === 1 && volume !== spec.volume.name) {
      throw new VolumeError(
        'exists',
        `the family ${spec.volume.family} already has a volume named ${volume}; choose another name`,
      );
    }
    throw new VolumeError(
      'conflict',
      `another writer published version ${newest} of ${volume} while this session continued version ${seq - 1}; ` +
        'the work is kept: publish it with fork under a new name',
    );
  }

  /**
   * Makes the kernel write back what is dirty in mappings of files that are open for writing. The notification waits for
   * these writes, so it is sent from a libuv thread, never from the owner, which must serve them.
   */
  async #flushMappings(): Promise<void> {
    const inodes = await this.#parts.owner.call('open-for-writing');
    for (const ino of inodes) {
      const message = invalidateInode(ino);
      try {
        await writeAsync(this.#parts.fuseFd!, message, 0, message.length, null);
      } catch (error) {
        // ENOENT: the kernel does not know the inode (any more), so it holds nothing of it.
        const { code } = error as NodeJS.ErrnoException;
        if (code !== 'ENOENT' && code !== 'ENODEV') throw error;
      }
    }
  }

  async #upload(point: CommitPoint, options: CommitOptions): Promise<void> {
    const { uploader, log } = this.#parts;
    await log.flush();
    uploader.hurry();
    options.onProgress?.({ step: 'upload', bytesLeft: uploader.status().bytes });
    await uploader.waitFor(point.packs);
    await this.#forgetLogged();
    await log.flush();
  }

  /** A pack's block is in the store. Its mark in the log may have to wait for room there. */
  noteUploaded(pack: UploadedPack): void {
    this.#uploaded.set(pack.id, pack);
  }

  /** On a full disk marks may find no room in the log; then the index is told of these uploads by us. */
  async #forgetLogged(): Promise<void> {
    for (let tries = 0; tries < MARK_TRIES; tries++) {
      const marks = [...this.#uploaded.keys()];
      if (await this.#parts.owner.call('uploads-logged')) {
        for (const id of marks) this.#uploaded.delete(id);
        return;
      }
      await sleep(POLL_MS);
    }
  }

  async #buildImage(out: string, toLsn: number, volume: string, seq: number): Promise<BuildResult> {
    const { spec, state } = this.#parts;
    const base = state.base!;
    const built = await buildIndex({
      base: state.baseImagePath(),
      setting: null,
      logDirectory: state.logDirectory,
      fromLsn: base.lsn,
      toLsn,
      uploaded: [...this.#uploaded.values()],
      out,
      meta: { format: '1', family: spec.volume.family, volume, seq: String(seq), parent: base.locator ?? '' },
    });
    // Bytes before metadata: an index must name nothing that the store has not acknowledged.
    assert(built.packs.length === 0, 'every pack of a version is in the store');
    return built;
  }

  #record(of: {
    options: CommitOptions;
    volume: string;
    seq: number;
    token: string;
    built: BuildResult;
    indexKey: string;
  }): VersionRecord {
    const { spec, session, format, clock } = this.#parts;
    const { bucket, family } = spec.volume;
    const producedBy = of.options.producedBy ?? spec.producedBy;
    return versionRecord({
      bucket,
      family,
      volume: of.volume,
      seq: of.seq,
      locator: formatLocator({ bucket, family, volume: of.volume, seq: of.seq }),
      parent: this.#parent,
      index: { key: of.indexKey, sha256: of.built.sha256, bytes: of.built.bytes },
      usedBytes: of.built.usedBytes,
      inodeCount: of.built.inodes,
      message: of.options.message ?? null,
      producedBy: producedBy ?? null,
      writer: of.token,
      session,
      createdMs: clock.nowMs(),
      ...format,
    });
  }

  async #noteIntent(record: VersionRecord, lsn: number): Promise<void> {
    const intent: CommitRecord = {
      format: 1,
      locator: record.locator,
      seq: record.version,
      writer: record.writer,
      lsn,
    };
    if (record.volume !== this.#parts.spec.volume.name) return;
    await this.#parts.owner.call('note-commit', intent);
    await this.#parts.log.flush();
  }

  /** The published version becomes what the log continues; what the log held for it is freed. */
  async #moveBase(record: VersionRecord, image: string, lsn: number): Promise<void> {
    const { state, owner, log } = this.#parts;
    await state.adoptImage(image, { seq: record.version, locator: record.locator, sha256: record.indexSha256, lsn });
    this.#parent = record;
    await owner.call('trim', lsn);
    state.removeOldImages();
    log.deleteBelow(lsn);
  }
}

function difference(before: StoreCounts, after: StoreCounts): { objects: number; bytes: number; requests: number } {
  const requests = (c: StoreCounts): number => c.put + c.get + c.head + c.list + c.delete;
  return {
    objects: after.put - before.put,
    bytes: after.bytesPut - before.bytesPut,
    requests: requests(after) - requests(before),
  };
}
