import { assert } from '../base/assert.js';
import type { ByteString } from '../base/bytes.js';
import type { Timespec } from '../base/clock.js';
import { FsError } from '../base/errors.js';
import type { Inode } from './cached-inode.js';
import type { ChunkMap } from './chunk-map.js';
import { chunkIndexesOf, chunkOf } from './chunks.js';
import { createInode, linkInode, type NewInode } from './create.js';
import { FileType, ROOT_INO, type Dentry, type NodeRow } from './inode.js';
import { NamespaceCore, type NamespaceOptions } from './namespace-core.js';
import { removeDirectory, unlinkEntry } from './remove.js';
import { renameEntry } from './rename.js';
import type { RowWriter } from './rows.js';
import { clampSec } from './stores/node-columns.js';
import { removeXattr, setXattr, xattrsOf } from './xattrs.js';

export { Inode } from './cached-inode.js';
export { IdAllocator } from './ids.js';
export type { NewInode } from './create.js';
export type { Journal } from './journal.js';
export type { NamespaceLimits, NamespaceOptions } from './namespace-core.js';

/** Columns that `setAttr` changes. A change that names no ctime gets the time of the call. */
export type NodeChange = Partial<Omit<NodeRow, 'ino' | 'type' | 'nlink' | 'parent'>>;

export interface NamespaceStats {
  /** In memory. */
  inodes: number;
  dentries: number;
  /** Waiting to be written behind. */
  dirtyRows: number;
}

/**
 * The tree of inodes and names of one volume, for one thread. It begins as a version's index image; a change is made in
 * memory, appended to the journal as one batch, and written behind into the database later. Nothing here waits.
 *
 * All methods throw FsError: EROFS for a change of a read-only namespace, EIO once the journal has failed. Names are byte
 * strings. An `Inode` that is given out is good for the system call; `hold` it to keep it.
 */
export class Namespace {
  readonly #core: NamespaceCore;
  readonly #root: Inode;

  private constructor(core: NamespaceCore) {
    this.#core = core;
    this.#root = core.need(ROOT_INO);
  }

  /** `image`: an index that was checked; null: an empty volume. */
  static open(image: Uint8Array | null, options: NamespaceOptions): Namespace {
    assert(options.journal === null || options.ids !== null, 'a writable namespace has ids');
    return new Namespace(new NamespaceCore(image, options));
  }

  get readOnly(): boolean {
    return this.#core.readOnly;
  }

  get root(): Inode {
    return this.#root;
  }

