import type { ByteString } from '../base/bytes.js';
import type { Dentry, FileType } from './inode.js';

/** A directory entry in memory. */
export class Entry implements Dentry {
  readonly id: number;
  readonly name: ByteString;
  ino: number;
  type: FileType;
  /** The database has a row with this id. */
  stored: boolean;
  dirty = false;
  /** Removed, but still in the listing order. */
  dead = false;

  constructor(id: number, name: ByteString, ino: number, type: FileType, stored: boolean) {
    this.id = id;
    this.name = name;
    this.ino = ino;
    this.type = type;
    this.stored = stored;
  }
}

/** The entries of one directory that are in memory, and those that wait to be written behind. */
export class Directory {
  readonly ino: number;
  constructor(ino: number) {
    this.ino = ino;
  }
}
