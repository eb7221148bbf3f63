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
  /** The newest record as numbers: most chunks of most logs have one, and never need the list. */
  #pos = 0;
  #id = 0;
  #size = 0;
  #off = 0;
  #len = 0;
  /** The records before the newest one. */
  #list: Uint8Array | undefined;
  #view: DataView | undefined;
  #count = 0;
  /** The stored list is already in it. */
  whole = false;
  /** Nothing is stored for this chunk. */
  fresh = false;
  /** Collapse beyond this many records. */
  collapseAt = 4096;

  get count(): number {
    return this.#count;
  }

  /** All records; a copy. */
  bytes(): Uint8Array {
    const bytes = new Uint8Array(this.#count * SLICE_RECORD_BYTES);
    if (this.#count === 0) return bytes;
    const last = bytes.length - SLICE_RECORD_BYTES;
    if (this.#list !== undefined) bytes.set(this.#list.subarray(0, last));
    putRecord(new DataView(bytes.buffer), last, this.#pos, this.#id, this.#size, this.#off, this.#len);
    return bytes;
  }

  append(pos: number, id: number, size: number, off: number, len: number): void {
    // A stream of writes is one record: each goes on in file and pack where the one before ended.
    const goesOn = id !== 0 && id === this.#id && pos === this.#pos + this.#len && off === this.#off + this.#len;
    if (goesOn && this.#count > 0) {
      this.#len += len;
      return;
    }
    if (this.#count > 0) this.#push();
    this.#count++;
    this.#pos = pos;
    this.#id = id;
    this.#size = size;
    this.#off = off;
    this.#len = len;
  }

  /** Puts the resolved list in the place of all records. */
  replace(resolved: Uint8Array): void {
    this.#list = undefined;
    this.#count = 0;
    const view = new DataView(resolved.buffer, resolved.byteOffset, resolved.byteLength);
    for (let at = 0; at < resolved.length; at += SLICE_RECORD_BYTES) {
      const [pos, size] = [view.getUint32(at), view.getUint32(at + 12)];
      this.append(pos, recordId(view, at), size, view.getUint32(at + 16), view.getUint32(at + 20));
    }
    this.whole = true;
    this.collapseAt = Math.max(4096, this.#count * 2);
  }

  hasAnyOf(ids: ReadonlyMap<number, unknown>): boolean {
    if (ids.has(this.#id)) return true;
    for (let i = 0; i < this.#count - 1; i++) {
      if (ids.has(recordId(this.#view as DataView, i * SLICE_RECORD_BYTES))) return true;
    }
    return false;
  }

  #push(): void {
    const at = (this.#count - 1) * SLICE_RECORD_BYTES;
    if (this.#list === undefined || at === this.#list.length) {
      const grown = new Uint8Array(Math.max(4 * SLICE_RECORD_BYTES, at * 2));
      if (this.#list !== undefined) grown.set(this.#list);
      this.#list = grown;
      this.#view = new DataView(grown.buffer);
    }
    putRecord(this.#view as DataView, at, this.#pos, this.#id, this.#size, this.#off, this.#len);
  }
}

function putRecord(view: DataView, at: number, pos: number, id: number, size: number, off: number, len: number): void {
  view.setUint32(at, pos);
  view.setUint32(at + 4, Math.floor(id / 2 ** 32));
  view.setUint32(at + 8, id >>> 0);
  view.setUint32(at + 12, size);
  view.setUint32(at + 16, off);
  view.setUint32(at + 20, len);
}

/** Whether the first record is data, not zeros. */
export function isData(records: Uint8Array): boolean {
  return recordId(new DataView(records.buffer, records.byteOffset, records.byteLength), 0) !== 0;
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
