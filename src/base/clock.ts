/** The one place that reads clocks, so that tests can give their own. */
export interface Clock {
  /** Wall clock, milliseconds since 1970, with a fraction. */
  nowMs(): number;
  /** Monotonic, milliseconds from an arbitrary start, with a fraction. */
  monotonicMs(): number;
}

export const systemClock: Clock = {
  nowMs: () => performance.timeOrigin + performance.now(),
  monotonicMs: () => performance.now(),
};

/** A wall-clock time as the namespace keeps it: whole seconds and nanoseconds 0..999,999,999. */
export interface Timespec {
  sec: number;
  nsec: number;
}

/** Calls back once after `ms`; the answer cancels it. An `idle` timer does not keep the process alive. */
export function startTimer(ms: number, onTime: () => void, options: { idle?: boolean } = {}): () => void {
  const timer = setTimeout(onTime, ms);
  if (options.idle === true) timer.unref();
  return () => clearTimeout(timer);
}

export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason as Error);
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
