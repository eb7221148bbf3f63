import type { Clock } from '../base/clock.js';
import { cpuLimits, throttledCount, type CpuLimits } from './cpu-quota.js';

const SPIN_US_DEFAULT = 50;
/** With fewer processors than this, polling takes the time that the file system's users need. */
const SPIN_CPUS_MIN = 2;
const THROTTLE_CHECK_MS = 2_000;
/** Reads between two looks at the clock: it costs about as much as a read. */
const TRIES_PER_LOOK = 4;

/**
 * How long to go on asking for requests before going to sleep. Waking a sleeping processor costs more than most requests
 * take, so that a client that sends one request after the other is served several times faster by a thread that has
 * stayed awake; but under a quota of processor time the polling is paid for with stalls.
 */
export class SpinPolicy {
  readonly #clock: Clock;
  readonly #limits: CpuLimits;
  #ms: number;
  #sinceMs = 0;
  #tries = 0;
  #throttled: number;
  #checkedMs: number;

  constructor(options: { spinUs?: number | undefined; clock: Clock; limits?: CpuLimits }) {
    this.#clock = options.clock;
    this.#limits = options.limits ?? cpuLimits();
    this.#ms = this.#limits.cpus < SPIN_CPUS_MIN ? 0 : (options.spinUs ?? SPIN_US_DEFAULT) / 1000;
    this.#throttled = throttledCount(this.#limits);
    this.#checkedMs = this.#clock.monotonicMs();
  }

  get isOn(): boolean {
    return this.#ms > 0;
  }

  /** A request came. */
  restart(): void {
    this.#tries = 0;
  }

  /** No request was there: ask once more at once? */
  goesOn(): boolean {
    if (this.#ms === 0) return false;
    const tries = this.#tries++;
    if (tries === 0) this.#sinceMs = this.#clock.monotonicMs();
    if (tries % TRIES_PER_LOOK !== TRIES_PER_LOOK - 1) return true;
    if (this.#clock.monotonicMs() - this.#sinceMs < this.#ms) return true;
    this.#tries = 0;
    return false;
  }

  /** Before a sleep: once a quota has stopped this process, polling ends for good. */
  checkThrottling(): void {
    if (this.#ms === 0 || this.#limits.statFiles.length === 0) return;
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#checkedMs < THROTTLE_CHECK_MS) return;
    this.#checkedMs = nowMs;
    if (throttledCount(this.#limits) > this.#throttled) this.#ms = 0;
  }
}
