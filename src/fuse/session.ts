import { systemClock, type Clock } from '../base/clock.js';
import { ERRNO, errnoName } from '../base/errno.js';
import { OWNER_SLICE_MS } from '../base/limits.js';
import { eventfdDrain, poll, read, setNonblocking, write } from '../base/libc.js';
import { silentLogger, type Logger } from '../base/log.js';
import type { VfsOps } from '../vfs/types.js';
import { Bridge, REQUEST_BYTES_MAX, type BridgeOptions } from './bridge.js';
import { Interrupts, WATCH_PERIOD_MS } from './interrupts.js';
import { Parked } from './parked.js';
import { outHeader } from './protocol/structs.js';
import { SpinPolicy } from './spin.js';

/** Requests served in a row before messages and background work are looked at. */
const REQUESTS_PER_LOOK = 32;
/** Background work that nobody waits for starts after this much silence... */
const QUIET_MS = 4;
/** ...or when there has been none for so long. */
const BUSY_WITHOUT_IDLE_MS = 25;
const PARKED_RETRY_MS = 100;

export interface FuseSessionOptions extends BridgeOptions {
  readOnly: boolean;
  /** Microseconds of polling after each request before the thread sleeps; 50 when absent, 0 = none. */
  spinUs?: number;
}

export interface SessionHooks {
  /** The eventfd was written: take the messages. true = end the session. */
  onWake(): boolean;
  /** The thread is about to sleep: hand on what others wait for. */
  beforeSleep(): void;
  /** Background work for at most this long; true = there is more. */
  idle(budgetMs: number): boolean;
}

export interface FuseSessionParts {
  /** The mount's descriptor. */
  fd: number;
  /** Written by other threads to wake this one. */
  eventFd: number;
  vfs: VfsOps;
  options: FuseSessionOptions;
  hooks: SessionHooks;
  logger?: Logger;
  clock?: Clock;
}

/** The loop of the owner thread: requests of the kernel, messages of other threads, and work for quiet times. */
export class FuseSession {
  readonly #fd: number;
  readonly #eventFd: number;
  readonly #hooks: SessionHooks;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #bridge: Bridge;
  readonly #spin: SpinPolicy;
  readonly #parked = new Parked();
  readonly #interrupts: Interrupts;
  readonly #bothFds: readonly number[];
  readonly #eventFdOnly: readonly number[];
  #sleeps = 0;
  #untilLook = REQUESTS_PER_LOOK;
  #hasIdleWork = true;
  #idleMs = 0;

