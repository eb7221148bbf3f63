import type { ByteString } from '../../base/bytes.js';
import { FsError } from '../../base/errors.js';
import type { ErrnoCode } from '../../base/errno.js';
import { NAME_BYTES_MAX } from '../../base/limits.js';
import { inHeader, minBodyBytes } from './structs.js';

/** Upper half of the largest u64 that a number holds exactly. */
const HIGH_MAX = 0x1fffff;
const TWO_32 = 2 ** 32;
const SLASH = 47;
const DOT = 46;

/** What {@link Request.load} found. `too-short`: not even a header to answer. */
export type LoadResult = 'ok' | 'too-short' | 'malformed';

/**
 * One request in its buffer. The fields of the header are properties; those of the opcode's structure are read by their
 * offsets in it (`structs.ts`). There is one for a session, loaded again and again, so that nothing is allocated.
 */
export class Request {
  readonly bytes: Buffer;
  readonly #view: DataView;
  /** Bytes of the request. */
  length = 0;
  opcode = 0;
  /** The two halves of the unique id, for the reply; `unique` itself is -1 when a number cannot hold it. */
  uniqueLow = 0;
  uniqueHigh = 0;
  unique = 0;
  nodeid = 0;
  uid = 0;
  gid = 0;
  pid = 0;
  /** Where the next name starts. */
  #nameAt = 0;

  constructor(bytesMax: number) {
    this.bytes = Buffer.alloc(bytesMax);
    this.#view = new DataView(this.bytes.buffer, this.bytes.byteOffset, bytesMax);
  }

  /** Takes the first `length` bytes of the buffer as a request. */
  load(length: number): LoadResult {
    const view = this.#view;
    if (length < inHeader.nodeid || length > this.bytes.length) return 'too-short';
    this.length = length;
    this.opcode = view.getUint32(inHeader.opcode, true);
    this.uniqueLow = view.getUint32(inHeader.unique, true);
    this.uniqueHigh = view.getUint32(inHeader.unique + 4, true);
    this.unique = this.uniqueHigh > HIGH_MAX ? -1 : this.uniqueHigh * TWO_32 + this.uniqueLow;
    if (length < inHeader.bytes || view.getUint32(inHeader.len, true) !== length) return 'malformed';
    const high = view.getUint32(inHeader.nodeid + 4, true);
    if (high > HIGH_MAX || this.unique < 0) return 'malformed';
    this.nodeid = high * TWO_32 + view.getUint32(inHeader.nodeid, true);
    this.uid = view.getUint32(inHeader.uid, true);
    this.gid = view.getUint32(inHeader.gid, true);
    this.pid = view.getUint32(inHeader.pid, true);
    return length - inHeader.bytes < minBodyBytes(this.opcode) ? 'malformed' : 'ok';
  }

  get bodyBytes(): number {
    return this.length - inHeader.bytes;
  }

  u32(field: number): number {
    return this.#view.getUint32(inHeader.bytes + field, true);
  }

  /** @throws FsError `tooBig` for a value that a number cannot hold exactly */
  u64(field: number, tooBig: ErrnoCode = 'EINVAL'): number {
    const at = inHeader.bytes + field;
    const high = this.#view.getUint32(at + 4, true);
    if (high > HIGH_MAX) throw new FsError(tooBig, { message: 'a 64-bit value beyond 2^53' });
    return high * TWO_32 + this.#view.getUint32(at, true);
  }

  /** A signed 64-bit value (seconds). */
  i64(field: number): number {
    const at = inHeader.bytes + field;
    const value = this.#view.getInt32(at + 4, true) * TWO_32 + this.#view.getUint32(at, true);
    if (!Number.isSafeInteger(value)) throw new FsError('EINVAL', { message: 'a 64-bit value beyond 2^53' });
    return value;
  }

  /** The name that starts at `field`, without its NUL; `nextName` goes on behind it. */
  name(field: number): ByteString {
    this.#nameAt = inHeader.bytes + field;
    return this.nextName();
  }

  /** @throws FsError EINVAL: no NUL, empty, `.`, `..` or with a slash; ENAMETOOLONG */
  nextName(): ByteString {
    const { bytes, length } = this;
    const from = this.#nameAt;
    let end = from;
    while (end < length && bytes[end] !== 0) {
      if (bytes[end] === SLASH) throw new FsError('EINVAL', { message: 'a name with a slash' });
      end++;
    }
    if (end >= length || end === from) throw new FsError('EINVAL', { message: 'a name without an end' });
    if (end - from > NAME_BYTES_MAX) throw new FsError('ENAMETOOLONG');
    if (bytes[from] === DOT && (end === from + 1 || (end === from + 2 && bytes[from + 1] === DOT))) {
      throw new FsError('EINVAL', { message: 'a name of dots' });
    }
    this.#nameAt = end + 1;
    return bytes.toString('latin1', from, end);
  }

  /** An attribute's name at `field`: like a file's, but slashes and dots are ordinary in it. */
  xattrName(field: number): ByteString {
    const from = inHeader.bytes + field;
    const end = this.bytes.indexOf(0, from);
    if (end < 0 || end >= this.length || end === from)
      throw new FsError('EINVAL', { message: 'a name without an end' });
    this.#nameAt = end + 1;
    return this.bytes.toString('latin1', from, end);
  }

  /** A copy of the bytes from behind the last name up to their NUL: the target of a symbolic link. */
  textAfterName(): Uint8Array {
    const end = this.bytes.indexOf(0, this.#nameAt);
    if (end < 0 || end >= this.length || end === this.#nameAt)
      throw new FsError('EINVAL', { message: 'a text without an end' });
    return new Uint8Array(this.bytes.subarray(this.#nameAt, end));
  }

  /** A copy of exactly `size` bytes from behind the last name. */
  dataAfterName(size: number): Uint8Array {
    if (this.length - this.#nameAt < size) throw new FsError('EINVAL', { message: 'less data than announced' });
    return new Uint8Array(this.bytes.subarray(this.#nameAt, this.#nameAt + size));
  }

  /** The buffer's own bytes (no copy) from `field` on. */
  data(field: number, size: number): Uint8Array {
    const from = inHeader.bytes + field;
    if (this.length - from < size) throw new FsError('EINVAL', { message: 'less data than announced' });
    return this.bytes.subarray(from, from + size);
  }
}
