import { join } from 'node:path';
import { MessageChannel } from 'node:worker_threads';
import { systemClock } from '../base/clock.js';
import { VolumeError } from '../base/errors.js';
import { eventfd } from '../base/libc.js';
import { ARENA_EXTENTS, LOG_RING_BYTES, LOG_SEGMENT_BYTES } from '../base/limits.js';
import type { Logger } from '../base/log.js';
import { systemRandom } from '../base/random.js';
import { BlockCache } from '../chunk/block-cache.js';
import { BlockReader } from '../chunk/block-reader.js';
import type { SessionRecord } from '../chunk/log-format.js';
import { LogThread } from '../chunk/log-thread.js';
import { newLogControl, type LogShared } from '../chunk/log-writer.js';
import { LocalState } from '../chunk/local-state.js';
import { Uploader } from '../chunk/uploader.js';
import type { ObjectStore } from '../cloud/object-store.js';
import { openStore } from '../cloud/open-store.js';
import { Arena } from '../workers/arena.js';
import { KernelPool } from '../workers/pool.js';
import { claimSession, closeSession, type ClaimedSession } from '../version/session.js';
import type { VersionRecord } from '../version/record.js';
import { Committer, type CommitOptions } from './committer.js';
import type { BlockFormat } from './image.js';
import { OwnerHandle } from './owner-handle.js';
import { readOnlyBase, writableBase, type SessionBase } from './session-base.js';
import type { MountSpec, MountStatus } from './spec.js';

/** The part of a writing session that only a writer has. */
interface Writing {
  state: LocalState;
  log: LogThread;
  uploader: Uploader;
  committer: Committer;
  claimed: ClaimedSession;
}

interface SessionParts {
  spec: MountSpec;
  store: ObjectStore;
  arena: Arena;
  pool: KernelPool;
  reader: BlockReader;
  base: SessionBase;
  writing: Writing | null;
  owner: OwnerHandle;
  fuseFd: number | null;
}

export interface SessionStart {
  spec: MountSpec;
  logger: Logger;
  logPath: string;
  /** Makes the mount and returns its descriptor; not called for a session without FUSE. */
  mount: (() => number) | null;
  onUnmounted: () => void;
  onFailed: (error: Error) => void;
}

/** One volume being served: the threads, the store and the local state behind a mount or an open volume. */
export class VolumeSession {
  readonly #spec: MountSpec;
  readonly #store: ObjectStore;
  readonly #arena: Arena;
  readonly #pool: KernelPool;
  readonly #reader: BlockReader;
  readonly #base: SessionBase;
  readonly #writing: Writing | null;
  readonly owner: OwnerHandle;
  readonly #fuseFd: number | null;

  private constructor(parts: SessionParts) {
    this.#spec = parts.spec;
    this.#store = parts.store;
    this.#arena = parts.arena;
    this.#pool = parts.pool;
    this.#reader = parts.reader;
    this.#base = parts.base;
    this.#writing = parts.writing;
    this.owner = parts.owner;
    this.#fuseFd = parts.fuseFd;
  }

  /** @throws VolumeError, StoreError; nothing keeps running and the local state is as it was */
  static async start(options: SessionStart): Promise<VolumeSession> {
    const { spec } = options;
    const store = await openStore(spec.volume.bucket);
    if (spec.access === 'ro') return startReading(options, store);
    const state = LocalState.open(join(spec.metaDir, spec.volume.family, spec.volume.name), { create: true });
    try {
      return await startWriting(options, store, state);
    } catch (error) {
      state.close();
      throw error;
    }
  }

  /** @internal */
  static assemble(parts: SessionParts): VolumeSession {
    return new VolumeSession(parts);
  }

  get isWritable(): boolean {
    return this.#writing !== null;
  }

