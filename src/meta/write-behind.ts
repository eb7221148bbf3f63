import type { Clock } from '../base/clock.js';
import type { Inode } from './cached-inode.js';
import { Cursor } from './cursor.js';
import type { Directory } from './directory.js';
import type { OwnerStore } from './stores/owner-store.js';

/** Rows that are written between two looks at the clock. */
const ROWS_PER_LOOK = 16;
/** Pieces of a chunk's map that cost as much as a row. */
const PIECES_PER_ROW = 64;
/** Rows that a change writes itself when too many wait: more than it adds, so the number falls. */
const ROWS_PER_CHANGE = 12;

/** What is changed in memory and not yet in the database, in the order in which it became so. */
export class WriteBehind {
  readonly #store: OwnerStore;
  readonly #clock: Clock;
  readonly #limit: number;
  readonly #onBuried: (ino: number) => void;
  readonly #inodes = new Set<Inode>();
  readonly #directories = new Set<Directory>();
  readonly #dead = new Set<Inode>();
  readonly #nextInode = new Cursor(() => this.#inodes.values());
  readonly #nextDirectory = new Cursor(() => this.#directories.values());
  readonly #nextDead = new Cursor(() => this.#dead.values());
  #entryRows = 0;

  constructor(store: OwnerStore, options: { clock: Clock; limit: number; onBuried: (ino: number) => void }) {
    this.#store = store;
    this.#clock = options.clock;
    this.#limit = options.limit;
    this.#onBuried = options.onBuried;
  }

  /** Rows that wait, without chunks and xattrs. */
  get rows(): number {
    return this.#inodes.size + this.#dead.size + this.#entryRows;
  }

  inodeChanged(inode: Inode): void {
    if (inode.dirty) return;
    inode.dirty = true;
    this.#inodes.add(inode);
  }

  /** A directory's entries changed; `before` was its number of pending rows. */
  entriesChanged(directory: Directory, before: number): void {
    this.#entryRows += directory.pending - before;
    if (directory.pending > 0) this.#directories.add(directory);
    else this.#directories.delete(directory);
  }

  /** All rows of the inode must go. What the directory it may be still owed the database stays owed. */
  inodeDied(inode: Inode): void {
    if (inode.dirty) {
      inode.dirty = false;
      this.#inodes.delete(inode);
    }
    if (inode.stored) this.#dead.add(inode);
  }

  /** Writes for at most `budgetMs`; true when there is more. */
  run(budgetMs: number): boolean {
    const end = this.#clock.monotonicMs() + budgetMs;
    while (this.rows > 0) {
      this.#write(ROWS_PER_LOOK);
      if (this.rows > 0 && this.#clock.monotonicMs() >= end) return true;
    }
    return false;
  }

  /** After each change: writes a few rows when too many wait, so that memory stays bounded and no call waits long. */
  throttle(): void {
    if (this.rows > this.#limit) this.#write(ROWS_PER_CHANGE);
  }

  #write(rows: number): void {
    let left = rows;
    for (; left > 0; left--) {
      const inode = this.#nextDead.next();
      if (inode === undefined) break;
      this.#dead.delete(inode);
      this.#store.deleteNode(inode);
      this.#onBuried(inode.ino);
    }
    while (left > 0) {
      const directory = this.#nextDirectory.next();
      if (directory === undefined) break;
      left -= this.#writeEntries(directory, left);
    }
    while (left > 0) {
      const inode = this.#nextInode.next();
      if (inode === undefined) break;
      left -= this.#writeInode(inode, left);
    }
  }

  /** Removals first: a name may have been used again, and names are unique. Returns how many rows it wrote. */
  #writeEntries(directory: Directory, rows: number): number {
    const before = directory.pending;
    const waiting = directory.rows;
    if (waiting === undefined) return 0;
    let left = rows;
    while (left > 0) {
      const id = waiting.takeRemoved();
      if (id === undefined) break;
      this.#store.deleteEntry(id);
      left -= 1;
    }
    while (left > 0) {
      const entry = waiting.takeDirty();
      if (entry === undefined) break;
      this.#store.putEntry(directory.ino, entry);
      entry.stored = true;
      left -= 1;
    }
    directory.rowsTaken();
    this.entriesChanged(directory, before);
    return rows - left;
  }

  /** Writes an inode, its node last; it waits on when its chunks are more than `rows`. Returns how many rows it wrote. */
  #writeInode(inode: Inode, rows: number): number {
    let left = rows;
    inode.stored = true;
    for (const [indx, map] of inode.chunks ?? []) {
      if (!map.dirty) continue;
      if (left <= 0) return rows - left;
      this.#store.putChunk(inode.ino, indx, map.encode());
      map.dirty = false;
      left -= 1 + Math.floor(map.count / PIECES_PER_ROW);
    }
    this.#writeXattrs(inode);
    if (inode.targetDirty && inode.target !== undefined) this.#store.putTarget(inode.ino, inode.target);
    inode.targetDirty = false;
    this.#store.putNode(inode);
    inode.dirty = false;
    this.#inodes.delete(inode);
    inode.letChunksGo();
    return rows - left + 1;
  }

  #writeXattrs(inode: Inode): void {
    for (const name of inode.dirtyXattrs ?? []) {
      const value = inode.xattrs?.get(name);
      if (value === undefined) this.#store.deleteXattr(inode.ino, name);
      else this.#store.putXattr(inode.ino, name, value);
    }
    inode.dirtyXattrs = undefined;
  }
}
