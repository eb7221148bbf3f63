/** Entry of the owner thread: it owns the namespace and speaks FUSE. Blocking; it never waits for network or disk. */
import { readFileSync } from 'node:fs';
import { receiveMessageOnPort, workerData } from 'node:worker_threads';
import { systemClock } from '../base/clock.js';
import { errorToRecord, FsError } from '../base/errors.js';
import { OWNER_SLICE_MS } from '../base/limits.js';
import { eventfdDrain, poll } from '../base/libc.js';
import { fileLogger } from '../base/log.js';
import { DataPlane } from '../chunk/data-plane.js';
import { RecordKind, type CommitRecord } from '../chunk/log-format.js';
import { LogSegments } from '../chunk/log-segments.js';
import { LogWriter } from '../chunk/log-writer.js';
import type { Ticket, ToMain, ToOwner } from '../chunk/messages.js';
import { FuseSession } from '../fuse/session.js';
import { IdAllocator, Namespace } from '../meta/namespace.js';
import { loadSqlJs } from '../meta/stores/sql.js';
import { PENDING } from '../vfs/types.js';
import { Vfs } from '../vfs/vfs.js';
import type { FsOp } from './fs-protocol.js';
import { FsServer } from './fs-server.js';
import type { CommitPoint, OwnerData, OwnerStats } from './owner-data.js';

const data = workerData as OwnerData;
const logger = fileLogger(data.logPath);

const post = (message: ToMain, transfer: ArrayBuffer[] = []): void => data.port.postMessage(message, transfer);

class Owner {
  readonly #log: LogWriter | null;
  readonly #namespace: Namespace;
  readonly #plane: DataPlane;
  readonly #vfs: Vfs;
  readonly #fs: FsServer;
  /** Calls of the in-process file system that wait for room in the log, in order. */
  readonly #waiting: { ticket: Ticket; op: FsOp; args: unknown }[] = [];
  #isStopping = false;
  #fuse: FuseSession | undefined;

  constructor(log: LogWriter | null, namespace: Namespace, plane: DataPlane, vfs: Vfs) {
    this.#log = log;
    this.#namespace = namespace;
    this.#plane = plane;
    this.#vfs = vfs;
    this.#fs = new FsServer(vfs, { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, pid: process.pid });
  }

  static async create(): Promise<Owner> {
    const sql = await loadSqlJs();
    const log = data.log === null ? null : new LogWriter(data.log.shared, data.log.port);
    if (data.session !== null) log?.appendJson(RecordKind.SESSION, data.session);
    // A session that was killed leaves packs open; they are full as they are.
    for (const pack of data.packs) log?.appendSeal(pack.id, pack.sizeBytes);
    const ids = data.ids === null ? null : new IdAllocator(data.ids.firstId, data.ids.endId);
    const namespace = Namespace.open(readFileSync(data.imagePath), { sql, journal: log, ids, clock: systemClock });
    const segments =
      data.log === null ? null : new LogSegments(data.log.shared.directory, data.log.shared.segmentBytes);
    const plane = new DataPlane({
      log,
      segments,
      namespace,
      ids,
      post,
      writeback: data.writeback,
      blockBytes: data.blockBytes,
      packs: data.packs,
    });
    const owned = {
      ...(data.uid === undefined ? {} : { uid: data.uid }),
      ...(data.gid === undefined ? {} : { gid: data.gid }),
    };
    return new Owner(log, namespace, plane, new Vfs(namespace, plane, { readOnly: log === null, ...owned }));
  }

