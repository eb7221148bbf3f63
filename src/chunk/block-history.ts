/** What a reader remembers of a block that was asked for. */
export interface BlockMemory {
  /** Reads that the owner could not serve. */
  misses: number;
  /** The local file whose granules have all been checked, by its inode number. */
  checkedIno: number | undefined;
}

/** Blocks that were asked for, those of late. */
export class BlockHistory {
  readonly #max: number;
  /** Least recently used first. */
  readonly #blocks = new Map<string, BlockMemory>();

  constructor(max: number) {
    this.#max = max;
  }

  use(key: string): BlockMemory {
    const block = this.#blocks.get(key) ?? { misses: 0, checkedIno: undefined };
    this.#blocks.delete(key);
    this.#blocks.set(key, block);
    const oldest = this.#blocks.keys().next().value;
    if (this.#blocks.size > this.#max && oldest !== undefined) this.#blocks.delete(oldest);
    return block;
  }
}