  /** The kernel has let go of the mount. */
  noteUnmounted(): void {
    if (this.#writing !== null) this.#writing.committer.isMounted = false;
  }

  commit(options: CommitOptions): Promise<VersionRecord> {
    return this.#writer().committer.commit(options);
  }

  /** Everything acknowledged is in the local log on the disk. */
  async stage(): Promise<void> {
    await this.#writing?.log.flush();
  }

  /** Ends all threads. What is staged stays; with `isDone` everything is published, and the local state goes. */
  async stop(how: { isDone: boolean }): Promise<void> {
    await this.owner.stop();
    const writing = this.#writing;
    if (writing !== null) {
      await writing.log.stop();
      await writing.uploader.close();
      if (how.isDone) {
        await closeSession(this.#store, this.#spec.volume.family, writing.claimed);
        writing.state.destroy();
      } else {
        writing.state.close();
      }
    }
    await this.#reader.close();
    await this.#pool.close();
  }

  /** Deletes what is staged and unpublished. Only when told to. */
  async stopAndDelete(): Promise<void> {
    const writing = this.#writer();
    await this.owner.stop();
    await writing.log.stop();
    await writing.uploader.close();
    await this.#reader.close();
    await this.#pool.close();
    writing.state.destroy();
  }

  async status(): Promise<
    Omit<MountStatus, 'path' | 'pid' | 'transport' | 'log' | 'startedMs'> & { owner: Record<string, unknown> }
  > {
    const { volume } = this.#spec;
    const stats = await this.owner.call('stats');
    const writing = this.#writing;
    const uploads = writing?.uploader.status() ?? { queued: 0, bytes: 0, oldestMs: 0, lastError: null };
    const parent = writing?.committer.parent ?? this.#base.record;
    return {
      volume: volume.name,
      family: volume.family,
      bucket: volume.bucket,
      readOnly: writing === null,
      attached: this.#spec.attached,
      version: parent?.version ?? 0,
      locator: parent?.locator ?? null,
      unpublished: writing !== null && stats.appendedLsn > (writing.state.base?.lsn ?? 0),
      dirtyBytes: stats.dirtyBytes,
      stagedBytes: Number(stats['stagedBytes'] ?? 0),
      uploads,
      files: stats.inodes,
      usedBytes: stats.usedBytes,
      kernels: this.#pool.stats(),
      state: writing?.state.directory ?? null,
      owner: stats,
    };
  }

  /** Arena extents in use: for tests that look for leaks. */
  get extentsInUse(): number {
    return ARENA_EXTENTS - this.#arena.freeExtents;
  }

  get fuseFd(): number | null {
    return this.#fuseFd;
  }

  #writer(): Writing {
    if (this.#writing === null) {
      throw new VolumeError('state', 'this is a read-only mount of a version; fork it to write');
    }
    return this.#writing;
  }
}

/** What reading and writing sessions have in common. */
function commonParts(options: SessionStart, store: ObjectStore, format: BlockFormat, logDirectory: string | null) {
  const { spec, logger } = options;
  const arena = Arena.create();
  const pool = new KernelPool(arena, {});
  const cache =
    spec.cacheBytes > 0 ? new BlockCache({ directory: spec.cacheDir, maxBytes: spec.cacheBytes, logger }) : null;
  let owner: OwnerHandle | undefined;
  const reader = new BlockReader({
    store,
    family: spec.volume.family,
    format: { blockBytes: format.blockBytes, hashPrefix: format.hashPrefix },
    cache,
    logDirectory,
    pool,
    arena,
    reply: (ticket, errno, body) => owner?.reply(ticket, errno, body),
    post: (message) => owner?.send(message),
    logger,
  });
  const attach = (handle: OwnerHandle): void => {
    owner = handle;
    handle.onEnded = (reason, error) => {
      if (reason === 'unmounted') options.onUnmounted();
      else options.onFailed(error ?? new VolumeError('io', 'the owner thread ended'));
    };
  };
  return { arena, pool, reader, attach };
}

function ownerOptions(spec: MountSpec, format: BlockFormat, logPath: string) {
  return {
    blockBytes: format.blockBytes,
    writeback: spec.writeback,
    kernelWriteback: spec.kernelWriteback,
    attrCacheMs: spec.attrCacheMs,
    entryCacheMs: spec.entryCacheMs,
    dirEntryCacheMs: spec.dirEntryCacheMs,
    logPath,
    ...(spec.uid === undefined ? {} : { uid: spec.uid }),
    ...(spec.gid === undefined ? {} : { gid: spec.gid }),
  };
}

async function startReading(options: SessionStart, store: ObjectStore): Promise<VolumeSession> {
  const { spec, logger } = options;
  const base = await readOnlyBase(spec, store);
  const { format } = base;
  const common = commonParts(options, store, format, null);
  const fuseFd = options.mount?.() ?? null;
  const owner = await OwnerHandle.start(
    {
      ...ownerOptions(spec, format, options.logPath),
      eventFd: eventfd(),
      fuseFd,
      imagePath: base.imagePath,
      log: null,
      ids: null,
      session: null,
      packs: [],
    },
    logger,
  );
  common.attach(owner);
  owner.onMessage = (message) => {
    if (message.t === 'read') void common.reader.read(message);
    else if (message.t === 'readahead') common.reader.readahead(message.blocks);
  };
  return VolumeSession.assemble({ spec, store, ...common, base, writing: null, owner, fuseFd });
}

async function startWriting(options: SessionStart, store: ObjectStore, state: LocalState): Promise<VolumeSession> {
  const { spec, logger } = options;
  const base = await writableBase(spec, store, state, logger);
  const { format } = base;
  const claimed = await claimSession(store, spec.volume.family, { volume: spec.volume.name, parentSeq: base.seq });
  const common = commonParts(options, store, format, state.logDirectory);
  const shared: LogShared = {
    memory: common.arena.memory,
    ringOffset: common.arena.ringOffset,
    ringBytes: LOG_RING_BYTES,
    segmentBytes: LOG_SEGMENT_BYTES,
    control: newLogControl(),
    directory: state.logDirectory,
    tag: systemRandom.below(2 ** 32),
    startLsn: base.endLsn,
  };
  const eventFd = eventfd();
  const ports = new MessageChannel();
  let owner: OwnerHandle | undefined;
  const log = await LogThread.start(shared, {
    ownerPort: ports.port2,
    wakeFd: eventFd,
    onAnswer: (ticket, errno) => owner?.reply(ticket, errno, null),
    onFailed: (errno) => logger.error({ errno }, 'the local log cannot be written any more: writes fail with EIO'),
  });
  const fuseFd = options.mount?.() ?? null;
  if (fuseFd !== null) log.setFuseFd(fuseFd);
  let committer: Committer | undefined;
  const uploader = new Uploader({
    store,
    family: spec.volume.family,
    arena: common.arena,
    pool: common.pool,
    segments: { directory: state.logDirectory, segmentBytes: LOG_SEGMENT_BYTES },
    written: (lsn) => log.written(lsn),
    maxUploads: spec.maxUploads,
    uploadDelayMs: spec.uploadDelayMs,
    blockBytes: format.blockBytes,
    hashPrefix: format.hashPrefix,
    logger,
    onUploaded: ({ id, sizeBytes }, crcs) => {
      committer?.noteUploaded({ id, sizeBytes, crcs });
      owner?.send({ t: 'uploaded', id, sizeBytes, crcs });
    },
  });
  const session: SessionRecord = {
    format: 1,
    session: claimed.session,
    firstId: claimed.firstId,
    endId: claimed.endId,
    volume: spec.volume.name,
    family: spec.volume.family,
    parentSeq: base.seq,
    startedMs: systemClock.nowMs(),
  };
  owner = await OwnerHandle.start(
    {
      ...ownerOptions(spec, format, options.logPath),
      eventFd,
      fuseFd,
      imagePath: base.imagePath,
      log: { shared, port: ports.port1 },
      ids: { firstId: claimed.firstId, endId: claimed.endId },
      session,
      packs: base.packs,
    },
    logger,
  );
  common.attach(owner);
  const handle = owner;
  owner.onMessage = (message) => {
    if (message.t === 'read') void common.reader.read(message);
    else if (message.t === 'readahead') common.reader.readahead(message.blocks);
    else if (message.t === 'sealed') uploader.add(message.pack);
    else void answerWhenUploaded(handle, { uploader, log }, message.ticket, message.packs);
  };
  for (const pack of base.packs) uploader.add(pack);
  committer = new Committer({
    spec,
    store,
    state,
    owner,
    log,
    uploader,
    fuseFd,
    session: claimed.session,
    format: { ...format, adopted: base.record?.adopted ?? false },
    parent: base.record,
    clock: systemClock,
    random: systemRandom,
    logger,
  });
  const writing: Writing = { state, log, uploader, committer, claimed };
  return VolumeSession.assemble({ spec, store, ...common, base, writing, owner, fuseFd });
}

/** A close or fsync of a mount with `writeback: false` answers when the bytes are in the store, and their names on the disk. */
async function answerWhenUploaded(
  owner: OwnerHandle,
  { uploader, log }: Pick<Writing, 'uploader' | 'log'>,
  ticket: number,
  packs: number[],
): Promise<void> {
  try {
    uploader.hurry();
    await Promise.all([uploader.waitFor(packs), log.flush()]);
    owner.reply(ticket, 0, null);
  } catch {
    // The uploader has logged why; it keeps the bytes and tries again.
    owner.reply(ticket, 5, null);
  }
}
