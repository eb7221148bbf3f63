import type { ByteString } from '../base/bytes.js';
import { Cursor } from './cursor.js';
import type { Entry } from './directory.js';

/** What of one directory waits to be written behind. */
export class PendingRows {
  /** Entries to be written. */
  readonly dirty = new Set<Entry>();
  /** Names whose row is still in the database and must go, with the row's id. */
  readonly removed = new Map<ByteString, number>();
  readonly #nextDirty = new Cursor(() => this.dirty.values());
  readonly #nextRemoved = new Cursor(() => this.removed.entries());

  get size(): number {
    return this.dirty.size + this.removed.size;
  }

  /** Takes the id of a row to delete. */
  takeRemoved(): number | undefined {
    const next = this.#nextRemoved.next();
    if (next === undefined) return undefined;
    this.removed.delete(next[0]);
    return next[1];
  }

  /** Takes an entry to write. */
  takeDirty(): Entry | undefined {
    const entry = this.#nextDirty.next();
    if (entry !== undefined) this.dirty.delete(entry);
    return entry;
  }
}
