import { sleep, systemClock, type Clock } from '../base/clock.js';
import { StoreError } from '../base/errors.js';
import { systemRandom, type Random } from '../base/random.js';
import { backoffMs, type Backoff } from './backoff.js';

/** How long a reader waits for a store that does not answer before it is told EIO. */
const READ_PATIENCE_MS = 30_000;
const BACKOFF: Backoff = { firstMs: 50, maxMs: 2000 };

/** Repeats requests that a store may answer later. */
export class Patience {
  readonly #signal: AbortSignal;
  readonly #patienceMs: number;
  readonly #clock: Clock;
  readonly #random: Random;

  constructor(options: { signal: AbortSignal; patienceMs?: number; clock?: Clock; random?: Random }) {
    this.#signal = options.signal;
    this.#patienceMs = options.patienceMs ?? READ_PATIENCE_MS;
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? systemRandom;
  }

  /** @throws the last error, when it is not worth repeating or the time is over */
  async retry<T>(request: () => Promise<T>): Promise<T> {
    const deadline = this.#clock.monotonicMs() + this.#patienceMs;
    for (let failures = 1; ; failures++) {
      try {
        return await request();
      } catch (error) {
        if (!(error instanceof StoreError && error.retryable)) throw error;
        const pauseMs = backoffMs(failures, BACKOFF, this.#random);
        if (this.#signal.aborted || this.#clock.monotonicMs() + pauseMs > deadline) throw error;
        await sleep(pauseMs, this.#signal);
      }
    }
  }
}