  constructor(parts: FuseSessionParts) {
    this.#fd = parts.fd;
    this.#eventFd = parts.eventFd;
    this.#bothFds = [parts.fd, parts.eventFd];
    this.#eventFdOnly = [parts.eventFd];
    this.#hooks = parts.hooks;
    this.#logger = parts.logger ?? silentLogger;
    this.#clock = parts.clock ?? systemClock;
    this.#spin = new SpinPolicy({ spinUs: parts.options.spinUs, clock: this.#clock });
    this.#interrupts = new Interrupts(this.#clock);
    this.#bridge = new Bridge({
      vfs: parts.vfs,
      options: parts.options,
      logger: this.#logger,
      send: (bytes, length) => this.#send(bytes, length),
      onInterrupt: (unique) => this.#onInterrupt(unique),
      onPending: (unique, tid) => this.#interrupts.remember(unique, tid),
    });
  }

  /** `requests`: how many of each kind, by the name of the operation. */
  stats(): { requests: Record<string, number>; sleeps: number; parked: number; spins: boolean } {
    return {
      requests: this.#bridge.countsByName(),
      sleeps: this.#sleeps,
      parked: this.#parked.count,
      spins: this.#spin.isOn,
    };
  }

  /**
   * Serves until the mount is gone ('unmounted') or a hook says so ('stopped'). Blocks its thread.
   * @throws Error when the descriptor fails in a way that no request explains
   */
  run(): 'unmounted' | 'stopped' {
    setNonblocking(this.#fd);
    const { bytes } = this.#bridge.request;
    this.#idleMs = this.#clock.monotonicMs();
    for (;;) {
      if (this.#parked.isFull) {
        if (this.#sleep()) return 'stopped';
        continue;
      }
      const length = read(this.#fd, bytes, REQUEST_BYTES_MAX);
      if (length > 0) {
        this.#serve(length);
        if (--this.#untilLook === 0 && this.#lookAround()) return 'stopped';
        continue;
      }
      if (!this.#isTolerated(length)) return 'unmounted';
      if (this.#spin.goesOn()) continue;
      if (this.#sleep()) return 'stopped';
    }
  }

  /** Errors of the read that mean nothing are listed here; false = the mount is gone; all others end the session. */
  #isTolerated(result: number): boolean {
    switch (-result) {
      case ERRNO.EAGAIN: // no request now
      case ERRNO.EINTR: // a signal
      case ERRNO.ENOENT: // the request was interrupted while the kernel handed it over
        return true;
      case ERRNO.ENODEV: // unmounted, or aborted
        return false;
      default:
        throw new Error(`cannot read from the mount's descriptor: ${errnoName(-result)} (${result})`);
    }
  }

  #serve(length: number): void {
    this.#hasIdleWork = true;
    this.#spin.restart();
    if (this.#bridge.handle(length, !this.#parked.isEmpty) === 'wait') this.#park(length);
  }

  #park(length: number): void {
    const { request } = this.#bridge;
    this.#parked.add(request.unique, request.bytes.subarray(0, length));
    this.#interrupts.remember(request.unique, request.pid);
  }

  /** In the order in which they came, as long as there is room. */
  #retryParked(): void {
    for (let bytes = this.#parked.first(); bytes !== undefined; bytes = this.#parked.first()) {
      this.#bridge.request.bytes.set(bytes);
      if (this.#bridge.handle(bytes.length) === 'wait') return;
      this.#parked.removeFirst();
    }
  }

  /** While requests never cease, messages and background work get their turn here. */
  #lookAround(): boolean {
    this.#untilLook = REQUESTS_PER_LOOK;
    if (poll(this.#eventFdOnly, 0) > 0 && this.#wake()) return true;
    if (this.#clock.monotonicMs() - this.#idleMs > BUSY_WITHOUT_IDLE_MS) this.#idle();
    return false;
  }

  #idle(): void {
    this.#hasIdleWork = this.#hooks.idle(OWNER_SLICE_MS);
    this.#idleMs = this.#clock.monotonicMs();
  }

  /** Waits for a request, a message or the time for background work; true = stop. */
  #sleep(): boolean {
    this.#hooks.beforeSleep();
    this.#spin.checkThrottling();
    this.#sleeps++;
    const isFull = this.#parked.isFull;
    const ready = poll(isFull ? this.#eventFdOnly : this.#bothFds, this.#sleepMs());
    if (ready < 0) throw new Error(`cannot wait for requests: ${errnoName(-ready)}`);
    this.#answerInterrupted();
    if (ready === 0) {
      this.#retryParked();
      // Silence: slices of background work, until something comes or there is no more.
      do this.#idle();
      while (this.#hasIdleWork && poll(isFull ? this.#eventFdOnly : this.#bothFds, 0) === 0);
      return false;
    }
    const woken = isFull ? ready > 0 : (ready & 2) !== 0;
    return woken && this.#wake();
  }

  #sleepMs(): number {
    if (this.#hasIdleWork) return QUIET_MS;
    // They are told when there is room; a message that gets lost must not stop them for ever.
    if (!this.#parked.isEmpty) return PARKED_RETRY_MS;
    return this.#interrupts.isWatching ? WATCH_PERIOD_MS : -1;
  }

  #wake(): boolean {
    eventfdDrain(this.#eventFd);
    const isStopping = this.#hooks.onWake();
    this.#hasIdleWork = true;
    this.#retryParked();
    return isStopping;
  }

  #onInterrupt(unique: number): boolean {
    const isEnding = this.#interrupts.interrupt(unique);
    if (isEnding) this.#parked.remove(unique);
    return isEnding;
  }

  #answerInterrupted(): void {
    for (const unique of this.#interrupts.due()) {
      this.#parked.remove(unique);
      this.#bridge.answerInterrupted(unique);
    }
  }

  #send(bytes: Uint8Array, length: number): void {
    const result = write(this.#fd, bytes, length);
    // ENOENT: the request was interrupted and is over. ENODEV: the next read says so, too.
    if (result >= 0 || result === -ERRNO.ENOENT || result === -ERRNO.ENODEV) return;
    this.#logger.error({ errno: errnoName(-result), bytes: length }, 'the kernel refused a reply');
    if (length <= outHeader.bytes) return;
    // A reply that the kernel cannot read would leave its caller waiting for ever.
    new DataView(bytes.buffer, bytes.byteOffset).setUint32(outHeader.len, outHeader.bytes, true);
    new DataView(bytes.buffer, bytes.byteOffset).setInt32(outHeader.error, -ERRNO.EIO, true);
    write(this.#fd, bytes, outHeader.bytes);
  }
}
