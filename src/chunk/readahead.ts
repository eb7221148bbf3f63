import { READAHEAD_BYTES } from '../base/limits.js';
import type { Inode } from '../meta/namespace.js';
import type { BlockRef } from './messages.js';

/** Files whose reading is watched; the one longest ago is forgotten. */
const READERS_MAX = 64;

interface Reader {
  /** Where its next read begins if it goes on in sequence. */
  next: number;
  /** Up to here blocks were asked for. */
  asked: number;
}

/** Watches who reads in sequence, and asks for the blocks that come next before they are wanted. */
export class Readahead {
  readonly #storedBlocks: (inode: Inode, from: number, to: number) => BlockRef[];
  readonly #post: (blocks: BlockRef[]) => void;
  /** By inode, the one that read last at the end. */
  readonly #readers = new Map<number, Reader>();
  #last: Reader | undefined;

  constructor(options: {
    storedBlocks(inode: Inode, from: number, to: number): BlockRef[];
    post(blocks: BlockRef[]): void;
  }) {
    this.#storedBlocks = options.storedBlocks;
    this.#post = options.post;
  }

  /** The file was read at [offset, offset + length), at least in part from the store. */
  note(inode: Inode, offset: number, length: number): void {
    const end = offset + length;
    const reader = this.#readers.get(inode.ino);
    if (reader === undefined) {
      if (this.#readers.size >= READERS_MAX) this.#readers.delete(this.#readers.keys().next().value!);
      this.#last = { next: end, asked: end };
      this.#readers.set(inode.ino, this.#last);
      return;
    }
    if (reader !== this.#last) {
      this.#readers.delete(inode.ino);
      this.#readers.set(inode.ino, reader);
      this.#last = reader;
    }
    // The kernel's own readahead reaches the owner out of order by a request or two.
    const isSequential = offset <= reader.next && end >= reader.next;
    if (!isSequential) {
      if (offset < reader.next || offset > reader.asked + READAHEAD_BYTES) reader.next = reader.asked = end;
      return;
    }
    reader.next = end;
    reader.asked = Math.max(reader.asked, end);
    if (reader.asked - end > READAHEAD_BYTES / 2 || reader.asked >= inode.length) return;
    const from = reader.asked;
    reader.asked = Math.min(end + READAHEAD_BYTES, inode.length);
    const blocks = this.#storedBlocks(inode, from, reader.asked);
    if (blocks.length > 0) this.#post(blocks);
  }

  forget(ino: number): void {
    this.#readers.delete(ino);
  }
}
