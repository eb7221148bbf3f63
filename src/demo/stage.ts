import { sleep, systemClock } from '../base/clock.js';

const BAR_COLUMNS = 78;
const LOOK_MS = 200;

/** What the demo shows: numbered steps with their times, a moving line for long ones, and what held. */
export class Stage {
  readonly times: { step: string; seconds: number }[] = [];
  readonly failures: string[] = [];
  comparisons = 0;
  readonly #signal: AbortSignal;
  /** Rejects when the demo is interrupted, so that no step is waited for then. */
  readonly #interruption: Promise<never>;
  readonly #watched = process.stderr.isTTY;
  #shownMs = 0;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    this.#interruption = new Promise((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error));
    });
    this.#interruption.catch(() => undefined);
  }

  line(text = ''): void {
    process.stdout.write(`${text}\n`);
  }

  /** Something that changes while one looks; where nobody looks it is left out. */
  progress(text: string): void {
    const now = systemClock.monotonicMs();
    if (!this.#watched || now - this.#shownMs < LOOK_MS / 2) return;
    this.#shownMs = now;
    process.stderr.write(`\r    ${text}`.slice(0, BAR_COLUMNS).padEnd(BAR_COLUMNS));
  }

  /** Runs a step and says how long it took, with what it answers for the line. */
  async step<T>(name: string, work: () => Promise<T> | T, tell: (result: T) => string = () => ''): Promise<T> {
    this.#signal.throwIfAborted();
    const begun = systemClock.monotonicMs();
    this.progress(`${name} ...`);
    try {
      const result = await Promise.race([work(), this.#interruption]);
      const seconds = (systemClock.monotonicMs() - begun) / 1000;
      this.times.push({ step: name, seconds });
      this.#clear();
      this.line(`${name.padEnd(44)} ${seconds.toFixed(2).padStart(7)} s  ${tell(result)}`.trimEnd());
      return result;
    } finally {
      this.#clear();
    }
  }

  /** Looks again and again while something long runs. */
  async watching<T>(work: Promise<T>, look: () => Promise<string>): Promise<T> {
    const done = new AbortController();
    const watch = async (): Promise<void> => {
      while (this.#watched) {
        this.progress(await look());
        await sleep(LOOK_MS, done.signal);
      }
    };
    // It ends by the abort below; a look that fails is not what matters here.
    const watcher = watch().catch(() => undefined);
    try {
      return await work;
    } finally {
      done.abort();
      await watcher;
    }
  }

  /** Counts a comparison; differences make the demo fail. */
  held(what: string, differences: readonly string[]): string {
    this.comparisons++;
    if (differences.length === 0) return 'equal';
    this.failures.push(`${what}: ${differences.length} difference${differences.length === 1 ? '' : 's'}`);
    for (const difference of differences.slice(0, 10)) this.failures.push(`    ${difference}`);
    return `${differences.length} DIFFERENCES`;
  }

  #clear(): void {
    if (this.#watched) process.stderr.write(`\r${' '.repeat(BAR_COLUMNS)}\r`);
  }
}
