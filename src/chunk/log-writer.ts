import type { MessagePort } from 'node:worker_threads';
import { assert } from '../base/assert.js';
import { errnoName } from '../base/errno.js';
import { FsError } from '../base/errors.js';
import { LOG_RING_BYTES, MIB } from '../base/limits.js';
import type { Journal } from '../meta/journal.js';
import {
  LogControl,
  PAYLOAD_BYTES_MAX,
  RECORD_HEADER_BYTES,
  RECORD_MAGIC,
  RecordKind,
  WRITE_FIELDS_BYTES,
  recordBytes,
} from './log-format.js';
import { SEAL_BYTES, encodeSeal, encodeUploaded, encodeWrite, putU64, uploadedBytes } from './log-records.js';
import type { WriteFields } from './log-records.js';
import type { Ticket } from './messages.js';

/** What owner and log thread share; plain data that can be sent between threads. */
export interface LogShared {
  memory: WebAssembly.Memory;
  /** Where the ring begins in the memory, and its size; segments are a multiple of it. */
  ringOffset: number;
  ringBytes: number;
  segmentBytes: number;
  /** Made by {@link newLogControl}. */
  control: SharedArrayBuffer;
  /** Folder of the segment files. */
  directory: string;
  /** A random u32 for each log session. */
  tag: number;
  /** Where the session's first record goes: the end of the last good one, 0 in a new log. */
  startLsn: number;
}

/** What the owner's port carries to the log thread. */
export interface SyncRequest {
  ticket: Ticket;
  lsn: number;
}

export function newLogControl(): SharedArrayBuffer {
  return new SharedArrayBuffer(8 * LogControl.SLOTS);
}

/** Index of the Int32 by which the log thread is woken. */
export const WAKE_INT32 = 2 * LogControl.WAKE;

/** Appended and not yet written bytes at which the log thread is woken even if it would look soon by itself. */
const URGENT_BYTES = MIB;
/** Records that one change may consist of, unless `room` is told otherwise: pieces of data, seals, rows. */
const CHANGE_RECORDS = 8;
const RECORD_OVERHEAD_BYTES = RECORD_HEADER_BYTES + WRITE_FIELDS_BYTES + 8;

/**
 * The owner's end of the log: puts records in the ring. An append is a copy in memory and cannot fail, because
 * `room()` was asked before the change began; upload marks and seals, which nobody can refuse, have a reserve.
 */
export class LogWriter implements Journal {
  readonly #port: MessagePort;
  readonly #ring: Uint8Array;
  readonly #view: DataView;
  readonly #control: BigInt64Array;
  readonly #wake: Int32Array;
  readonly #ringBytes: number;
  readonly #startLsn: number;
  readonly #tag: number;
  readonly #reserveBytes: number;
  readonly #recordBytesMax: number;
  #appended: number;
  /** Appends may go up to here: as far as ring and preallocated segments were free when last looked. */
  #limit = 0;
  #kicked: number;
  #hasAskedAgain = false;

  constructor(shared: LogShared, port: MessagePort) {
    const { memory, ringOffset, ringBytes, segmentBytes, startLsn } = shared;
    assert(ringBytes % 8 === 0 && segmentBytes % ringBytes === 0, 'segments are a multiple of the ring');
    assert(startLsn % 8 === 0, 'the log goes on at the end of a record');
    const left = ringBytes - (startLsn % ringBytes);
    assert(left >= RECORD_HEADER_BYTES, 'the log goes on where a PAD still fits');
    this.#port = port;
    this.#ring = new Uint8Array(memory.buffer, ringOffset, ringBytes);
    this.#view = new DataView(memory.buffer, ringOffset, ringBytes);
    this.#control = new BigInt64Array(shared.control);
    this.#wake = new Int32Array(shared.control);
    this.#ringBytes = ringBytes;
    this.#startLsn = startLsn;
    this.#tag = shared.tag;
    this.#reserveBytes = ringBytes / 32;
    this.#recordBytesMax = Math.min(recordBytes(PAYLOAD_BYTES_MAX), ringBytes / 4);
    this.#appended = startLsn;
    this.#kicked = startLsn;
  }

  /** Where the next record goes. */
  get appended(): number {
    return this.#appended;
  }

  /** Bytes before this are in the segment files. */
  get written(): number {
    return this.#read(LogControl.WRITTEN);
  }

  /** Bytes before this are on the disk. */
  get synced(): number {
    return this.#read(LogControl.SYNCED);
  }

