import { FsError } from '../base/errors.js';
import { HANDLES_MAX } from '../base/limits.js';
import type { Inode } from '../meta/namespace.js';

const O_ACCMODE = 3;

export interface Handle {
  readonly inode: Inode;
  /** open(2)'s. */
  readonly flags: number;
}

/** Open files and directories by handle number; numbers are not used again. */
export class Handles {
  readonly #open = new Map<number, Handle>();
  #next = 1;

  /** @throws FsError ENFILE when HANDLES_MAX are open; asked before the change that an `add` belongs to */
  checkRoom(): void {
    if (this.#open.size >= HANDLES_MAX) throw new FsError('ENFILE');
  }

  add(inode: Inode, flags: number): number {
    const fh = this.#next++;
    this.#open.set(fh, { inode, flags });
    return fh;
  }

  get(fh: number): Handle | undefined {
    return this.#open.get(fh);
  }

  /** Undefined when there is no such handle. */
  remove(fh: number): Handle | undefined {
    const handle = this.#open.get(fh);
    this.#open.delete(fh);
    return handle;
  }

  get count(): number {
    return this.#open.size;
  }

  /** Inodes with a handle that may write. */
  inodesOpenForWriting(): number[] {
    const inodes = new Set<number>();
    for (const { inode, flags } of this.#open.values()) if ((flags & O_ACCMODE) !== 0) inodes.add(inode.ino);
    return [...inodes];
  }
}
