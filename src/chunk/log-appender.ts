import { receiveMessageOnPort, type MessagePort } from 'node:worker_threads';
import { systemClock } from '../base/clock.js';
import { ERRNO } from '../base/errno.js';
import { eventfdWrite, write } from '../base/libc.js';
import { LOG_SEGMENTS_AHEAD, MIB } from '../base/limits.js';
import { instantiateKernels, type Kernels } from '../workers/wasm.js';
import { LogFiles } from './log-files.js';
import { LogControl, RECORD_HEADER_BYTES, RecordKind } from './log-format.js';
import { segmentStart } from './log-names.js';
import { WAKE_INT32, type LogShared, type SyncRequest } from './log-writer.js';

/** Most that is written at once, so that the ring is freed in steps. */
const WRITE_BYTES_MAX = 4 * MIB;
/** After work the thread looks again by itself for this long, so that not each small change has to wake it. */
const DOZE_MS = 2;
/** A reservation that failed is tried again by itself after this; at once when a writer needs it. */
const RESERVE_RETRY_MS = 1000;

/** What the main thread asks of the log thread... */
export type LogRequest =
  | { t: 'fuse-fd'; fd: number }
  | { t: 'flush'; id: number }
  | { t: 'written'; id: number; lsn: number }
  | { t: 'delete-below'; lsn: number }
  | { t: 'stop' };

/** ...and what it is told. `errno` 0 = done. */
export type LogReply =
  | { t: 'started'; errno: number; message?: string }
  | { t: 'done'; id: number; errno: number }
  | { t: 'answer'; ticket: number; errno: number }
  | { t: 'failed'; errno: number; message?: string };

export interface LogThreadData {
  shared: LogShared;
  ownerPort: MessagePort;
  mainPort: MessagePort;
  /** The owner's eventfd. */
  wakeFd: number;
}

/** Somebody waits until the log is on the disk (or in the files) up to `lsn`. */
type Waiter = { lsn: number; ticket: number } | { lsn: number; id: number };

/** The log thread's work: ring to files to disk. It blocks, and has no event loop while it runs. */
export class LogAppender {
  readonly #data: LogThreadData;
  readonly #kernels: Kernels;
  readonly #files: LogFiles;
  readonly #ring: Uint8Array;
  readonly #view: DataView;
  readonly #control: BigInt64Array;
  readonly #wake: Int32Array;
  readonly #reply = new DataView(new ArrayBuffer(16));
  readonly #replyBytes = new Uint8Array(this.#reply.buffer);
  #written: number;
  #fuseFd = -1;
  #failedErrno = 0;
  #triedReserveMs = 0;
  #syncs: Waiter[] = [];
  #writes: Waiter[] = [];
  #isStopping = false;

  constructor(data: LogThreadData) {
    const { shared } = data;
    this.#data = data;
    this.#kernels = instantiateKernels(shared.memory);
    this.#ring = new Uint8Array(shared.memory.buffer, shared.ringOffset, shared.ringBytes);
    this.#view = new DataView(shared.memory.buffer, shared.ringOffset, shared.ringBytes);
    this.#control = new BigInt64Array(shared.control);
    this.#wake = new Int32Array(shared.control);
    this.#written = shared.startLsn;
    this.#files = new LogFiles(shared.directory, shared.segmentBytes, shared.startLsn);
    for (const slot of [LogControl.APPENDED, LogControl.WRITTEN, LogControl.SYNCED]) this.#set(slot, shared.startLsn);
  }

  /** Reserves the segment that the session begins in: answers 0 or -errno. */
  begin(): number {
    const result = this.#files.reserveNext();
    if (result === 0) this.#set(LogControl.RESERVED, this.#files.reserved);
    else this.#files.finish(this.#written);
    return result;
  }

