import type { ByteString } from '../base/bytes.js';
import type { Inode } from './cached-inode.js';
import { Cursor } from './cursor.js';
import { Directory, Entry } from './directory.js';
import type { Dentry, FileType } from './inode.js';
import type { OwnerStore } from './stores/owner-store.js';
import type { WriteBehind } from './write-behind.js';

/** Point queries into a small directory before it is loaded whole. */
const QUERIES_MIN = 8;
/** A directory is loaded whole when its point queries are more than its entries divided by this: about equal cost. */
const ENTRIES_PER_QUERY = 4;
/** Entries that are loaded at a time: about 0.2 ms. */
const ENTRIES_PER_PIECE = 128;
/** Directories that the latest uses touched stay: a system call has at most two in its hands. */
const RECENT_USES = 16;
const SWEEP_STEPS = 8;

/**
 * Directory entries in memory. A directory that was made here is known whole from the start, so that a name that it does not have
 * costs nothing; another answers by point queries at first, and is loaded, piece by piece, when there were many or when it is listed.
 * Beyond the limit, whole directories go that have nothing to be written. A directory that alone is larger than the
 * limit is loaded all the same when it is listed: cookies are ids, and there is no index in that order.
 */
export class DentryCache {
  readonly #store: OwnerStore;
  readonly #behind: WriteBehind;
  readonly #limit: number;
  readonly #owners = new Map<number, Inode>();
  readonly #hand = new Cursor(() => this.#owners.values());
  #size = 0;
  #uses = 0;
  #lastId: number;

  constructor(store: OwnerStore, behind: WriteBehind, limit: number) {
    this.#store = store;
    this.#behind = behind;
    this.#limit = limit;
    this.#lastId = store.lastEntryId();
  }

  /** Entries in memory. */
  get size(): number {
    return this.#size;
  }

  /** A directory that was just made: it has no entries, and that is known. */
  begin(inode: Inode): void {
    this.#adopt(inode, new Directory(inode.ino, true));
  }

  find(inode: Inode, name: ByteString): Entry | undefined {
    const directory = this.#of(inode);
    const entry = directory.entries.get(name);
    if (entry !== undefined || directory.complete || directory.wasRemoved(name)) return entry;
    if (this.#wantsWhole(directory)) {
      this.#loadMore(directory);
      const loaded = directory.entries.get(name);
      if (loaded !== undefined || directory.complete) return loaded;
    }
    const found = this.#store.entry(inode.ino, name);
    if (found === undefined) return undefined;
    directory.entries.set(name, found);
    this.#grew(1);
    return found;
  }

  /** Adds an entry under a name that is free. */
  add(inode: Inode, name: ByteString, ino: number, type: FileType): Entry {
    const directory = this.#of(inode);
    const entry = new Entry(++this.#lastId, name, ino, type, false);
    const before = directory.pending;
    directory.add(entry);
    this.#behind.entriesChanged(directory, before);
    this.#grew(1);
    return entry;
  }

  /** Points an entry at another inode. */
  point(inode: Inode, entry: Entry, ino: number, type: FileType): void {
    const directory = this.#of(inode);
    const [before, size] = [directory.pending, directory.entries.size];
    entry.ino = ino;
    entry.type = type;
    directory.changed(entry);
    this.#behind.entriesChanged(directory, before);
    this.#size += directory.entries.size - size;
  }

  remove(inode: Inode, entry: Entry): void {
    const directory = this.#of(inode);
    const [before, size] = [directory.pending, directory.entries.size];
    directory.remove(entry);
    this.#behind.entriesChanged(directory, before);
    this.#size += directory.entries.size - size;
  }

  isEmpty(inode: Inode): boolean {
    const directory = this.#of(inode);
    if (directory.entries.size > 0) return false;
    if (directory.complete) return true;
    if (!directory.hasRemoved) return this.#store.countEntries(inode.ino) === 0;
    while (!directory.complete) this.#loadMore(directory);
    return directory.entries.size === 0;
  }

  visit(inode: Inode, cookie: number, visit: (entry: Dentry) => boolean): void {
    const directory = this.#of(inode);
    directory.visit(cookie, visit, () => this.#loadMore(directory));
  }

  /** The directory's inode leaves memory, or is gone. */
  release(inode: Inode): void {
    const directory = inode.directory;
    if (directory === undefined) return;
    this.#size -= directory.entries.size;
    this.#owners.delete(inode.ino);
    inode.directory = undefined;
  }

  #of(inode: Inode): Directory {
    const directory = inode.directory ?? this.#adopt(inode, new Directory(inode.ino, false));
    directory.usedAt = ++this.#uses;
    return directory;
  }

  #adopt(inode: Inode, directory: Directory): Directory {
    inode.directory = directory;
    directory.usedAt = ++this.#uses;
    this.#owners.set(inode.ino, inode);
    return directory;
  }

  #wantsWhole(directory: Directory): boolean {
    if (directory.isLoading) return true;
    if (directory.storedCount < 0) directory.storedCount = this.#store.countEntries(directory.ino);
    directory.queries += 1;
    if (directory.storedCount > this.#limit) return false;
    return directory.queries > QUERIES_MIN && directory.queries * ENTRIES_PER_QUERY > directory.storedCount;
  }

  /** Loads the next piece of a directory, from the beginning when nobody has begun. */
  #loadMore(directory: Directory): void {
    if (!directory.isLoading) directory.beginLoading(this.#store.entryIds(directory.ino));
    const before = directory.entries.size;
    directory.loaded(this.#store.entriesOf(directory.ino, directory.takeIds(ENTRIES_PER_PIECE)));
    this.#grew(directory.entries.size - before);
  }

  #grew(entries: number): void {
    this.#size += entries;
    for (let step = 0; step < SWEEP_STEPS && this.#size > this.#limit; step++) {
      const inode = this.#hand.next();
      const directory = inode?.directory;
      if (
        inode === undefined ||
        directory === undefined ||
        directory.pending > 0 ||
        this.#uses - directory.usedAt <= RECENT_USES
      )
        continue;
      this.release(inode);
    }
  }
}
