import { sleep } from '../base/clock.js';
import { StoreError } from '../base/errors.js';

/** Attempts of a request that the store does not answer, and the pause before the second; it doubles each time. */
const ATTEMPTS = 5;
const PAUSE_MS = 100;

export interface RetryOptions {
  signal?: AbortSignal;
  /** How to wait, so that tests need not. */
  pause?: (ms: number, signal?: AbortSignal) => Promise<void>;
}

/**
 * Repeats a request that may safely be made twice, as long as the store gives no answer.
 * @throws StoreError the last one
 */
export async function retry<T>(request: () => Promise<T>, options: RetryOptions = {}): Promise<T> {
  const { pause = sleep, signal } = options;
  for (let attempt = 1; ; attempt++) {
    try {
      return await request();
    } catch (error) {
      const isAnswer = !(error instanceof StoreError && error.retryable);
      if (isAnswer || attempt === ATTEMPTS) throw error;
      await pause(PAUSE_MS * 2 ** (attempt - 1), signal);
    }
  }
}
