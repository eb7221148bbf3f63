import { startTimer } from '../base/clock.js';
import { StoreError } from '../base/errors.js';

/** When somebody who waits for uploads is told that they do not get done. */
export interface Patience {
  /** Failures of one pack during the wait. An error that is not worth repeating counts at once. */
  attempts: number;
  /** Time in which no upload at all got done. */
  stallMs: number;
}

interface Wait {
  /** Packs that are waited for, with their failures since the wait began. */
  left: Map<number, number>;
  resolve: () => void;
  reject: (error: Error) => void;
}

/** Those who wait for packs to be in the store. */
export class UploadWaits {
  readonly #patience: Patience;
  readonly #waits = new Set<Wait>();
  #cancelStall: (() => void) | undefined;

  constructor(patience: Patience) {
    this.#patience = patience;
  }

  /** Resolves when `succeeded` was called for each of these packs. */
  add(ids: Iterable<number>): Promise<void> {
    const done = new Promise<void>((resolve, reject) => {
      this.#waits.add({ left: new Map([...ids].map((id) => [id, 0])), resolve, reject });
    });
    if (this.#cancelStall === undefined) this.#watch();
    return done;
  }

  succeeded(id: number): void {
    for (const wait of this.#waits) {
      if (!wait.left.delete(id) || wait.left.size > 0) continue;
      this.#waits.delete(wait);
      wait.resolve();
    }
    this.#watch();
  }

  failed(id: number, error: Error): void {
    const isFinal = !(error instanceof StoreError && error.retryable);
    for (const wait of this.#waits) {
      const failures = wait.left.get(id);
      if (failures === undefined) continue;
      wait.left.set(id, failures + 1);
      if (isFinal || failures + 1 >= this.#patience.attempts) this.#reject(wait, error);
    }
    if (this.#waits.size === 0) this.#watch();
  }

  rejectAll(error: Error): void {
    for (const wait of this.#waits) this.#reject(wait, error);
    this.#watch();
  }

  #reject(wait: Wait, error: Error): void {
    this.#waits.delete(wait);
    wait.reject(error);
  }

  /** A request that is never answered fails nobody; the time without any success does. */
  #watch(): void {
    this.#cancelStall?.();
    this.#cancelStall = undefined;
    if (this.#waits.size === 0) return;
    const { stallMs } = this.#patience;
    this.#cancelStall = startTimer(stallMs, () => {
      this.rejectAll(new StoreError('unavailable', `no upload got done within ${Math.round(stallMs / 1000)} s`));
    });
  }
}
