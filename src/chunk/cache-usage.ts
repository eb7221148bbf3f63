import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { sleep, systemClock, type Clock } from '../base/clock.js';
import { ERRNO, errnoName } from '../base/errno.js';
import { FsError } from '../base/errors.js';
import { flockExclusive } from '../base/libc.js';
import { systemRandom } from '../base/random.js';

const NAME = '.usage';
/** The file has at most this many digits. */
const NUMBER_BYTES_MAX = 32;

/** What the holder of the lock may do: see how many bytes the cache has, and say how many it has now. */
export interface Usage {
  /** Undefined when nobody has counted yet. */
  readonly bytes: number | undefined;
  set(bytes: number): void;
}

/**
 * The number of bytes in a cache folder, shared by all processes that use it: a small file under a lock (flock), which
 * ends with its holder. The number is never too small, because it grows before a file does; a count of the folder sets it
 * right.
 */
export class CacheUsage {
  readonly #directory: string;
  readonly #patienceMs: number;
  readonly #clock: Clock;
  #last: Promise<unknown> = Promise.resolve();

  constructor(directory: string, options: { patienceMs?: number; clock?: Clock } = {}) {
    this.#directory = directory;
    this.#patienceMs = options.patienceMs ?? 2000;
    this.#clock = options.clock ?? systemClock;
  }

  static isUsageFile(name: string): boolean {
    return name === NAME;
  }

  /**
   * Works while no other process does. Undefined when the lock was not to be had within the patience.
   * @throws FsError, or an error of `node:fs`: the folder cannot be used
   */
  locked<T>(work: (usage: Usage) => Promise<T>): Promise<T | undefined> {
    const result = this.#last.then(() => this.#locked(work));
    // A pause, so that a busy process does not take the lock again before another has looked.
    this.#last = result.catch(() => undefined).then(() => sleep(1));
    return result;
  }

  async #locked<T>(work: (usage: Usage) => Promise<T>): Promise<T | undefined> {
    const fd = await this.#lock();
    if (fd === undefined) return undefined;
    try {
      return await work({
        bytes: readNumber(fd),
        set(bytes) {
          // Cut first: a crash in between leaves no number, and then the folder is counted.
          ftruncateSync(fd, 0);
          writeSync(fd, `${bytes}\n`, 0);
        },
      });
    } finally {
      // The lock goes with the open file.
      closeSync(fd);
    }
  }

  async #lock(): Promise<number | undefined> {
    const deadline = this.#clock.monotonicMs() + this.#patienceMs;
    for (;;) {
      const fd = this.#open();
      const result = flockExclusive(fd);
      if (result >= 0 && this.#isCurrent(fd)) return fd;
      closeSync(fd);
      if (result < 0 && result !== -ERRNO.EAGAIN && result !== -ERRNO.EINTR) {
        throw new FsError(errnoName(-result), { message: 'the cache cannot be locked', syscall: 'flock' });
      }
      if (this.#clock.monotonicMs() >= deadline) return undefined;
      await sleep(1 + systemRandom.below(4));
    }
  }

  #open(): number {
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    return openSync(join(this.#directory, NAME), constants.O_RDWR | constants.O_CREAT, 0o600);
  }

  /** Somebody may have deleted the folder since it was opened: then others lock another file. */
  #isCurrent(fd: number): boolean {
    const found = statSync(join(this.#directory, NAME), { throwIfNoEntry: false });
    return found !== undefined && found.ino === fstatSync(fd).ino;
  }
}

function readNumber(fd: number): number | undefined {
  const buffer = Buffer.alloc(NUMBER_BYTES_MAX);
  const text = buffer.toString('latin1', 0, readSync(fd, buffer, 0, NUMBER_BYTES_MAX, 0));
  return /^\d{1,16}\n$/.test(text) ? Number(text) : undefined;
}