  run(): void {
    post({ t: 'ready' });
    if (data.fuseFd !== null && this.#serveFuse(data.fuseFd) === 'unmounted') post({ t: 'ended', reason: 'unmounted' });
    // After the mount is gone the session still answers the main thread: it may want to publish.
    this.#serveCalls();
    this.#fs.closeAll();
    this.#log?.kick();
    post({ t: 'ended', reason: 'stopped' });
  }

  #serveFuse(fd: number): 'unmounted' | 'stopped' {
    this.#fuse = new FuseSession({
      fd,
      eventFd: data.eventFd,
      vfs: this.#vfs,
      logger,
      options: {
        attrTimeoutMs: data.attrCacheMs,
        entryTimeoutMs: data.entryCacheMs,
        dirEntryTimeoutMs: data.dirEntryCacheMs,
        readOnly: data.log === null,
        kernelWriteback: data.kernelWriteback,
        ...(data.uid === undefined ? {} : { uid: data.uid }),
        ...(data.gid === undefined ? {} : { gid: data.gid }),
      },
      hooks: {
        onWake: () => this.#drain(),
        beforeSleep: () => this.#log?.kick(),
        idle: (budgetMs) => this.#namespace.writeBehind(budgetMs),
      },
    });
    return this.#fuse.run();
  }

  #serveCalls(): void {
    while (!this.#isStopping) {
      const hasMore = this.#namespace.writeBehind(OWNER_SLICE_MS);
      this.#log?.kick();
      poll([data.eventFd], hasMore ? 0 : -1);
      eventfdDrain(data.eventFd);
      this.#drain();
    }
  }

  /** Takes what the main thread sent; true = stop. */
  #drain(): boolean {
    this.#retryWaiting();
    for (;;) {
      const received = receiveMessageOnPort(data.port) as { message: ToOwner } | undefined;
      if (received === undefined) return this.#isStopping;
      this.#take(received.message);
    }
  }

  #take(message: ToOwner): void {
    switch (message.t) {
      case 'uploaded':
      case 'block-file':
        return this.#plane.onMessage(message);
      case 'rpc':
        if (this.#waiting.length > 0) this.#waiting.push({ ...message, op: message.op as FsOp, args: message.args[0] });
        else this.#serve(message.ticket, message.op as FsOp, message.args[0]);
        return undefined;
      case 'call':
        return this.#answer(message.ticket, () => this.#call(message.op, message.args));
      default:
        return message satisfies never;
    }
  }

  #retryWaiting(): void {
    while (this.#waiting.length > 0) {
      const next = this.#waiting.shift()!;
      if (!this.#serve(next.ticket, next.op, next.args)) return;
    }
  }

  /** False when the call waits for room; it is first in the queue then. */
  #serve(ticket: Ticket, op: FsOp, args: unknown): boolean {
    let mustWait = false;
    this.#answer(ticket, () => {
      mustWait = this.#fs.room(op, args) === 'wait';
      return mustWait ? PENDING : this.#fs.handle(op, args, ticket);
    });
    if (mustWait) this.#waiting.unshift({ ticket, op, args });
    return !mustWait;
  }

  #answer(ticket: Ticket, compute: () => unknown): void {
    try {
      const value = compute();
      if (value !== PENDING) post({ t: 'answer', ticket, value });
    } catch (error) {
      if (!(error instanceof FsError))
        logger.error({ err: errorToRecord(error), stack: (error as Error).stack }, 'a call failed');
      post({ t: 'answer', ticket, error: errorToRecord(error) });
    }
  }

  #call(op: string, args: unknown[]): unknown {
    switch (op) {
      case 'commit-point':
        return this.#commitPoint();
      case 'uploads-logged':
        return this.#plane.uploadsAreLogged();
      case 'note-commit':
        this.#writable().appendJson(RecordKind.COMMIT, args[0] as CommitRecord);
        this.#writable().kick();
        return null;
      case 'trim':
        this.#plane.trim(args[0] as number);
        return null;
      case 'open-for-writing':
        return this.#vfs.inodesOpenForWriting();
      case 'stats':
        return this.#stats();
      case 'stop':
        this.#isStopping = true;
        return null;
      default:
        throw new Error(`unknown call ${op}`);
    }
  }

  #writable(): LogWriter {
    if (this.#log === null) throw new FsError('EROFS', { syscall: 'commit' });
    return this.#log;
  }

  #commitPoint(): CommitPoint {
    const log = this.#writable();
    this.#plane.sealAll();
    log.kick();
    return { lsn: log.appended, packs: this.#plane.packsNotUploaded() };
  }

  #stats(): OwnerStats {
    return {
      ...this.#namespace.stats(),
      ...this.#plane.stats(),
      ...this.#vfs.stats(),
      ...this.#fuse?.stats(),
      usedBytes: this.#namespace.statfs().usedBytes,
      inodes: this.#namespace.statfs().inodes,
      dirtyBytes: this.#log === null ? 0 : this.#log.appended - this.#log.written,
      appendedLsn: this.#log?.appended ?? 0,
    };
  }
}

try {
  const owner = await Owner.create();
  owner.run();
  // Ends the thread, whatever is still open in it.
  process.exit(0);
} catch (error) {
  logger.error({ err: errorToRecord(error), stack: (error as Error).stack }, 'the owner thread failed');
  post({ t: 'ended', reason: 'failed', error: errorToRecord(error) });
}
