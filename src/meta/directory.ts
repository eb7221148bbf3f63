import type { ByteString } from '../base/bytes.js';
import type { Dentry, FileType } from './inode.js';
import { PendingRows } from './pending-rows.js';

/** A directory entry in memory. */
export class Entry implements Dentry {
  readonly id: number;
  readonly name: ByteString;
  ino: number;
  type: FileType;
  /** The database has a row with this id. */
  stored: boolean;
  /** Removed, but still a place in somebody's listing order. */
  dead = false;

  constructor(id: number, name: ByteString, ino: number, type: FileType, stored: boolean) {
    this.id = id;
    this.name = name;
    this.ino = ino;
    this.type = type;
    this.stored = stored;
  }
}

const NO_ENTRIES: Entry[] = [];

/** Dead places in the listing order that are tolerated before it is packed. */
const DEAD_PLACES_MIN = 64;

/**
 * The entries of one directory that are in memory, and those that wait to be written behind. `complete`: the map holds
 * every entry. Loading goes in pieces, in order of id, so that a listing can go on with what there is: ids only rise, so
 * what is made meanwhile belongs after everything that is stored.
 */
export class Directory {
  readonly ino: number;
  complete: boolean;
  usedAt = 0;
  /** Entries in the database, counted at the first query of an incomplete directory. */
  storedCount = -1;
  /** Point queries since then. */
  queries = 0;
  readonly entries = new Map<ByteString, Entry>();
  /** Made when something changes and gone when it is written: most directories rest. */
  #rows: PendingRows | undefined;
  /** Entries in order of id, dead ones among them: those that are loaded, in the end all. Made by the first listing. */
  #order: Entry[] | undefined;
  #deadPlaces = 0;
  /** While it is being loaded: ids of all rows in the database, and how many of them were taken. */
  #ids: Float64Array | undefined;
  #idsTaken = 0;
  /** While it is being loaded: entries that follow all that are stored. */
  #tail: Entry[] = NO_ENTRIES;

  constructor(ino: number, complete: boolean) {
    this.ino = ino;
    this.complete = complete;
  }

  /** Rows that wait to be written behind. */
  get pending(): number {
    return this.#rows === undefined ? 0 : this.#rows.size;
  }

  get isLoading(): boolean {
    return this.#ids !== undefined;
  }

  /** Some entry was removed whose row is still in the database. */
  get hasRemoved(): boolean {
    return this.#rows !== undefined && this.#rows.removed.size > 0;
  }

  /** An entry of this name was removed, and its row is still in the database. */
  wasRemoved(name: ByteString): boolean {
    return this.#rows !== undefined && this.#rows.removed.has(name);
  }

  /** What waits to be written, for the writer to take. */
  get rows(): PendingRows | undefined {
    return this.#rows;
  }

  /** Rows were taken. */
  rowsTaken(): void {
    if (this.pending === 0) this.#rows = undefined;
  }

  /** Adds an entry whose id is above all others. */
  add(entry: Entry): void {
    this.entries.set(entry.name, entry);
    if (this.isLoading) this.#tail.push(entry);
    else this.#order?.push(entry);
    (this.#rows ??= new PendingRows()).dirty.add(entry);
  }

  /** The entry was given another inode: its name, id and place stay. */
  changed(entry: Entry): void {
    const known = this.entries.get(entry.name);
    (this.#rows ??= new PendingRows()).dirty.add(entry);
    if (known === entry) return;
    this.entries.set(entry.name, entry);
    if (known === undefined || this.#order === undefined) return;
    const place = firstAbove(this.#order, known.id) - 1;
    if (this.#order[place] === known) this.#order[place] = entry;
  }

  remove(entry: Entry): void {
    const known = this.entries.get(entry.name) ?? entry;
    this.entries.delete(entry.name);
    this.#rows?.dirty.delete(known);
    if (known.stored) (this.#rows ??= new PendingRows()).removed.set(known.name, known.id);
    known.dead = true;
    if (this.#order === undefined) return;
    this.#deadPlaces += 1;
    if (this.#deadPlaces < DEAD_PLACES_MIN || this.#deadPlaces * 2 < this.#order.length) return;
    this.#order = this.#order.filter((place) => !place.dead);
    this.#deadPlaces = 0;
  }

  /** Begins to load: `ids` are those of all rows in the database, ascending. */
  beginLoading(ids: Float64Array): void {
    this.#ids = ids;
    this.#idsTaken = 0;
    this.#order = [];
    this.#deadPlaces = 0;
    this.#tail = [...(this.#rows?.dirty ?? [])].filter((entry) => !entry.stored).toSorted(byId);
  }

  /** The ids of the rows to load next; `loaded` takes those that are still there. */
  takeIds(count: number): Float64Array {
    const ids = this.#ids ?? new Float64Array(0);
    const first = this.#idsTaken;
    this.#idsTaken = Math.min(first + count, ids.length);
    return ids.subarray(first, this.#idsTaken);
  }

  /** Adds rows in order of id. What is known in memory wins over them. */
  loaded(rows: readonly Entry[]): void {
    const order = (this.#order ??= []);
    for (const stored of rows) {
      if (this.#rows?.removed.get(stored.name) === stored.id) continue;
      const entry = this.entries.get(stored.name) ?? stored;
      if (entry === stored) this.entries.set(stored.name, stored);
      order.push(entry);
    }
    if (this.#ids === undefined || this.#idsTaken < this.#ids.length) return;
    for (const entry of this.#tail) if (!entry.dead) order.push(entry);
    this.#ids = undefined;
    this.#tail = NO_ENTRIES;
    this.complete = true;
  }

  /**
   * Visits the entries with id > cookie in order of id until `visit` returns false. `more` loads further, when it is not
   * complete.
   */
  visit(cookie: number, visit: (entry: Dentry) => boolean, more: () => void): void {
    this.#order ??= this.complete ? [...this.entries.values()].toSorted(byId) : undefined;
    let at = firstAbove(this.#order ?? [], cookie);
    for (;;) {
      const order = this.#order ?? [];
      for (; at < order.length; at++) {
        const entry = order[at] as Entry;
        if (!entry.dead && entry.id > cookie && !visit(entry)) return;
      }
      if (this.complete) return;
      more();
    }
  }
}

function byId(a: Entry, b: Entry): number {
  return a.id - b.id;
}

/** Index of the first entry with id > cookie. */
function firstAbove(order: readonly Entry[], cookie: number): number {
  let low = 0;
  let high = order.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((order[middle] as Entry).id > cookie) high = middle;
    else low = middle + 1;
  }
  return low;
}
