import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Piscina } from 'piscina';
import { assert } from '../base/assert.js';
import { errorFromRecord, VolumeError } from '../base/errors.js';
import { BLOCK_BYTES, KIB, MIB } from '../base/limits.js';
import { extentOf, type Arena } from './arena.js';
import type { Outcome, RangeTask } from './kernel-worker.js';
import type { Checksums, GatherTask } from './kernels.js';

export type { Checksums, GatherTask } from './kernels.js';

/** More would take the cores from the owner thread. */
const THREADS_MAX = 2;
/** An idle thread ends: a volume that is only read needs none. */
const IDLE_MS = 10_000;

export interface CutLimits {
  /** Shortest, average and longest piece in bytes; 64 <= min <= avg <= max. */
  min?: number;
  avg?: number;
  max?: number;
}

/**
 * The kernels on threads of their own, in place on the arena: extents go in by their offset and only numbers come back.
 * The caller owns the extent until the promise is settled, and has one task at a time in it: results are written to its
 * work space.
 */
export class KernelPool {
  readonly #piscina: Piscina;
  readonly #jobs: Record<string, number> = {};
  readonly #bytes: Record<string, number> = {};
  #isClosed = false;

  constructor(arena: Arena, options: { threads?: number } = {}) {
    this.#piscina = new Piscina({
      filename: fileURLToPath(new URL('./kernel-worker.js', import.meta.url)),
      minThreads: 0,
      maxThreads: options.threads ?? Math.min(THREADS_MAX, availableParallelism()),
      idleTimeout: IDLE_MS,
      recordTiming: false,
      workerData: { memory: arena.memory },
    });
  }

  /**
   * Gathers a pack from the log's files into its extent and checksums it there.
   * @throws FsError of the file that could not be read, `EIO` when it is too short
   */
  gather(task: GatherTask): Promise<Checksums> {
    return this.#run('gatherTask', task);
  }

  /** CRCs of `bytes` bytes at `offset`, which lie in one extent: for granules of GRANULE_BYTES and for all. */
  checksum(offset: number, bytes: number): Promise<Checksums> {
    return this.#run('checksumTask', inExtent(offset, bytes));
  }

  /** BLAKE3 of bytes of an extent: 32 bytes, of which the first 16 are the 128-bit hash. */
  hash(offset: number, bytes: number): Promise<Uint8Array> {
    return this.#run('hashTask', inExtent(offset, bytes));
  }

  /** Ends of the content-defined pieces of bytes of an extent, counted from `offset`. */
  cutPoints(offset: number, bytes: number, limits: CutLimits = {}): Promise<Uint32Array> {
    const { min = 256 * KIB, avg = MIB, max = BLOCK_BYTES } = limits;
    assert(min >= 64 && min <= avg && avg <= max, 'lengths of pieces are in order');
    return this.#run('cutTask', { ...inExtent(offset, bytes), min, avg, max });
  }

  /** Calls of each kernel so far, and the bytes it went over. */
  stats(): { jobs: Record<string, number>; bytes: Record<string, number> } {
    return { jobs: { ...this.#jobs }, bytes: { ...this.#bytes } };
  }

  /** Ends the threads. Tasks that are not done are rejected with VolumeError `state`. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#piscina.destroy();
  }

  async #run<T>(name: string, task: object): Promise<T> {
    if (this.#isClosed) throw new VolumeError('state', 'the kernel pool is closed');
    let outcome: Outcome<T>;
    try {
      outcome = (await this.#piscina.run(task, { name })) as Outcome<T>;
    } catch (error) {
      if (this.#isClosed) throw new VolumeError('state', 'the kernel pool was closed', { cause: error });
      throw new VolumeError('io', `a kernel thread failed: ${String(error)}`, { cause: error });
    }
    for (const [kernel, use] of Object.entries(outcome.uses)) {
      this.#jobs[kernel] = (this.#jobs[kernel] ?? 0) + use.jobs;
      this.#bytes[kernel] = (this.#bytes[kernel] ?? 0) + use.bytes;
    }
    if (outcome.error !== undefined) throw errorFromRecord(outcome.error);
    return outcome.value as T;
  }
}

function inExtent(offset: number, bytes: number): RangeTask {
  assert(offset - extentOf(offset) + bytes <= BLOCK_BYTES, 'the bytes lie in one extent');
  return { offset, bytes };
}
