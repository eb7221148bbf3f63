import type { ByteString } from '../base/bytes.js';
import type { Clock, Timespec } from '../base/clock.js';
import { FsError } from '../base/errors.js';
import { Inode } from './cached-inode.js';
import type { ChunkMap } from './chunk-map.js';
import { IdAllocator } from './ids.js';
import type { Dentry, FileType, NodeRow } from './inode.js';
import type { Journal } from './journal.js';
import type { RowWriter } from './rows.js';
import type { SqlJsStatic } from './stores/sql.js';

export { Inode } from './cached-inode.js';
export { IdAllocator } from './ids.js';
export type { Journal } from './journal.js';

export interface NamespaceOptions {
  /** The loaded module (`loadSqlJs()`). */
  sql: SqlJsStatic;
  /** null: read-only. */
  journal: Journal | null;
  ids: IdAllocator | null;
  clock: Clock;
  limits?: Partial<NamespaceLimits>;
}

/** Bounds of the caches; the defaults are base/limits.ts's. */
export interface NamespaceLimits {
  inodes: number;
  dentries: number;
  dirtyRows: number;
}

export interface NewInode {
  type: FileType;
  /** Permission bits only. */
  mode: number;
  uid: number;
  gid: number;
  rdev?: number;
  /** Of a symbolic link. */
  target?: Uint8Array;
}

/** Columns that `setAttr` changes. A change that names no ctime gets the time of the call. */
export type NodeChange = Partial<Omit<NodeRow, 'ino' | 'type' | 'nlink' | 'parent'>>;

export interface NamespaceStats {
  inodes: number;
  dentries: number;
  dirtyRows: number;
}

const skeleton = (): never => {
  throw new FsError('ENOSYS');
};

export class Namespace {
  static open(image: Uint8Array | null, options: NamespaceOptions): Namespace {
    void image;
    void options;
    return skeleton();
  }

  get readOnly(): boolean {
    return skeleton();
  }
  get root(): Inode {
    return skeleton();
  }
  /** The time of now, as the namespace writes it. */
  now(): Timespec {
    return skeleton();
  }
  inode(_ino: number): Inode | undefined {
    return skeleton();
  }
  /** undefined: there is no such entry. Throws ENOTDIR. */
  lookup(_parent: Inode, _name: ByteString): Inode | undefined {
    return skeleton();
  }
  create(_parent: Inode, _name: ByteString, _what: NewInode): Inode {
    return skeleton();
  }
  link(_inode: Inode, _parent: Inode, _name: ByteString): void {
    skeleton();
  }
  unlink(_parent: Inode, _name: ByteString): void {
    skeleton();
  }
  rmdir(_parent: Inode, _name: ByteString): void {
    skeleton();
  }
  /** flags: RENAME_NOREPLACE 1, RENAME_EXCHANGE 2 */
  rename(_parent: Inode, _name: ByteString, _newParent: Inode, _newName: ByteString, _flags: number): void {
    skeleton();
  }
  /** One batch. `length` may be among the changes (no ZERO rows are made: use `changed` for a truncate). */
  setAttr(_inode: Inode, _change: NodeChange): void {
    skeleton();
  }
  /** The columns were changed by the caller: one batch of the node and the rows that `rows` adds (ZERO, SHARE). */
  changed(_inode: Inode, _rows?: (writer: RowWriter) => void): void {
    skeleton();
  }
  /** After a WRITE record: length (only grows), mtime and ctime in memory, dirty, accounting. No rows. */
  wrote(_inode: Inode, _length: number, _sec: number, _nsec: number): void {
    skeleton();
  }
  /** Visits entries with id > cookie in order of id until `visit` returns false. Needs no handle. */
  readdir(_directory: Inode, _cookie: number, _visit: (entry: Dentry) => boolean): void {
    skeleton();
  }
  readlink(_inode: Inode): Uint8Array {
    return skeleton();
  }
  /** Throws ENODATA. */
  getXattr(_inode: Inode, _name: ByteString): Uint8Array {
    return skeleton();
  }
  hasXattr(_inode: Inode, _name: ByteString): boolean {
    return skeleton();
  }
  listXattrs(_inode: Inode): ByteString[] {
    return skeleton();
  }
  /** flags: XATTR_CREATE 1, XATTR_REPLACE 2 */
  setXattr(_inode: Inode, _name: ByteString, _value: Uint8Array, _flags: number): void {
    skeleton();
  }
  removeXattr(_inode: Inode, _name: ByteString): void {
    skeleton();
  }
  /** The chunk's map, loaded; an empty one where nothing was written. Call it anew for each system call. */
  chunk(_inode: Inode, _indx: number): ChunkMap {
    return skeleton();
  }
  /** Ascending indexes of the chunks that have a row or a map. */
  chunkIndexes(_inode: Inode): number[] {
    return skeleton();
  }
  /** An open handle more, or one less; with the last hold of an orphan its node goes. */
  hold(_inode: Inode): void {
    skeleton();
  }
  drop(_inode: Inode): void {
    skeleton();
  }
  /** The kernel was told of the inode (entry reply) once more. */
  looked(_inode: Inode): void {
    skeleton();
  }
  /** The kernel's FORGET. */
  forget(_ino: number, _nlookup: number): void {
    skeleton();
  }
  /** CRC-32C of each granule of a block; undefined: not known. */
  granules(_id: number, _indx: number): Uint32Array | undefined {
    return skeleton();
  }
  /** Size of a slice in bytes; undefined: not known. */
  sliceSize(_id: number): number | undefined {
    return skeleton();
  }
  /** Remembers the size of a pack that was sealed, and its granules when it is in the store. */
  putSlice(_id: number, _sizeBytes: number, _crcs?: Uint32Array): void {
    skeleton();
  }
  /** Writes changes behind for at most `budgetMs`. true: there is more to do. */
  writeBehind(_budgetMs: number): boolean {
    return skeleton();
  }
  /** Charged bytes and number of inodes, without the root. */
  statfs(): { usedBytes: number; inodes: number } {
    return skeleton();
  }
  stats(): NamespaceStats {
    return skeleton();
  }
  /** Writes everything behind and returns the database's image. For tests and tools: it takes its time. */
  exportImage(): Uint8Array {
    return skeleton();
  }
  close(): void {
    skeleton();
  }
}
