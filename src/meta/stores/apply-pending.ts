import type { ByteString } from '../../base/bytes.js';
import type { FileType, NodeRow } from '../inode.js';

/** Bytes of a slice record as it is stored: pos u32, id u64, size u32, off u32, len u32, big endian. */
export const SLICE_RECORD_BYTES = 24;

/**
 * Slice records, oldest first, as the visible segments in the same form: sorted, non-overlapping, without zeros. The
 * kernel of `workers/` or its twin, `ChunkMap`.
 */
export type Overlay = (records: Uint8Array) => Uint8Array;

/** What the log said about an inode since the last flush: final states only. */
export interface PendingInode {
  node: NodeRow | undefined;
  /** Length and times of the last write, when the row itself was not in the log. */
  written: { length: number; sec: number; nsec: number } | undefined;
  /** The inode was deleted (and perhaps put again): its rows in the database go before anything is written. */
  wiped: boolean;
  target: Uint8Array | undefined;
  /** null: deleted. */
  xattrs: Map<ByteString, Uint8Array | null> | undefined;
  chunks: Map<number, PendingChunk> | undefined;
}

/** An entry that was put; `null` in its place: deleted. */
export interface PendingEdge {
  id: number;
  ino: number;
  type: FileType;
}

/** Records on top of a chunk's stored list, or the whole list once it was collapsed. */
export class PendingChunk {
  #bytes = new Uint8Array(2 * SLICE_RECORD_BYTES);
  #view = new DataView(this.#bytes.buffer);
  count = 0;
  /** The stored list is already in it. */
  whole = false;
  /** Collapse beyond this many records. */
  collapseAt = 4096;

  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.count * SLICE_RECORD_BYTES);
  }

  append(pos: number, id: number, size: number, off: number, len: number): void {
    if (this.#extendLast(pos, id, off, len)) return;
    const at = this.count * SLICE_RECORD_BYTES;
    if (at === this.#bytes.length) this.#resize(at * 2);
    const view = this.#view;
    view.setUint32(at, pos);
    view.setUint32(at + 4, Math.floor(id / 2 ** 32));
    view.setUint32(at + 8, id >>> 0);
    view.setUint32(at + 12, size);
    view.setUint32(at + 16, off);
    view.setUint32(at + 20, len);
    this.count++;
  }

  /** Puts the resolved list in the place of all records. */
  replace(resolved: Uint8Array): void {
    this.count = resolved.length / SLICE_RECORD_BYTES;
    this.#resize(Math.max(resolved.length, SLICE_RECORD_BYTES));
    this.#bytes.set(resolved);
    this.whole = true;
    this.collapseAt = Math.max(4096, this.count * 2);
  }

  /** A stream of writes is one record: each goes on in file and pack where the one before ended. */
  #extendLast(pos: number, id: number, off: number, len: number): boolean {
    if (this.count === 0 || id === 0) return false;
    const at = (this.count - 1) * SLICE_RECORD_BYTES;
    const view = this.#view;
    const lastLen = view.getUint32(at + 20);
    if (view.getUint32(at) + lastLen !== pos || view.getUint32(at + 16) + lastLen !== off) return false;
    if (recordId(view, at) !== id) return false;
    view.setUint32(at + 20, lastLen + len);
    return true;
  }

  #resize(bytes: number): void {
    const grown = new Uint8Array(bytes);
    grown.set(this.#bytes.subarray(0, Math.min(bytes, this.#bytes.length)));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}

/** The slice id of the record at `at`. */
export function recordId(view: DataView, at: number): number {
  return view.getUint32(at + 4) * 2 ** 32 + view.getUint32(at + 8);
}

/** Calls back with slice id and size of each record that is not zeros, and the record's position in the list. */
export function eachSlice(records: Uint8Array, visit: (id: number, size: number, at: number) => void): void {
  const view = new DataView(records.buffer, records.byteOffset, records.byteLength);
  for (let at = 0; at + SLICE_RECORD_BYTES <= records.length; at += SLICE_RECORD_BYTES) {
    const id = recordId(view, at);
    if (id !== 0) visit(id, view.getUint32(at + 12), at);
  }
}
