import type { Dentry, FileType } from '../meta/inode.js';
import { FileType as Type } from '../meta/inode.js';
import type { VfsOps } from '../vfs/types.js';
import { FsError } from '../base/errors.js';
import { direntType, fullMode } from './file-mode.js';
import type { Reply, Validity } from './protocol/reply.js';
import { alignRecord, direntStruct, entryOut, outHeader } from './protocol/structs.js';

/**
 * Cookies of a listing, as the kernel hands them back to go on behind an entry: 1 is behind `.`, 2 behind `..`, and an
 * entry's is its edge id + 2, so that none of them meets the others.
 */
const COOKIE_DOT = 1;
const COOKIE_DOTDOT = 2;

export interface ListingQuery {
  ino: number;
  fh: number;
  /** Cookie of the last entry that the kernel has; 0 = from the start. */
  cookie: number;
  /** Room for records. */
  bytes: number;
}

export interface ListingValidity {
  entry: Validity;
  directoryEntry: Validity;
  attr: Validity;
}

/** Fills replies to READDIR and READDIRPLUS. */
export class Listing {
  readonly #vfs: VfsOps;
  readonly #reply: Reply;
  readonly #validity: ListingValidity;
  /** What fits into this reply; collected first, because looking names up may change what `readdir` walks on. */
  readonly #entries: Dentry[] = [];
  #bytesLeft = 0;
  #bytesExtra = 0;

  constructor(vfs: VfsOps, reply: Reply, validity: ListingValidity) {
    this.#vfs = vfs;
    this.#reply = reply;
    this.#validity = validity;
  }

  /** @returns the length of the reply */
  write(query: ListingQuery, isPlus: boolean): number {
    this.#bytesExtra = isPlus ? entryOut.bytes : 0;
    this.#bytesLeft = query.bytes;
    this.#entries.length = 0;
    let at: number = outHeader.bytes;
    if (query.cookie < COOKIE_DOTDOT) at = this.#dots(at, query, isPlus);
    this.#vfs.readdir(query.ino, query.fh, Math.max(0, query.cookie - COOKIE_DOTDOT), this.#take);
    if (at === outHeader.bytes && this.#entries.length === 0 && this.#bytesLeft < 0) throw new FsError('EINVAL');
    for (const entry of this.#entries) {
      if (isPlus) at = this.#plus(at, query.ino, entry);
      at = this.#reply.dirent(at, entry.ino, entry.id + COOKIE_DOTDOT, direntType(entry.type), entry.name);
    }
    this.#entries.length = 0;
    return at;
  }

  #take = (entry: Dentry): boolean => {
    const bytes = this.#bytesExtra + alignRecord(direntStruct.bytes + entry.name.length);
    if (bytes > this.#bytesLeft) {
      // Negative: not even one record fits.
      if (this.#entries.length === 0) this.#bytesLeft = -1;
      return false;
    }
    this.#bytesLeft -= bytes;
    this.#entries.push(entry);
    return true;
  };

  #dots(at: number, query: ListingQuery, isPlus: boolean): number {
    const inode = this.#vfs.getattr(query.ino);
    if (query.cookie < COOKIE_DOT) at = this.#dot(at, inode.ino, COOKIE_DOT, '.', isPlus);
    return this.#dot(at, inode.parent === 0 ? inode.ino : inode.parent, COOKIE_DOTDOT, '..', isPlus);
  }

  #dot(at: number, ino: number, cookie: number, name: string, isPlus: boolean): number {
    const bytes = this.#bytesExtra + alignRecord(direntStruct.bytes + name.length);
    if (bytes > this.#bytesLeft) throw new FsError('EINVAL');
    this.#bytesLeft -= bytes;
    if (isPlus) at = this.#noEntry(at);
    return this.#reply.dirent(at, ino, cookie, direntType(Type.DIRECTORY), name);
  }

  /** The kernel counts a lookup for each entry with a node id, so it is a lookup for the vfs, too. */
  #plus(at: number, parent: number, entry: Dentry): number {
    const inode = this.#vfs.lookup(parent, entry.name);
    if (inode === undefined) return this.#noEntry(at);
    this.#reply.entry(at, inode, fullMode(inode), this.entryValidity(inode.type), this.#validity.attr);
    return at + entryOut.bytes;
  }

  /** A node id of 0: the kernel takes the name and the type only. */
  #noEntry(at: number): number {
    this.#reply.bytes.fill(0, at, at + entryOut.bytes);
    return at + entryOut.bytes;
  }

  entryValidity(type: FileType): Validity {
    return type === Type.DIRECTORY ? this.#validity.directoryEntry : this.#validity.entry;
  }
}
