/** Payloads of the log's records as values; `log-format.ts` says what they look like. */
import { assert } from '../base/assert.js';
import { VolumeError } from '../base/errors.js';
import { WRITE_FIELDS_BYTES } from './log-format.js';

/** What a WRITE record says besides its data. */
export interface WriteFields {
  ino: number;
  /** Chunk index, and position in the chunk. */
  indx: number;
  pos: number;
  /** Slice id of the pack, and where in it the data lies. */
  pack: number;
  off: number;
  /** Bytes of the file afterwards. */
  length: number;
  /** mtime and ctime afterwards. */
  sec: number;
  nsec: number;
}

export interface SealFields {
  pack: number;
  sizeBytes: number;
}

export interface UploadedFields extends SealFields {
  /** CRC-32C of each granule. */
  crcs: Uint32Array;
}

export const SEAL_BYTES = 12;
const UPLOADED_HEAD_BYTES = 16;

export function uploadedBytes(granules: number): number {
  return UPLOADED_HEAD_BYTES + 4 * granules;
}

export function putU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value >>> 0, true);
  view.setUint32(at + 4, Math.floor(value / 2 ** 32) >>> 0, true);
}

/** @throws VolumeError `corrupt` beyond 2^53 - 1 */
export function getU64(view: DataView, at: number): number {
  const value = view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
  if (!Number.isSafeInteger(value)) throw new VolumeError('corrupt', 'a number in the local log is out of range');
  return value;
}

function viewOf(payload: Uint8Array): DataView {
  return new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
}

export function encodeWrite(view: DataView, at: number, fields: WriteFields, len: number): void {
  putU64(view, at, fields.ino);
  view.setUint32(at + 8, fields.indx, true);
  view.setUint32(at + 12, fields.pos, true);
  putU64(view, at + 16, fields.pack);
  view.setUint32(at + 24, fields.off, true);
  view.setUint32(at + 28, len, true);
  putU64(view, at + 32, fields.length);
  putU64(view, at + 40, fields.sec);
  view.setUint32(at + 48, fields.nsec, true);
  view.setUint32(at + 52, 0, true);
  view.setFloat64(at + 56, 0);
}

/** `len` is the number of bytes of data that follow the fields. */
export function decodeWrite(payload: Uint8Array): WriteFields & { len: number } {
  assert(payload.length >= WRITE_FIELDS_BYTES, 'a WRITE record has all its fields');
  const view = viewOf(payload);
  return {
    ino: getU64(view, 0),
    indx: view.getUint32(8, true),
    pos: view.getUint32(12, true),
    pack: getU64(view, 16),
    off: view.getUint32(24, true),
    len: view.getUint32(28, true),
    length: getU64(view, 32),
    sec: view.getInt32(44, true) * 2 ** 32 + view.getUint32(40, true),
    nsec: view.getUint32(48, true),
  };
}

export function encodeSeal(view: DataView, at: number, pack: number, sizeBytes: number): void {
  putU64(view, at, pack);
  view.setUint32(at + 8, sizeBytes, true);
}

export function decodeSeal(payload: Uint8Array): SealFields {
  assert(payload.length >= SEAL_BYTES, 'a SEAL record has all its fields');
  const view = viewOf(payload);
  return { pack: getU64(view, 0), sizeBytes: view.getUint32(8, true) };
}

export function encodeUploaded(view: DataView, at: number, pack: number, sizeBytes: number, crcs: Uint32Array): void {
  encodeSeal(view, at, pack, sizeBytes);
  view.setUint32(at + 12, crcs.length, true);
  for (let i = 0; i < crcs.length; i++) view.setUint32(at + UPLOADED_HEAD_BYTES + 4 * i, crcs[i]!, true);
}

export function decodeUploaded(payload: Uint8Array): UploadedFields {
  assert(payload.length >= UPLOADED_HEAD_BYTES, 'an UPLOADED record has all its fields');
  const view = viewOf(payload);
  const count = view.getUint32(12, true);
  assert(payload.length >= uploadedBytes(count), 'an UPLOADED record has all its checksums');
  const crcs = new Uint32Array(count);
  for (let i = 0; i < count; i++) crcs[i] = view.getUint32(UPLOADED_HEAD_BYTES + 4 * i, true);
  return { ...decodeSeal(payload), crcs };
}

/** Payload of a SESSION or COMMIT record. */
export function decodeJson<T>(payload: Uint8Array): T {
  return JSON.parse(Buffer.from(payload).toString('utf8')) as T;
}
