import { FsError } from '../base/errors.js';
import { decodeSlices, encodeSlices, type SliceRecord } from './slice-record.js';

/** Called for each piece of a range, in order; `id` 0 is a hole (zeros). */
export type PieceVisitor = (pos: number, len: number, id: number, size: number, off: number) => void;

/**
 * What each byte of a chunk is: pieces of slices, sorted by position, not overlapping, with holes between them. A record
 * that is laid over earlier ones cuts them; contiguous pieces of one slice become one. `size` is 0 for a pack that is not
 * sealed yet: its size is not known before.
 */
export class ChunkMap {
  #pieces: SliceRecord[] = [];
  /** Differs from what the database has. */
  dirty = false;

  /** From a `jfs_chunk.slices` list, oldest record first. @throws FsError EIO when it is no such list */
  static decode(blob: Uint8Array): ChunkMap {
    const map = new ChunkMap();
    let records: SliceRecord[];
    try {
      records = decodeSlices(blob);
    } catch (cause) {
      throw new FsError('EIO', { message: 'a list of slices is damaged', cause });
    }
    for (const { pos, len, id, size, off } of records) {
      if (id === 0) map.zero(pos, len);
      else map.overlay(pos, len, id, size, off);
    }
    map.dirty = false;
    return map;
  }

  /** As a list of records without overlaps and without zeros. */
  encode(): Uint8Array {
    return encodeSlices(this.#pieces);
  }

  /** Pieces, holes not counted. */
  get count(): number {
    return this.#pieces.length;
  }

  get isEmpty(): boolean {
    return this.#pieces.length === 0;
  }

  /** [pos, pos + len) is from now on `len` bytes at `off` of the slice. */
  overlay(pos: number, len: number, id: number, size: number, off: number): void {
    this.dirty = true;
    const pieces = this.#pieces;
    const last = pieces.at(-1);
    // Writing in sequence: the piece at the end grows.
    if (last !== undefined && last.pos + last.len === pos && continues(last, id, off)) {
      last.len += len;
      return;
    }
    if (last === undefined || last.pos + last.len <= pos) {
      pieces.push({ pos, id, size, off, len });
      return;
    }
    const at = this.#cut(pos, pos + len);
    const before = pieces[at - 1];
    const after = pieces[at];
    if (before !== undefined && before.pos + before.len === pos && continues(before, id, off)) {
      before.len += len;
      if (after !== undefined && after.pos === pos + len && continues(before, after.id, after.off)) {
        before.len += after.len;
        pieces.splice(at, 1);
      }
      return;
    }
    pieces.splice(at, 0, { pos, id, size, off, len });
  }

  /** [pos, pos + len) is a hole from now on. */
  zero(pos: number, len: number): void {
    this.dirty = true;
    if (len > 0) this.#cut(pos, pos + len);
  }

  visit(pos: number, len: number, visit: PieceVisitor): void {
    const end = pos + len;
    let at = pos;
    for (let i = this.#firstEndingAfter(pos); i < this.#pieces.length && at < end; i++) {
      const piece = this.#pieces[i]!;
      if (piece.pos >= end) break;
      if (piece.pos > at) visit(at, piece.pos - at, 0, 0, 0);
      const from = Math.max(at, piece.pos);
      const to = Math.min(end, piece.pos + piece.len);
      visit(from, to - from, piece.id, piece.size, piece.off + (from - piece.pos));
      at = to;
    }
    if (at < end) visit(at, end - at, 0, 0, 0);
  }

  /** First position >= pos with data, or undefined. */
  dataFrom(pos: number): number | undefined {
    const piece = this.#pieces[this.#firstEndingAfter(pos)];
    return piece === undefined ? undefined : Math.max(pos, piece.pos);
  }

  /** First position >= pos in a hole; it may be the end of the chunk or beyond. */
  holeFrom(pos: number): number {
    let at = pos;
    for (let i = this.#firstEndingAfter(pos); i < this.#pieces.length; i++) {
      const piece = this.#pieces[i]!;
      if (piece.pos > at) break;
      at = piece.pos + piece.len;
    }
    return at;
  }

  /** Takes [from, to) out of what is there; answers the index at which a piece for it would be inserted. */
  #cut(from: number, to: number): number {
    const pieces = this.#pieces;
    let at = this.#firstEndingAfter(from);
    const first = pieces[at];
    if (first === undefined || first.pos >= to) return at;
    if (first.pos < from) {
      const firstEnd = first.pos + first.len;
      first.len = from - first.pos;
      at += 1;
      if (firstEnd > to) {
        pieces.splice(at, 0, { ...first, pos: to, off: first.off + (to - first.pos), len: firstEnd - to });
        return at;
      }
    }
    let end = at;
    while (end < pieces.length && pieces[end]!.pos + pieces[end]!.len <= to) end++;
    const tail = pieces[end];
    if (tail !== undefined && tail.pos < to) {
      const cut = to - tail.pos;
      tail.pos += cut;
      tail.off += cut;
      tail.len -= cut;
    }
    if (end > at) pieces.splice(at, end - at);
    return at;
  }

  /** Index of the first piece that ends after `pos`. */
  #firstEndingAfter(pos: number): number {
    let low = 0;
    let high = this.#pieces.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const piece = this.#pieces[middle]!;
      if (piece.pos + piece.len > pos) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

function continues(piece: SliceRecord, id: number, off: number): boolean {
  return piece.id === id && piece.off + piece.len === off;
}