  /**
   * Asked before a change: is there room for `payloadBytes` in all, in at most `records` records? After 'ok' appends of
   * that much cannot fail. 'wait': the eventfd will be written when it is worth asking again.
   *
   * @throws FsError `ENOSPC` or `EDQUOT`: no disk space, asked for anew on behalf of this very change; `EIO`: the log
   *   failed and takes nothing more
   */
  room(payloadBytes: number, records = CHANGE_RECORDS): 'ok' | 'wait' {
    if (this.#read(LogControl.FAILED_ERRNO) !== 0) throw new FsError('EIO', { message: 'the local log failed' });
    const end = this.#appended + this.#worstBytes(payloadBytes, records) + this.#reserveBytes;
    if (end <= this.#limit || this.#isFree(end)) {
      this.#hasAskedAgain = false;
      return 'ok';
    }
    const errno = this.#read(LogControl.RESERVE_ERRNO);
    if (errno !== 0 && end > this.#read(LogControl.RESERVED)) {
      // The errno may be old. The log thread is told to try once more, and only its fresh answer is believed.
      if (this.#hasAskedAgain) {
        this.#hasAskedAgain = false;
        throw new FsError(errnoName(errno), { message: 'no disk space for the local log' });
      }
      this.#hasAskedAgain = true;
      Atomics.store(this.#control, LogControl.RESERVE_ERRNO, 0n);
    }
    Atomics.store(this.#control, LogControl.OWNER_WAITS, 1n);
    this.#wakeThread();
    // Looked at after the flag is set: what the log thread freed before it saw the flag is seen here.
    if (!this.#isFree(end)) return 'wait';
    Atomics.store(this.#control, LogControl.OWNER_WAITS, 0n);
    this.#hasAskedAgain = false;
    return 'ok';
  }

  /**
   * Asked before an upload mark, which may use the reserve: a full disk must not keep a commit from freeing space. False:
   * the eventfd will be written when it is worth asking again.
   *
   * @throws FsError `EIO`: the log failed and takes nothing more
   */
  roomForMark(payloadBytes: number): boolean {
    if (this.#read(LogControl.FAILED_ERRNO) !== 0) throw new FsError('EIO', { message: 'the local log failed' });
    const end = this.#appended + this.#worstBytes(payloadBytes, 1);
    if (end <= this.#limit || this.#isFree(end)) return true;
    Atomics.store(this.#control, LogControl.OWNER_WAITS, 1n);
    this.#wakeThread();
    return this.#isFree(end);
  }

  /** One batch of rows; answers the record's LSN. */
  appendRows(batch: Uint8Array): number {
    const lsn = this.#begin(RecordKind.ROWS, batch.length);
    this.#ring.set(batch, (lsn % this.#ringBytes) + RECORD_HEADER_BYTES);
    this.#end(lsn, batch.length);
    return lsn;
  }

  /** One piece of data; answers the LSN of the data's first byte. */
  appendWrite(fields: WriteFields, data: Uint8Array): number {
    const bytes = WRITE_FIELDS_BYTES + data.length;
    const lsn = this.#begin(RecordKind.WRITE, bytes);
    const at = (lsn % this.#ringBytes) + RECORD_HEADER_BYTES;
    encodeWrite(this.#view, at, fields, data.length);
    this.#ring.set(data, at + WRITE_FIELDS_BYTES);
    this.#end(lsn, bytes);
    return lsn + RECORD_HEADER_BYTES + WRITE_FIELDS_BYTES;
  }

  appendSeal(pack: number, sizeBytes: number): number {
    const lsn = this.#begin(RecordKind.SEAL, SEAL_BYTES);
    encodeSeal(this.#view, (lsn % this.#ringBytes) + RECORD_HEADER_BYTES, pack, sizeBytes);
    this.#end(lsn, SEAL_BYTES);
    return lsn;
  }

  appendUploaded(pack: number, sizeBytes: number, crcs: Uint32Array): number {
    const bytes = uploadedBytes(crcs.length);
    const lsn = this.#begin(RecordKind.UPLOADED, bytes);
    encodeUploaded(this.#view, (lsn % this.#ringBytes) + RECORD_HEADER_BYTES, pack, sizeBytes, crcs);
    this.#end(lsn, bytes);
    return lsn;
  }

  appendJson(kind: typeof RecordKind.SESSION | typeof RecordKind.COMMIT, value: object): number {
    const bytes = Buffer.from(JSON.stringify(value), 'utf8');
    const lsn = this.#begin(kind, bytes.length);
    this.#ring.set(bytes, (lsn % this.#ringBytes) + RECORD_HEADER_BYTES);
    this.#end(lsn, bytes.length);
    return lsn;
  }

  /** Tells the log thread of what is new. Call it before sleeping and at least each MiB. */
  kick(): void {
    if (this.#appended === this.#kicked) return;
    // A thread that is awake looks again by itself: waking it for each small change would cost more than the change.
    const isAsleep = Atomics.load(this.#control, LogControl.ASLEEP) !== 0n;
    if (!isAsleep && this.#appended - this.#kicked < URGENT_BYTES) return;
    this.#wakeThread();
  }

  /** Has the ticket answered when everything appended so far is on the disk; EIO when that failed. */
  sync(ticket: Ticket): void {
    this.#port.postMessage({ ticket, lsn: this.#appended } satisfies SyncRequest);
    this.#wakeThread();
  }

  /**
   * Bytes that are still in the ring, valid until the next append; undefined when they have left it. They must lie in
   * one record.
   */
  ringView(lsn: number, length: number): Uint8Array | undefined {
    if (lsn < this.#appended - this.#ringBytes || lsn < this.#startLsn) return undefined;
    const at = lsn % this.#ringBytes;
    assert(lsn + length <= this.#appended && at + length <= this.#ringBytes, 'what is viewed was appended');
    return this.#ring.subarray(at, at + length);
  }

  /** Bytes that records with this payload take at most, with what is lost at the end of the ring. */
  #worstBytes(payloadBytes: number, records: number): number {
    const bytes = payloadBytes + records * RECORD_OVERHEAD_BYTES;
    assert(bytes <= this.#ringBytes / 4, 'a change is small against the ring');
    const toEnd = this.#ringBytes - (this.#appended % this.#ringBytes);
    // A PAD is there only because a record did not fit (with a header after it), so it is no longer than that.
    return bytes + RECORD_HEADER_BYTES <= toEnd ? bytes : bytes + Math.min(toEnd, bytes + RECORD_HEADER_BYTES);
  }

  #isFree(end: number): boolean {
    this.#limit = Math.min(this.#read(LogControl.WRITTEN) + this.#ringBytes, this.#read(LogControl.RESERVED));
    return end <= this.#limit;
  }

  #begin(kind: RecordKind, payloadBytes: number): number {
    const bytes = recordBytes(payloadBytes);
    assert(bytes <= this.#recordBytesMax, 'a record is small against the ring');
    const left = this.#ringBytes - (this.#appended % this.#ringBytes);
    if (left !== bytes && left < bytes + RECORD_HEADER_BYTES) {
      this.#header(this.#appended, RecordKind.PAD, left - RECORD_HEADER_BYTES, left);
      this.#publish(this.#appended + left);
    }
    const lsn = this.#appended;
    this.#header(lsn, kind, payloadBytes, bytes);
    return lsn;
  }

  #header(lsn: number, kind: RecordKind, payloadBytes: number, bytes: number): void {
    const isRoom = lsn + bytes <= this.#limit || this.#isFree(lsn + bytes);
    assert(isRoom, 'room was asked for before a change was appended');
    const at = lsn % this.#ringBytes;
    const view = this.#view;
    // The last 8 bytes hold the padding, if there is any; what belongs to the payload is written over afterwards.
    if (kind !== RecordKind.PAD) view.setFloat64(at + bytes - 8, 0);
    view.setUint32(at, RECORD_MAGIC, true);
    view.setUint32(at + 4, RECORD_HEADER_BYTES + payloadBytes, true);
    putU64(view, at + 8, lsn);
    view.setUint32(at + 16, this.#tag, true);
    view.setUint32(at + 20, kind, true);
    view.setFloat64(at + 24, 0);
  }

  #end(lsn: number, payloadBytes: number): void {
    this.#publish(lsn + recordBytes(payloadBytes));
  }

  #publish(end: number): void {
    this.#appended = end;
    Atomics.store(this.#control, LogControl.APPENDED, BigInt(end));
  }

  #wakeThread(): void {
    this.#kicked = this.#appended;
    Atomics.add(this.#wake, WAKE_INT32, 1);
    Atomics.notify(this.#wake, WAKE_INT32, 1);
  }

  #read(slot: number): number {
    return Number(Atomics.load(this.#control, slot));
  }
}

assert(recordBytes(PAYLOAD_BYTES_MAX) <= LOG_RING_BYTES / 4, 'the largest record is small against the ring');
