import type { Inode } from './cached-inode.js';
import { Cursor } from './cursor.js';
import { ROOT_INO } from './inode.js';
import type { OwnerStore } from './stores/owner-store.js';

/** Inodes that are not in memory and whose lookup count is remembered; beyond it, an unlink takes them at once. */
export const REMEMBERED_LOOKUPS_MAX = 2_000_000;

/** Places that one new inode makes the clock's hand go on, at most. */
const SWEEP_STEPS = 32;

/**
 * The inodes in memory: one object each. Beyond the limit the hand of a clock goes round and lets go of what is clean,
 * not open, linked, and was not used lately. `lately` is half of the limit, counted in uses, so that what one system call
 * has in its hands stays.
 */
export class InodeCache {
  readonly #store: OwnerStore;
  readonly #limit: number;
  readonly #onLetGo: (inode: Inode) => void;
  readonly #inodes = new Map<number, Inode>();
  /** Inodes that are gone while the database still has their rows. */
  readonly #dead = new Set<number>();
  /** Lookup counts of the kernel for inodes that are not in memory. */
  readonly #lookups = new Map<number, number>();
  readonly #hand = new Cursor(() => this.#inodes.values());
  #uses = 0;

  constructor(store: OwnerStore, options: { limit: number; onLetGo: (inode: Inode) => void }) {
    this.#store = store;
    this.#limit = options.limit;
    this.#onLetGo = options.onLetGo;
  }

  get size(): number {
    return this.#inodes.size;
  }

  /** The inode if it is in memory. */
  peek(ino: number): Inode | undefined {
    return this.#inodes.get(ino);
  }

  get(ino: number): Inode | undefined {
    let inode = this.#inodes.get(ino);
    if (inode === undefined) {
      if (this.#dead.has(ino)) return undefined;
      inode = this.#store.node(ino);
      if (inode === undefined) return undefined;
      inode.charged = ino === ROOT_INO ? 0 : inode.chargeableBytes;
      inode.lookups = this.#lookups.get(ino) ?? 0;
      if (inode.lookups > 0) this.#lookups.delete(ino);
      this.add(inode);
    }
    inode.usedAt = ++this.#uses;
    return inode;
  }

  add(inode: Inode): void {
    inode.usedAt = ++this.#uses;
    this.#inodes.set(inode.ino, inode);
    if (this.#inodes.size > this.#limit) this.#sweep();
  }

  /** The node is gone; until `buried` its rows in the database do not count. */
  bury(inode: Inode): void {
    inode.dead = true;
    this.#inodes.delete(inode.ino);
    if (inode.stored) this.#dead.add(inode.ino);
  }

  buried(ino: number): void {
    this.#dead.delete(ino);
  }

  /** The kernel forgets an inode that is not in memory. */
  forgetAbsent(ino: number, nlookup: number): void {
    const left = (this.#lookups.get(ino) ?? 0) - nlookup;
    if (left > 0) this.#lookups.set(ino, left);
    else this.#lookups.delete(ino);
  }

  #sweep(): void {
    for (let step = 0; step < SWEEP_STEPS && this.#inodes.size > this.#limit; step++) {
      const inode = this.#hand.next();
      if (inode !== undefined && this.#mayGo(inode)) this.#letGo(inode);
    }
  }

  #mayGo(inode: Inode): boolean {
    if (inode.dirty || inode.opens > 0 || inode.nlink === 0 || inode.ino === ROOT_INO) return false;
    if (inode.directory !== undefined && inode.directory.pending > 0) return false;
    return this.#uses - inode.usedAt > this.#limit / 2;
  }

  #letGo(inode: Inode): void {
    this.#inodes.delete(inode.ino);
    if (inode.lookups > 0 && this.#lookups.size < REMEMBERED_LOOKUPS_MAX) this.#lookups.set(inode.ino, inode.lookups);
    this.#onLetGo(inode);
  }
}
