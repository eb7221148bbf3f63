import { assert } from '../base/assert.js';
import { FsError } from '../base/errors.js';

/** Hands out the ids of a writing session's claimed range [first, end), for slices and inodes alike, each once. */
export class IdAllocator {
  #next: number;
  readonly #end: number;

  constructor(first: number, end: number) {
    assert(Number.isSafeInteger(first) && Number.isSafeInteger(end) && first > 1 && first <= end, 'a range of ids');
    this.#next = first;
    this.#end = end;
  }

  get remaining(): number {
    return this.#end - this.#next;
  }

  /** Throws ENOSPC when the range is used up. */
  next(): number {
    if (this.#next >= this.#end) throw new FsError('ENOSPC', { message: "the session's ids are used up" });
    return this.#next++;
  }
}
