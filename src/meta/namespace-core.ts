import { assert } from '../base/assert.js';
import type { Clock, Timespec } from '../base/clock.js';
import { FsError } from '../base/errors.js';
import { DENTRY_CACHE_MAX, DIRTY_ROWS_MAX, INODE_CACHE_MAX, INODES_MAX } from '../base/limits.js';
import type { Inode } from './cached-inode.js';
import { DentryCache } from './dentry-cache.js';
import type { IdAllocator } from './ids.js';
import { ROOT_INO } from './inode.js';
import { InodeCache } from './inode-cache.js';
import type { Journal } from './journal.js';
import { RowWriter } from './rows.js';
import { OwnerStore } from './stores/owner-store.js';
import type { SqlJsStatic } from './stores/sql.js';
import { WriteBehind } from './write-behind.js';

/** Bounds of the namespace; the defaults are those of base/limits.ts. */
export interface NamespaceLimits {
  /** Inodes in memory. */
  inodes: number;
  /** Directory entries in memory. */
  dentries: number;
  /** Changed rows that wait to be written behind. */
  dirtyRows: number;
  /** Inodes of the volume. */
  volumeInodes: number;
}

export interface NamespaceOptions {
  /** The loaded module (`loadSqlJs()`). */
  sql: SqlJsStatic;
  /** null: read-only. */
  journal: Journal | null;
  /** Where new inode numbers come from; may be null when read-only. */
  ids: IdAllocator | null;
  clock: Clock;
  limits?: Partial<NamespaceLimits>;
}

/**
 * What the operations of the namespace share. An operation checks everything first, then `begin`s, changes what is in
 * memory, writes the final states of the rows to `rows`, and `commit`s them as one batch.
 */
export class NamespaceCore {
  readonly store: OwnerStore;
  readonly inodes: InodeCache;
  readonly dentries: DentryCache;
  readonly behind: WriteBehind;
  readonly rows = new RowWriter();
  readonly limits: NamespaceLimits;
  /** Time of the operation that began last. */
  readonly time: Timespec = { sec: 0, nsec: 0 };
  usedBytes: number;
  inodeCount: number;
  readonly #journal: Journal | null;
  readonly #ids: IdAllocator | null;
  readonly #clock: Clock;
  #failed: unknown;

  constructor(image: Uint8Array | null, options: NamespaceOptions) {
    this.limits = {
      inodes: INODE_CACHE_MAX,
      dentries: DENTRY_CACHE_MAX,
      dirtyRows: DIRTY_ROWS_MAX,
      volumeInodes: INODES_MAX,
      ...options.limits,
    };
    this.#journal = options.journal;
    this.#ids = options.ids;
    this.#clock = options.clock;
    this.store = new OwnerStore(options.sql, image, { writable: options.journal !== null });
    this.usedBytes = this.store.counter('usedSpace');
    this.inodeCount = this.store.counter('totalInodes');
    this.inodes = new InodeCache(this.store, {
      limit: this.limits.inodes,
      onLetGo: (inode) => this.dentries.release(inode),
    });
    this.behind = new WriteBehind(this.store, {
      clock: options.clock,
      limit: this.limits.dirtyRows,
      onBuried: (ino) => this.inodes.buried(ino),
    });
    this.dentries = new DentryCache(this.store, this.behind, this.limits.dentries);
  }

  get readOnly(): boolean {
    return this.#journal === null;
  }

  setTime(): void {
    const now = this.#clock.nowMs();
    this.time.sec = Math.floor(now / 1000);
    // Below a second however the product is rounded.
    this.time.nsec = Math.min(Math.floor((now - this.time.sec * 1000) * 1e6), 999_999_999);
  }

  /** An inode that an entry names. Throws EIO when it is not there: the image is damaged. */
  need(ino: number): Inode {
    const inode = this.inodes.get(ino);
    if (inode === undefined) throw new FsError('EIO', { message: `an entry names inode ${ino}, which does not exist` });
    return inode;
  }

  /** Throws EROFS, and EIO after the log has failed. */
  checkWritable(): void {
    if (this.#journal === null) throw new FsError('EROFS');
    if (this.#failed !== undefined) throw new FsError('EIO', { message: 'the log has failed', cause: this.#failed });
  }

  /** Throws as checkWritable, and ESTALE for an inode that is gone. */
  checkChangeable(inode: Inode): void {
    this.checkWritable();
    if (inode.dead) throw new FsError('ESTALE');
  }

  /** Throws ENOTDIR, and ENOENT for a directory that was removed and is still in use. */
  checkParent(directory: Inode): void {
    if (!directory.isDirectory) throw new FsError('ENOTDIR');
    if (directory.nlink === 0 || directory.dead) throw new FsError('ENOENT', { message: 'the directory was removed' });
  }

  begin(): RowWriter {
    this.setTime();
    this.rows.reset();
    return this.rows;
  }

  /**
   * Appends the batch. A log that throws takes nothing more, and memory is one operation ahead of it: from then on every
   * change is refused.
   */
  commit(): void {
    assert(this.#journal !== null, 'a read-only namespace does not change');
    try {
      this.#journal.appendRows(this.rows.bytes());
    } catch (error) {
      this.#failed = error;
      throw error;
    }
    this.behind.throttle();
  }

  newIno(): number {
    assert(this.#ids !== null, 'a writable namespace has ids');
    return this.#ids.next();
  }

  /** mtime and ctime of a directory whose entries change. */
  touch(directory: Inode): void {
    directory.mtime = directory.ctime = this.time.sec;
    directory.mtimensec = directory.ctimensec = this.time.nsec;
    this.behind.inodeChanged(directory);
  }

  /** ctime of an inode whose links change. */
  touchCtime(inode: Inode): void {
    inode.ctime = this.time.sec;
    inode.ctimensec = this.time.nsec;
    this.behind.inodeChanged(inode);
  }

  /** Brings the accounting up to the inode's length. */
  account(inode: Inode): void {
    // The format does not charge for the root.
    if (inode.ino === ROOT_INO) return;
    const bytes = inode.chargeableBytes;
    this.usedBytes += bytes - inode.charged;
    inode.charged = bytes;
  }

  /**
   * One link less, or for a directory the end of it, in memory and in the batch. Without links it stays as an orphan while
   * somebody holds it, else its node goes.
   */
  unlinked(inode: Inode, rows: RowWriter): void {
    inode.nlink = inode.isDirectory ? 0 : Math.max(inode.nlink - 1, 0);
    this.touchCtime(inode);
    if (inode.nlink === 0 && !inode.held) this.#bury(inode, rows);
    else rows.putNode(inode);
  }

  /** An orphan that nobody holds any more goes. */
  reap(inode: Inode): void {
    if (inode.nlink > 0 || inode.held || inode.dead || this.readOnly || this.#failed !== undefined) return;
    this.#bury(inode, this.begin());
    try {
      this.commit();
    } catch (error) {
      // Nobody waits for an answer. The log has failed, which the next change says; an index leaves orphans out anyway.
      if (!(error instanceof FsError)) throw error;
    }
  }

  #bury(inode: Inode, rows: RowWriter): void {
    rows.deleteNode(inode.ino);
    this.usedBytes -= inode.charged;
    this.inodeCount -= 1;
    inode.charged = 0;
    this.behind.inodeDied(inode);
    this.inodes.bury(inode);
    this.dentries.release(inode);
  }
}
