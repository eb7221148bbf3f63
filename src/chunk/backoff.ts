import type { Random } from '../base/random.js';

export interface Backoff {
  /** Longest pause after the first failure; it doubles with each one. */
  firstMs: number;
  maxMs: number;
}

/** Pause after the `failures`-th failure in a row: between half of its bound and all of it, so that clients spread. */
export function backoffMs(failures: number, { firstMs, maxMs }: Backoff, random: Random): number {
  const bound = Math.min(maxMs, firstMs * 2 ** Math.min(failures - 1, 30));
  return bound / 2 + random.below(Math.floor(bound / 2) + 1);
}