  /** Returns after 'stop', with everything on the disk, or failed. */
  run(): void {
    for (;;) {
      const seen = Atomics.load(this.#wake, WAKE_INT32);
      const before = this.#written;
      const hasMore = this.#guarded(() => this.#work());
      if (this.#isStopping && this.#isIdle()) break;
      if (hasMore) continue;
      if (this.#written > before) Atomics.wait(this.#wake, WAKE_INT32, seen, DOZE_MS);
      else this.#sleep(seen);
    }
    this.#guarded(() => this.#finish());
  }

  /** One round; true when the next should follow at once. */
  #work(): boolean {
    this.#receive();
    while (this.#writeSome());
    const hasReserved = this.#reserve();
    this.#writes = this.#answer(this.#writes, this.#written);
    this.#syncForWaiters();
    return hasReserved;
  }

  /** An exception is a defect, and the log fails of it. But whoever waits is still answered, in the next round. */
  #guarded(work: () => boolean): boolean {
    try {
      return work();
    } catch (error) {
      if (this.#failedErrno !== 0) throw error;
      this.#fail(ERRNO.EIO, String(error));
      return true;
    }
  }

  /** Sleeps until woken. The flag first, then a last look: an owner that saw no flag has appended before that look. */
  #sleep(seen: number): void {
    Atomics.store(this.#control, LogControl.ASLEEP, 1n);
    if (this.#isIdle()) {
      const isShort = Atomics.load(this.#control, LogControl.RESERVE_ERRNO) !== 0n;
      Atomics.wait(this.#wake, WAKE_INT32, seen, isShort ? RESERVE_RETRY_MS : Infinity);
    }
    Atomics.store(this.#control, LogControl.ASLEEP, 0n);
  }

  #isIdle(): boolean {
    return this.#failedErrno !== 0 || this.#written === this.#get(LogControl.APPENDED);
  }

  #receive(): void {
    const { ownerPort, mainPort } = this.#data;
    for (;;) {
      const received = receiveMessageOnPort(ownerPort) as { message: SyncRequest } | undefined;
      if (received === undefined) break;
      this.#syncs.push(received.message);
    }
    for (;;) {
      const received = receiveMessageOnPort(mainPort) as { message: LogRequest } | undefined;
      if (received === undefined) break;
      this.#take(received.message);
    }
  }

  #take(request: LogRequest): void {
    switch (request.t) {
      case 'fuse-fd':
        this.#fuseFd = request.fd;
        break;
      case 'flush':
        this.#syncs.push({ id: request.id, lsn: this.#get(LogControl.APPENDED) });
        break;
      case 'written':
        this.#writes.push({ id: request.id, lsn: request.lsn });
        break;
      case 'delete-below':
        this.#files.deleteBelow(request.lsn, this.#written);
        break;
      case 'stop':
        this.#isStopping = true;
        break;
      default:
        request satisfies never;
    }
  }

  /** Completes the records that are in the ring and writes them as one piece; false when there was nothing to do. */
  #writeSome(): boolean {
    const appended = this.#get(LogControl.APPENDED);
    if (this.#written === appended || this.#failedErrno !== 0) return false;
    const { ringOffset, ringBytes } = this.#data.shared;
    const from = this.#written;
    let end = from;
    let skipped = 0;
    do {
      const at = end % ringBytes;
      const length = this.#view.getUint32(at + 4, true);
      const isPad = this.#view.getUint32(at + 20, true) === RecordKind.PAD;
      let crc = this.#kernels.crc32c(ringOffset + at, 24, 0);
      if (!isPad) {
        const payloadBytes = length - RECORD_HEADER_BYTES;
        crc = this.#kernels.crc32c(ringOffset + at + RECORD_HEADER_BYTES, payloadBytes, crc);
      }
      this.#view.setUint32(at + 24, crc, true);
      // Of a PAD only the header is written: the preallocated file has zeros behind it.
      if (isPad) skipped = length - RECORD_HEADER_BYTES;
      end += isPad ? RECORD_HEADER_BYTES : (length + 7) & ~7;
    } while (end < appended && skipped === 0 && end % ringBytes !== 0 && end - from < WRITE_BYTES_MAX);

    const result = this.#files.write(this.#ring, from % ringBytes, end - from, from);
    if (result < 0) {
      this.#fail(-result);
      return false;
    }
    this.#written = end + skipped;
    this.#set(LogControl.WRITTEN, this.#written);
    this.#signalOwner();
    return true;
  }

  /** Preallocates one more segment if too few are ahead; true when it did. */
  #reserve(): boolean {
    if (this.#failedErrno !== 0 || this.#isStopping) return false;
    const { segmentBytes } = this.#data.shared;
    const wanted = segmentStart(this.#written, segmentBytes) + (1 + LOG_SEGMENTS_AHEAD) * segmentBytes;
    if (this.#files.reserved >= wanted) return false;
    const nowMs = systemClock.monotonicMs();
    const hasFailed = Atomics.load(this.#control, LogControl.RESERVE_ERRNO) !== 0n;
    if (hasFailed && nowMs - this.#triedReserveMs < RESERVE_RETRY_MS) return false;
    this.#triedReserveMs = nowMs;
    const result = this.#files.reserveNext();
    this.#set(LogControl.RESERVED, this.#files.reserved);
    this.#set(LogControl.RESERVE_ERRNO, result < 0 ? -result : 0);
    this.#signalOwner();
    return result === 0;
  }

  /** One wait for the disk answers everybody whose records are written by now. */
  #syncForWaiters(): void {
    if (this.#syncs.length === 0) return;
    const synced = this.#get(LogControl.SYNCED);
    if (this.#failedErrno === 0 && this.#syncs.some(({ lsn }) => lsn > synced)) this.#sync();
    this.#syncs = this.#answer(this.#syncs, this.#get(LogControl.SYNCED));
  }

  #sync(): void {
    const written = this.#written;
    const result = this.#files.sync(written);
    Atomics.add(this.#control, LogControl.SYNCS, 1n);
    if (result < 0) this.#fail(-result);
    else this.#set(LogControl.SYNCED, written);
  }

  /** Answers those whose LSN is reached (all with EIO once the log failed); the others are what is left. */
  #answer(waiters: Waiter[], reached: number): Waiter[] {
    const left: Waiter[] = [];
    for (const waiter of waiters) {
      if (waiter.lsn <= reached) this.#tell(waiter, 0);
      else if (this.#failedErrno !== 0) this.#tell(waiter, ERRNO.EIO);
      else left.push(waiter);
    }
    return left;
  }

  #tell(waiter: Waiter, errno: number): void {
    if ('id' in waiter) this.#post({ t: 'done', id: waiter.id, errno });
    else if (waiter.ticket > 0 && this.#fuseFd >= 0) this.#replyToKernel(waiter.ticket, errno);
    else this.#post({ t: 'answer', ticket: waiter.ticket, errno });
  }

  /** struct fuse_out_header: length, error, unique. What the kernel answers to it (ENOENT: interrupted) changes nothing. */
  #replyToKernel(unique: number, errno: number): void {
    const view = this.#reply;
    view.setUint32(0, 16, true);
    view.setInt32(4, -errno, true);
    view.setUint32(8, unique >>> 0, true);
    view.setUint32(12, Math.floor(unique / 2 ** 32), true);
    write(this.#fuseFd, this.#replyBytes, 16);
  }

  /** Nothing is tried again: after a failed fdatasync nobody knows what of the segment is on the disk. */
  #fail(errno: number, message?: string): void {
    this.#failedErrno = errno;
    this.#set(LogControl.FAILED_ERRNO, errno);
    this.#signalOwner();
    this.#post({ t: 'failed', errno, ...(message === undefined ? {} : { message }) });
  }

  #finish(): boolean {
    if (this.#failedErrno === 0) this.#sync();
    const reached = this.#get(LogControl.SYNCED);
    for (const waiter of [...this.#syncs, ...this.#writes]) this.#tell(waiter, waiter.lsn <= reached ? 0 : ERRNO.EIO);
    // A log that failed is left as it is: whoever looks at it later should see all there is.
    if (this.#failedErrno === 0) this.#files.finish(this.#written);
    return false;
  }

  #signalOwner(): void {
    const waits = Atomics.exchange(this.#control, LogControl.OWNER_WAITS, 0n);
    if (waits !== 0n) eventfdWrite(this.#data.wakeFd);
  }

  #post(reply: LogReply): void {
    this.#data.mainPort.postMessage(reply);
  }

  #get(slot: number): number {
    return Number(Atomics.load(this.#control, slot));
  }

  #set(slot: number, value: number): void {
    Atomics.store(this.#control, slot, BigInt(value));
  }
}
