import { readFileSync } from 'node:fs';
import type { Clock } from '../base/clock.js';

/** Requests whose answer comes later and that an INTERRUPT can find; the oldest are forgotten first. */
const REMEMBERED_MAX = 1024;
/** Interrupted requests that are watched because their process lives on. */
const WATCHED_MAX = 256;
const WATCH_MS = 120_000;
/** How often a watched process is looked at. */
export const WATCH_PERIOD_MS = 100;

const SIGKILL_BIT = 1n << 8n;

/**
 * Is this thread being killed? The kernel marks every thread of a dying process with SIGKILL. Undefined: it is gone, or
 * may not be looked at.
 */
export function isDying(tid: number): boolean | undefined {
  if (tid === 0) return undefined;
  try {
    const status = readFileSync(`/proc/${tid}/status`, 'latin1');
    const masks = status.matchAll(/^(?:SigPnd|ShdPnd):\s*([0-9a-f]+)/gm);
    return [...masks].some(([, mask]) => (BigInt(`0x${mask}`) & SIGKILL_BIT) !== 0n);
  } catch {
    return undefined;
  }
}

/**
 * Decides which interrupted requests are answered EINTR. The kernel interrupts a request at any signal, also at one that
 * the program handles and forgets (timers, children, a garbage collector's own). EINTR would then reach programs that no
 * file on a disk ever gives it to: fsync "fails" in a database, and a page fault becomes SIGBUS. So only a process that
 * is being killed gets it, for whom nothing else ends the wait; the others are watched until they are.
 */
export class Interrupts {
  readonly #clock: Clock;
  readonly #isDying: (tid: number) => boolean | undefined;
  readonly #uniques = new Float64Array(REMEMBERED_MAX);
  readonly #tids = new Uint32Array(REMEMBERED_MAX);
  #next = 0;
  readonly #watched = new Map<number, { tid: number; untilMs: number }>();
  #lookedMs = 0;

  constructor(clock: Clock, dying: (tid: number) => boolean | undefined = isDying) {
    this.#clock = clock;
    this.#isDying = dying;
  }

  /** Are there requests to look at again, every WATCH_PERIOD_MS? */
  get isWatching(): boolean {
    return this.#watched.size > 0;
  }

  /** This request is answered later. */
  remember(unique: number, tid: number): void {
    this.#uniques[this.#next] = unique;
    this.#tids[this.#next] = tid;
    this.#next = (this.#next + 1) % REMEMBERED_MAX;
  }

  /** An INTERRUPT came for this request: is it to be answered EINTR now? */
  interrupt(unique: number): boolean {
    const index = this.#uniques.lastIndexOf(unique);
    // Not one that waits here: it has been answered, and another answer would find nobody.
    if (index < 0) return false;
    const tid = this.#tids[index]!;
    if (this.#isDying(tid) !== false) return true;
    if (this.#watched.size < WATCHED_MAX)
      this.#watched.set(unique, { tid, untilMs: this.#clock.monotonicMs() + WATCH_MS });
    return false;
  }

  /** Those among the watched that are to be answered EINTR by now. */
  due(): number[] {
    const nowMs = this.#clock.monotonicMs();
    if (this.#watched.size === 0 || nowMs - this.#lookedMs < WATCH_PERIOD_MS) return [];
    this.#lookedMs = nowMs;
    const found: number[] = [];
    for (const [unique, { tid, untilMs }] of this.#watched) {
      const dying = this.#isDying(tid);
      if (dying === false && nowMs < untilMs) continue;
      this.#watched.delete(unique);
      if (dying === true) found.push(unique);
    }
    return found;
  }
}