  /** The time as the namespace would write it. */
  now(): Timespec {
    this.#core.setTime();
    return { sec: this.#core.time.sec, nsec: this.#core.time.nsec };
  }

  // -- the tree --

  inode(ino: number): Inode | undefined {
    return this.#core.inodes.get(ino);
  }

  /** undefined: there is no such entry. Throws ENOTDIR, and EIO when an entry has no inode. */
  lookup(parent: Inode, name: ByteString): Inode | undefined {
    if (!parent.isDirectory) throw new FsError('ENOTDIR');
    if (parent.nlink === 0) return undefined;
    const entry = this.#core.dentries.find(parent, name);
    return entry === undefined ? undefined : this.#core.need(entry.ino);
  }

  /**
   * A new inode and its entry. A set-gid directory gives its group, and the bit to directories.
   * Throws EEXIST, ENOTDIR, ENOENT (removed directory), ENAMETOOLONG, EINVAL (name), ENOSPC (inodes of a volume, ids).
   */
  create(parent: Inode, name: ByteString, what: NewInode): Inode {
    return createInode(this.#core, parent, name, what);
  }

  /** Throws as create, EPERM for a directory, EMLINK at LINKS_MAX. */
  link(inode: Inode, parent: Inode, name: ByteString): void {
    linkInode(this.#core, inode, parent, name);
  }

  /** Throws ENOENT, EISDIR. */
  unlink(parent: Inode, name: ByteString): void {
    unlinkEntry(this.#core, parent, name);
  }

  /** Throws ENOENT, ENOTDIR, ENOTEMPTY. */
  rmdir(parent: Inode, name: ByteString): void {
    removeDirectory(this.#core, parent, name);
  }

  /** flags: RENAME_NOREPLACE 1, RENAME_EXCHANGE 2. Throws ENOENT, EEXIST, EISDIR, ENOTDIR, ENOTEMPTY, EINVAL. */
  rename(parent: Inode, name: ByteString, newParent: Inode, newName: ByteString, flags: number): void {
    renameEntry(this.#core, parent, name, { parent: newParent, name: newName, flags });
  }

  /**
   * Visits the entries with id > cookie in order of id until `visit` returns false. It needs no handle: ids never come
   * again, so a listing goes on wherever it was, whatever was created, removed or evicted meanwhile.
   */
  readdir(directory: Inode, cookie: number, visit: (entry: Dentry) => boolean): void {
    if (!directory.isDirectory) throw new FsError('ENOTDIR');
    if (directory.nlink > 0) this.#core.dentries.visit(directory, cookie, visit);
  }

  /** Throws EINVAL for anything but a symbolic link. The bytes are not the caller's to change. */
  readlink(inode: Inode): Uint8Array {
    if (inode.type !== FileType.SYMLINK) throw new FsError('EINVAL');
    inode.target ??= this.#core.store.target(inode.ino);
    if (inode.target === undefined) throw new FsError('EIO', { message: `symbolic link ${inode.ino} has no target` });
    return inode.target;
  }

  // -- inodes --

  /** Changes columns, as one batch. A length changes no data: a truncate uses `changed`, with its ZERO rows. */
  setAttr(inode: Inode, change: NodeChange): void {
    const core = this.#core;
    core.checkChangeable(inode);
    const rows = core.begin();
    Object.assign(inode, change);
    if (change.ctime === undefined) core.touchCtime(inode);
    inode.mode &= 0o7777;
    this.#settle(inode);
    rows.putNode(inode);
    core.commit();
  }

  /** The caller has changed columns: one batch of the node and the rows that `rows` adds (ZERO, SHARE). */
  changed(inode: Inode, rows?: (writer: RowWriter) => void): void {
    const core = this.#core;
    core.checkChangeable(inode);
    const writer = core.begin();
    this.#settle(inode);
    writer.putNode(inode);
    rows?.(writer);
    core.commit();
  }

  /**
   * A WRITE record was appended that sets the file's length, and its mtime and ctime to this time: the same in memory.
   * Makes no rows.
   */
  wrote(inode: Inode, length: number, sec: number, nsec: number): void {
    inode.length = length;
    inode.mtime = inode.ctime = sec;
    inode.mtimensec = inode.ctimensec = nsec;
    if (inode.dead) return;
    this.#core.account(inode);
    this.#core.behind.inodeChanged(inode);
    this.#core.behind.throttle();
  }

  /** An open handle more. */
  hold(inode: Inode): void {
    inode.opens += 1;
  }

  /** An open handle less. The node of an orphan goes when neither handles nor the kernel know it any more. */
  drop(inode: Inode): void {
    assert(inode.opens > 0, 'what is dropped was held');
    inode.opens -= 1;
    inode.letChunksGo();
    this.#core.reap(inode);
  }

  /** The kernel was told of the inode once more. */
  looked(inode: Inode): void {
    inode.lookups += 1;
  }

  /** The kernel's FORGET. */
  forget(ino: number, nlookup: number): void {
    const inode = this.#core.inodes.peek(ino);
    if (inode === undefined) {
      this.#core.inodes.forgetAbsent(ino, nlookup);
      return;
    }
    inode.lookups = Math.max(inode.lookups - nlookup, 0);
    this.#core.reap(inode);
  }

  // -- extended attributes --

  /** Throws ENODATA. The bytes are not the caller's to change. */
  getXattr(inode: Inode, name: ByteString): Uint8Array {
    const value = xattrsOf(this.#core, inode)?.get(name);
    if (value === undefined) throw new FsError('ENODATA');
    return value;
  }

  hasXattr(inode: Inode, name: ByteString): boolean {
    return xattrsOf(this.#core, inode)?.has(name) ?? false;
  }

  listXattrs(inode: Inode): ByteString[] {
    return [...(xattrsOf(this.#core, inode)?.keys() ?? [])];
  }

  /** flags: XATTR_CREATE 1, XATTR_REPLACE 2. Throws EEXIST, ENODATA, ERANGE and EINVAL (name), E2BIG. */
  setXattr(inode: Inode, name: ByteString, value: Uint8Array, flags: number): void {
    setXattr(this.#core, inode, name, value, flags);
  }

  /** Throws ENODATA. */
  removeXattr(inode: Inode, name: ByteString): void {
    removeXattr(this.#core, inode, name);
  }

  // -- chunks and slices --

  /** The chunk's map; an empty one where nothing was written. Ask for it anew in each system call. */
  chunk(inode: Inode, indx: number): ChunkMap {
    return chunkOf(this.#core.store, inode, indx);
  }

  /** Indexes, ascending, of the chunks that have something: a row in the database or a map in memory. */
  chunkIndexes(inode: Inode): number[] {
    return chunkIndexesOf(this.#core.store, inode);
  }

  /** CRC-32C of each granule of a block; undefined: not known (an adopted block, or a pack not uploaded yet). */
  granules(id: number, indx: number): Uint32Array | undefined {
    return this.#core.store.granules(id, indx);
  }

  /** Size of a slice in bytes; undefined: not known (a pack not sealed yet). */
  sliceSize(id: number): number | undefined {
    return this.#core.store.sliceSize(id);
  }

  /** Remembers the size of a pack that was sealed, and its granules once it is in the store. */
  putSlice(id: number, sizeBytes: number, crcs?: Uint32Array): void {
    this.#core.store.putSlice(id, sizeBytes);
    if (crcs !== undefined) this.#core.store.putGranules(id, 0, crcs);
  }

  // -- the whole --

  /** Writes changes behind for at most about `budgetMs`. true: there is more to do. */
  writeBehind(budgetMs: number): boolean {
    return this.#core.behind.run(budgetMs);
  }

  /** Charged bytes and number of inodes, the root not counted, orphans counted. */
  statfs(): { usedBytes: number; inodes: number } {
    return { usedBytes: this.#core.usedBytes, inodes: this.#core.inodeCount };
  }

  stats(): NamespaceStats {
    const { inodes, dentries, behind } = this.#core;
    return { inodes: inodes.size, dentries: dentries.size, dirtyRows: behind.rows };
  }

  /**
   * Writes everything behind and returns the database as a file's bytes: nodes, entries, symlinks, xattrs, chunks and the
   * two counters are right in it. Takes its time.
   */
  exportImage(): Uint8Array {
    const { store, usedBytes, inodeCount } = this.#core;
    while (this.writeBehind(1000));
    if (!this.readOnly) {
      store.putCounter('usedSpace', usedBytes);
      store.putCounter('totalInodes', inodeCount);
    }
    return store.export();
  }

  close(): void {
    this.#core.store.close();
  }

  /** After columns were changed: times in their bounds, accounting, dirty. */
  #settle(inode: Inode): void {
    inode.atime = clampSec(inode.atime);
    inode.mtime = clampSec(inode.mtime);
    inode.ctime = clampSec(inode.ctime);
    this.#core.account(inode);
    this.#core.behind.inodeChanged(inode);
  }
}
