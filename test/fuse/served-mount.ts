import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { test } from 'uvu';
import { close, eventfd, eventfdWrite } from '../../dist/base/libc.js';
import { mountDirect, unmountDirect, type DirectMountOptions } from '../../dist/fuse/direct.js';
import { fuseFacts } from '../../dist/fuse/facts.js';
import { abortConnection, connectionOf, mountAt } from '../../dist/fuse/mounts.js';
import type { FuseSessionOptions } from '../../dist/fuse/session.js';

/** False on machines without FUSE; there the tests that need a mount are skipped. */
export function canMount(): boolean {
  const facts = fuseFacts();
  return (
    facts.helperPath !== null && facts.device === 'open' && (facts.isRoot ? facts.hasSysAdmin : facts.helperIsSetuid)
  );
}

/** A test of a real mount; skipped where none can be made. */
export function mountedTest(name: string, body: () => void | Promise<void>, isPossible = canMount()): void {
  const register = isPossible ? (): void => test(name, body) : (): void => test.skip(name, body);
  register();
}

export interface WorkerInput {
  fd: number;
  eventFd: number;
  options: Partial<FuseSessionOptions>;
  counts: Int32Array;
  /** See MemoryVfs.rooms: one in so many calls of `room` answers 'wait'. */
  waitEvery?: number;
  /** Reads are never answered. */
  isStuck?: boolean;
}

/** What the worker counts, by index in `counts`. */
export const Count = { WRITES: 0, IDLES: 1, BEFORE_SLEEPS: 2, WAITS: 3 } as const;

export type WorkerOutcome = { ended: 'unmounted' | 'stopped' } | { failed: string };

/** A mount that a worker thread serves from memory, with the test's own thread as its user. */
export class ServedMount {
  readonly path: string;
  readonly eventFd: number;
  readonly fd: number;
  readonly counts: Int32Array;
  readonly #connection: number | undefined;
  readonly outcome: Promise<WorkerOutcome>;

  private constructor(path: string, input: WorkerInput, outcome: Promise<WorkerOutcome>) {
    this.path = path;
    this.fd = input.fd;
    this.eventFd = input.eventFd;
    this.counts = input.counts;
    this.#connection = connectionOf(path);
    this.outcome = outcome;
  }

  static async start(
    options: {
      session?: Partial<FuseSessionOptions>;
      mount?: Partial<DirectMountOptions>;
      waitEvery?: number;
      isStuck?: boolean;
      path?: string;
    } = {},
  ): Promise<ServedMount> {
    const place = options.path ?? mkdtempSync(join(tmpdir(), 'forkfs-fuse-test-'));
    const { fd, mountPath } = mountOrRemove(place, options.mount);
    const eventFd = eventfd();
    const counts = new Int32Array(new SharedArrayBuffer(16));
    const input: WorkerInput = { fd, eventFd, counts, options: options.session ?? {} };
    if (options.waitEvery !== undefined) input.waitEvery = options.waitEvery;
    if (options.isStuck !== undefined) input.isStuck = options.isStuck;
    const worker = new Worker(new URL('./served-mount-worker.ts', import.meta.url), { workerData: input });
    const outcome = new Promise<WorkerOutcome>((resolve) => {
      worker.on('message', (message: WorkerOutcome | 'serving') => message !== 'serving' && resolve(message));
      worker.on('error', (error) => resolve({ failed: String(error) }));
      worker.on('exit', () => resolve({ failed: 'the worker ended without a word' }));
    });
    await new Promise<void>((resolve) => worker.once('message', () => resolve()));
    return new ServedMount(mountPath, input, outcome);
  }

  /** Unmounts in good order and says how the loop ended. */
  async end(): Promise<WorkerOutcome> {
    await unmountDirect(this.path);
    return this.outcome;
  }

  /** Whatever state it is in: nothing of it stays. */
  async cleanUp(): Promise<void> {
    if (mountAt(this.path) !== undefined) {
      if (this.#connection !== undefined) abortConnection(this.#connection);
      await unmountDirect(this.path, { lazy: true });
    }
    eventfdWrite(this.eventFd);
    close(this.fd);
    await this.outcome;
    close(this.eventFd);
    rmdirSync(this.path);
  }
}

function mountOrRemove(place: string, options: Partial<DirectMountOptions> = {}): { fd: number; mountPath: string } {
  try {
    return mountDirect({ mountPath: place, fsname: 'forkfs:test', ...options });
  } catch (error) {
    rmdirSync(place);
    throw error;
  }
}
