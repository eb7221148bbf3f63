import type { ByteString } from '../base/bytes.js';
import { Cursor } from './cursor.js';
import type { Dentry, FileType } from './inode.js';

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

/** Dead places in the listing order that are tolerated before it is packed. */
const DEAD_PLACES_MIN = 64;

/**
 * The entries of one directory that are in memory, and those that wait to be written behind. When it is `complete` the
 * map holds every entry, in order of id: ids only rise, so a new entry belongs at the end, where a Map puts it.
 */
export class Directory {
  readonly ino: number;
  complete: boolean;
  usedAt = 0;
  /** Entries in the database, counted at the first query of an incomplete directory. */
  storedCount = -1;
  /** Point queries since then. */
  queries = 0;
  entries = new Map<ByteString, Entry>();
  /** Entries to be written. */
  readonly #dirty = new Set<Entry>();
  readonly #nextDirty = new Cursor(() => this.#dirty.values());
  /** Names whose row is still in the database and must go, with the row's id. */
  readonly #removed = new Map<ByteString, number>();
  readonly #nextRemoved = new Cursor(() => this.#removed.entries());
  /** All entries in order of id, dead ones among them; made by the first listing. */
  #order: Entry[] | undefined;
  #deadPlaces = 0;

  constructor(ino: number, complete: boolean) {
    this.ino = ino;
    this.complete = complete;
  }

  /** Rows that wait to be written behind. */
  get pending(): number {
    return this.#dirty.size + this.#removed.size;
  }

  /** Some entry was removed whose row is still in the database. */
  get hasRemoved(): boolean {
    return this.#removed.size > 0;
  }

  /** An entry of this name was removed, and its row is still in the database. */
  wasRemoved(name: ByteString): boolean {
    return this.#removed.has(name);
  }

  /** Takes the id of a row to delete. */
  takeRemoved(): number | undefined {
    const next = this.#nextRemoved.next();
    if (next === undefined) return undefined;
    this.#removed.delete(next[0]);
    return next[1];
  }

  /** Takes an entry to write. */
  takeDirty(): Entry | undefined {
    const entry = this.#nextDirty.next();
    if (entry !== undefined) this.#dirty.delete(entry);
    return entry;
  }

  /** Adds an entry whose id is above all others. */
  add(entry: Entry): void {
    this.entries.set(entry.name, entry);
    this.#order?.push(entry);
    this.#dirty.add(entry);
  }

  /** The entry was given another inode: its name, id and place stay. */
  changed(entry: Entry): void {
    if (this.entries.get(entry.name) !== entry) {
      this.entries.set(entry.name, entry);
      this.#order = undefined;
    }
    this.#dirty.add(entry);
  }

  remove(entry: Entry): void {
    this.entries.delete(entry.name);
    this.#dirty.delete(entry);
    if (entry.stored) this.#removed.set(entry.name, entry.id);
    entry.dead = true;
    if (this.#order === undefined) return;
    this.#deadPlaces += 1;
    if (this.#deadPlaces < DEAD_PLACES_MIN || this.#deadPlaces * 2 < this.#order.length) return;
    this.#order = this.#order.filter((place) => !place.dead);
    this.#deadPlaces = 0;
  }

  /** Makes it complete with the database's entries, which come in order of id. Changes in memory win over them. */
  completeWith(stored: Iterable<Entry>): void {
    const merged = new Map<ByteString, Entry>();
    for (const entry of stored) {
      if (this.#removed.get(entry.name) === entry.id) continue;
      merged.set(entry.name, this.entries.get(entry.name) ?? entry);
    }
    // What is not stored was added after everything that is, and Sets keep the order in which it came.
    for (const entry of this.#dirty) if (!entry.stored) merged.set(entry.name, entry);
    this.entries = merged;
    this.complete = true;
    this.#order = undefined;
  }

  /** Visits the entries with id > cookie in order of id until `visit` returns false. Only when complete. */
  visit(cookie: number, visit: (entry: Dentry) => boolean): void {
    if (this.#order === undefined) {
      this.#order = [...this.entries.values()];
      this.#deadPlaces = 0;
    }
    const order = this.#order;
    for (let i = firstAbove(order, cookie); i < order.length; i++) {
      const entry = order[i] as Entry;
      if (!entry.dead && !visit(entry)) return;
    }
  }
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
