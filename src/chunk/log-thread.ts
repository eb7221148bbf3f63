import { MessageChannel, receiveMessageOnPort, Worker, type MessagePort } from 'node:worker_threads';
import { ERRNO, errnoName } from '../base/errno.js';
import { FsError } from '../base/errors.js';
import { eventfdWrite } from '../base/libc.js';
import type { LogReply, LogRequest, LogThreadData } from './log-appender.js';
import { LogControl } from './log-format.js';
import { WAKE_INT32, type LogShared } from './log-writer.js';
import type { Ticket } from './messages.js';

export interface LogThreadOptions {
  /** The other end of the port that the owner's LogWriter has. */
  ownerPort: MessagePort;
  /** The owner's eventfd, written when it waits for room. */
  wakeFd: number;
  /** A sync that cannot be answered through the FUSE descriptor is done (0) or failed (EIO). */
  onAnswer(ticket: Ticket, errno: number): void;
  /** Once: a write or fdatasync failed, and the log takes nothing more. */
  onFailed(errno: number, message?: string): void;
}

interface Pending {
  resolve(): void;
  reject(error: Error): void;
}

function beginRefusal(errno: number): string {
  const isSpace = errno === ERRNO.ENOSPC || errno === ERRNO.EDQUOT;
  return isSpace ? 'no space for the local log; free some, or choose another metaDir' : 'the local log cannot begin';
}

/** Of the answer to the start; requests have higher ones. */
const START_ID = 0;

function failed(): FsError {
  return new FsError('EIO', { message: 'the local log cannot be written any more' });
}

/** The main thread's end of the log thread. */
export class LogThread {
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #control: BigInt64Array;
  readonly #wake: Int32Array;
  readonly #options: LogThreadOptions;
  readonly #pending = new Map<number, Pending>();
  readonly #ended: Promise<void>;
  #nextId = 1;
  #hasEnded = false;

  private constructor(shared: LogShared, options: LogThreadOptions) {
    const channel = new MessageChannel();
    const { ownerPort, wakeFd } = options;
    const workerData: LogThreadData = { shared, ownerPort, wakeFd, mainPort: channel.port2 };
    this.#options = options;
    this.#port = channel.port1;
    this.#control = new BigInt64Array(shared.control);
    this.#wake = new Int32Array(shared.control);
    this.#worker = new Worker(new URL('./log-worker.js', import.meta.url), {
      workerData,
      transferList: [ownerPort, channel.port2],
      name: 'log',
    });
    this.#ended = new Promise((resolve) => this.#worker.once('exit', () => resolve(this.#onExit())));
    this.#worker.once('error', (error) => this.#onError(error));
  }

  /**
   * Makes what the log has up to `startLsn` durable, cuts off the rest, reserves space and runs the thread.
   *
   * @throws FsError `ENOSPC`, `EDQUOT` when there is no space to begin with; any other of the system calls
   */
  static async start(shared: LogShared, options: LogThreadOptions): Promise<LogThread> {
    const thread = new LogThread(shared, options);
    await new Promise<void>((resolve, reject) => {
      thread.#pending.set(START_ID, { resolve, reject });
      thread.#port.on('message', (reply: LogReply) => thread.#onReply(reply));
    });
    return thread;
  }

  /** Tickets > 0 are answered through this descriptor from now on; -1: through `onAnswer` again. */
  setFuseFd(fd: number): void {
    this.#send({ t: 'fuse-fd', fd });
  }

  /** Resolves when everything appended up to now is on the disk. @throws FsError `EIO` */
  flush(): Promise<void> {
    return this.#ask((id) => ({ t: 'flush', id }));
  }

  /** Resolves when everything before `lsn` is in the segment files. @throws FsError `EIO` */
  written(lsn: number): Promise<void> {
    if (Number(Atomics.load(this.#control, LogControl.WRITTEN)) >= lsn) return Promise.resolve();
    return this.#ask((id) => ({ t: 'written', id, lsn }));
  }

  /** Has the segments that lie wholly below `lsn` deleted: they are in a published version. */
  deleteBelow(lsn: number): void {
    this.#send({ t: 'delete-below', lsn });
  }

  /** Positions in the log, and how often the thread waited for the disk. */
  status(): {
    appended: number;
    written: number;
    synced: number;
    reserved: number;
    failedErrno: number;
    syncs: number;
  } {
    const read = (slot: number): number => Number(Atomics.load(this.#control, slot));
    return {
      appended: read(LogControl.APPENDED),
      written: read(LogControl.WRITTEN),
      synced: read(LogControl.SYNCED),
      reserved: read(LogControl.RESERVED),
      failedErrno: read(LogControl.FAILED_ERRNO),
      syncs: read(LogControl.SYNCS),
    };
  }

  /** Ends the thread after everything appended is on the disk (look at `failedErrno`), and frees unused segments. */
  async stop(): Promise<void> {
    this.#send({ t: 'stop' });
    await this.#ended;
  }

  #ask(request: (id: number) => LogRequest): Promise<void> {
    if (this.#hasEnded) return Promise.reject(failed());
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      this.#pending.set(id, { resolve, reject });
      this.#send(request(id));
    });
  }

  #send(request: LogRequest): void {
    this.#port.postMessage(request);
    Atomics.add(this.#wake, WAKE_INT32, 1);
    Atomics.notify(this.#wake, WAKE_INT32, 1);
  }

  #onReply(reply: LogReply): void {
    switch (reply.t) {
      case 'started':
        if (reply.errno === 0) this.#settle(START_ID);
        else {
          const message = reply.message ?? beginRefusal(reply.errno);
          this.#settle(START_ID, new FsError(errnoName(reply.errno), { message }));
        }
        break;
      case 'done':
        this.#settle(reply.id, reply.errno === 0 ? undefined : failed());
        break;
      case 'answer':
        this.#options.onAnswer(reply.ticket, reply.errno);
        break;
      case 'failed':
        this.#options.onFailed(reply.errno, reply.message);
        break;
      default:
        reply satisfies never;
    }
  }

  #settle(id: number, error?: Error): void {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    if (error === undefined) pending?.resolve();
    else pending?.reject(error);
  }

  /** The thread died, which is a defect: to everybody else the log failed. */
  #onError(error: unknown): void {
    const errno = ERRNO.EIO;
    Atomics.store(this.#control, LogControl.FAILED_ERRNO, BigInt(errno));
    if (Atomics.exchange(this.#control, LogControl.OWNER_WAITS, 0n) !== 0n) eventfdWrite(this.#options.wakeFd);
    this.#options.onFailed(errno, String(error));
  }

  #onExit(): void {
    this.#hasEnded = true;
    // The end of a thread may be heard of before its last words.
    for (;;) {
      const received = receiveMessageOnPort(this.#port) as { message: LogReply } | undefined;
      if (received === undefined) break;
      this.#onReply(received.message);
    }
    for (const { reject } of this.#pending.values()) reject(failed());
    this.#pending.clear();
    this.#port.close();
  }
}
