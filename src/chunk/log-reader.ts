import { closeSync, openSync } from 'node:fs';
import { ERRNO, errnoName } from '../base/errno.js';
import { FsError } from '../base/errors.js';
import { pread } from '../base/libc.js';
import { LOG_SEGMENT_BYTES, MIB } from '../base/limits.js';
import { createMemory, instantiateKernels, type Kernels } from '../workers/wasm.js';
import {
  PAYLOAD_BYTES_MAX,
  RECORD_HEADER_BYTES,
  RECORD_MAGIC,
  RecordKind,
  WRITE_FIELDS_BYTES,
  recordBytes,
} from './log-format.js';
import { segmentPath, segmentStart } from './log-names.js';

export interface LogRecord {
  lsn: number;
  /** Where the next record begins. */
  endLsn: number;
  kind: RecordKind;
  /** A copy that the caller may keep; without the data of WRITE records when `fieldsOnly`. */
  payload: Uint8Array<ArrayBuffer>;
}

export interface ReadLogOptions {
  /** Where the first record begins. */
  fromLsn: number;
  /** Tag of the session that wrote it; the first record's is believed when this is absent. */
  tag?: number;
  segmentBytes?: number;
  /** Leave out the data of WRITE records: their payload is the 64 bytes of fields. The data is checked all the same. */
  fieldsOnly?: boolean;
}

/** How the log ends: where a new session goes on, and the tag of the last one (undefined: no record at all). */
export interface LogEnd {
  endLsn: number;
  tag: number | undefined;
}

/**
 * The good records from `fromLsn` on. The first bad one ends the log, which is no error: that is what a crash leaves.
 * PAD records are not shown.
 *
 * @throws FsError when a file cannot be read
 */
export function* readLog(directory: string, options: ReadLogOptions): Generator<LogRecord, LogEnd, undefined> {
  const window = new LogWindow(directory, options.segmentBytes ?? LOG_SEGMENT_BYTES);
  let { tag } = options;
  let lsn = options.fromLsn;
  let endLsn = lsn;
  // A session may have to begin with a PAD; its tag counts once the SESSION record behind it is seen.
  let paddedTag: number | undefined;
  try {
    for (;;) {
      const head = window.recordAt(lsn);
      if (head === undefined) break;
      tag ??= head.tag;
      const isSame = head.tag === tag && paddedTag === undefined;
      const isPad = head.kind === RecordKind.PAD;
      if (!isSame && isPad && paddedTag === undefined) paddedTag = head.tag;
      else if (!isSame && (head.kind !== RecordKind.SESSION || (paddedTag ?? head.tag) !== head.tag)) break;
      lsn += recordBytes(head.payloadBytes);
      if (isPad) {
        if (isSame) endLsn = lsn;
        continue;
      }
      paddedTag = undefined;
      tag = head.tag;
      endLsn = lsn;
      const isShort = options.fieldsOnly === true && head.kind === RecordKind.WRITE;
      const payload = window.payload(head, isShort ? WRITE_FIELDS_BYTES : head.payloadBytes);
      yield { lsn: head.lsn, endLsn, kind: head.kind, payload };
    }
  } finally {
    window.close();
  }
  return { endLsn, tag };
}

interface RecordHead {
  lsn: number;
  kind: RecordKind;
  tag: number;
  payloadBytes: number;
}

/** Bytes of the log that are read at once; more than the largest record. */
const WINDOW_BYTES = 2 * recordBytes(PAYLOAD_BYTES_MAX);
/** Where the window begins in its memory: above what the kernels have for themselves. */
const WINDOW_OFFSET = MIB;

/** A part of the log in memory where the kernels can check it. */
class LogWindow {
  readonly #directory: string;
  readonly #segmentBytes: number;
  readonly #kernels: Kernels;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  /** LSN of the window's first byte, and how many there are. */
  #from = 0;
  #length = 0;
  #fd = -1;
  #fdStart = -1;

  constructor(directory: string, segmentBytes: number) {
    const memory = createMemory(WINDOW_BYTES);
    this.#directory = directory;
    this.#segmentBytes = segmentBytes;
    this.#kernels = instantiateKernels(memory);
    this.#bytes = new Uint8Array(memory.buffer, WINDOW_OFFSET, WINDOW_BYTES);
    this.#view = new DataView(memory.buffer, WINDOW_OFFSET, WINDOW_BYTES);
  }

  /** The record at `lsn`, or undefined when there is no good one. */
  recordAt(lsn: number): RecordHead | undefined {
    if (!this.#has(lsn, RECORD_HEADER_BYTES)) return undefined;
    const at = lsn - this.#from;
    const view = this.#view;
    const length = view.getUint32(at + 4, true);
    if (view.getUint32(at, true) !== RECORD_MAGIC) return undefined;
    if (view.getUint32(at + 8, true) + view.getUint32(at + 12, true) * 2 ** 32 !== lsn) return undefined;
    const payloadBytes = length - RECORD_HEADER_BYTES;
    const kind = view.getUint32(at + 20, true) as RecordKind;
    const left = this.#segmentBytes - (lsn % this.#segmentBytes);
    if (payloadBytes < 0 || recordBytes(payloadBytes) > left) return undefined;
    const head = { lsn, kind, tag: view.getUint32(at + 16, true), payloadBytes };
    return this.#isWhole(head) ? head : undefined;
  }

  payload(head: RecordHead, bytes: number): Uint8Array<ArrayBuffer> {
    const at = head.lsn - this.#from + RECORD_HEADER_BYTES;
    const copy = new Uint8Array(bytes);
    copy.set(this.#bytes.subarray(at, at + bytes));
    return copy;
  }

  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
  }

  #isWhole({ lsn, kind, payloadBytes }: RecordHead): boolean {
    const stored = this.#view.getUint32(lsn - this.#from + 24, true);
    const covered = kind === RecordKind.PAD ? 0 : payloadBytes;
    if (covered > PAYLOAD_BYTES_MAX || !this.#has(lsn, RECORD_HEADER_BYTES + covered)) return false;
    const at = WINDOW_OFFSET + lsn - this.#from;
    const crc = this.#kernels.crc32c(at, 24, 0);
    return this.#kernels.crc32c(at + RECORD_HEADER_BYTES, covered, crc) === stored;
  }

  /** Makes the window hold `bytes` bytes at `lsn`; false when the log's files do not have them. */
  #has(lsn: number, bytes: number): boolean {
    if (lsn >= this.#from && lsn + bytes <= this.#from + this.#length) return true;
    this.#from = lsn;
    this.#length = 0;
    if (!this.#open(segmentStart(lsn, this.#segmentBytes))) return false;
    const offset = lsn % this.#segmentBytes;
    const wanted = Math.min(WINDOW_BYTES, this.#segmentBytes - offset);
    while (this.#length < wanted) {
      const got = pread(this.#fd, this.#bytes, this.#length, wanted - this.#length, offset + this.#length);
      if (got === -ERRNO.EINTR) continue;
      if (got < 0) throw new FsError(errnoName(-got), { syscall: 'pread', path: this.#directory });
      if (got === 0) break;
      this.#length += got;
    }
    return bytes <= this.#length;
  }

  #open(start: number): boolean {
    if (this.#fdStart === start && this.#fd >= 0) return true;
    this.close();
    const path = segmentPath(this.#directory, start);
    try {
      this.#fd = openSync(path, 'r');
    } catch (error) {
      const { code, syscall } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT') return false;
      throw new FsError(code === 'EACCES' ? code : 'EIO', { syscall: syscall ?? 'open', path, cause: error });
    }
    this.#fdStart = start;
    return true;
  }
}
