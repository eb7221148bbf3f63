/** Bounds the bytes that are in memory for readers. First come, first served; low priority gets half of it at most. */
export class FetchBudget {
  readonly #maxBytes: number;
  #usedBytes = 0;
  readonly #waiting: { bytes: number; go: () => void }[] = [];
  readonly #waitingLow: { bytes: number; go: () => void }[] = [];

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Resolves when the bytes may be used; give them back with {@link release}. More than there is gets all there is. */
  acquire(bytes: number, options: { low?: boolean } = {}): Promise<void> {
    return new Promise((go) => {
      (options.low === true ? this.#waitingLow : this.#waiting).push({ bytes, go });
      this.#serve();
    });
  }

  release(bytes: number): void {
    this.#usedBytes -= bytes;
    this.#serve();
  }

  #serve(): void {
    while (this.#take(this.#waiting, this.#maxBytes));
    while (this.#waiting.length === 0 && this.#take(this.#waitingLow, this.#maxBytes / 2));
  }

  #take(queue: { bytes: number; go: () => void }[], maxBytes: number): boolean {
    const first = queue[0];
    if (first === undefined || (this.#usedBytes > 0 && this.#usedBytes + first.bytes > maxBytes)) return false;
    queue.shift();
    this.#usedBytes += first.bytes;
    first.go();
    return true;
  }
}
