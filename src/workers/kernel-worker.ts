/** Entry of a thread of the kernel pool: works on the arena in place, answers with numbers. */
import { workerData } from 'node:worker_threads';
import { errorToRecord, type ErrorRecord } from '../base/errors.js';
import { GRANULE_BYTES } from '../base/limits.js';
import { Arena, crcOffset, extentOf, workOffset } from './arena.js';
import { checksum, gather, note, type GatherTask, type KernelUses } from './kernels.js';
import { instantiateKernels } from './wasm.js';
import type { SharedMemory } from './webassembly.js';

const { memory } = workerData as { memory: SharedMemory };
const arena = Arena.attach(memory);
const kernels = instantiateKernels(memory);

/** What goes back to the pool: a value or an error as plain data, and which kernels ran. */
export interface Outcome<T> {
  value?: T;
  error?: ErrorRecord;
  uses: KernelUses;
}

/** Bytes of an extent; the extent's other areas belong to the task. */
export interface RangeTask {
  offset: number;
  bytes: number;
}

export interface CutTask extends RangeTask {
  min: number;
  avg: number;
  max: number;
}

function run<T>(work: (uses: KernelUses) => T): Outcome<T> {
  const uses: KernelUses = {};
  try {
    return { value: work(uses), uses };
  } catch (error) {
    return { error: errorToRecord(error), uses };
  }
}

export function gatherTask(task: GatherTask): unknown {
  return run((uses) => gather(kernels, arena, task, uses));
}

export function checksumTask({ offset, bytes }: RangeTask): unknown {
  const task = { offset, bytes, granuleBytes: GRANULE_BYTES, outPtr: crcOffset(extentOf(offset)) };
  return run((uses) => checksum(kernels, arena, task, uses));
}

export function hashTask({ offset, bytes }: RangeTask): unknown {
  return run((uses) => {
    const out = workOffset(extentOf(offset));
    kernels.hash128(offset, bytes, out);
    note(uses, 'hash128', bytes);
    return Uint8Array.from(arena.bytes(out, 32));
  });
}

export function cutTask({ offset, bytes, min, avg, max }: CutTask): unknown {
  return run((uses) => {
    const out = workOffset(extentOf(offset));
    const count = kernels.cutPoints(offset, bytes, min, avg, max, out, Math.ceil(bytes / min));
    note(uses, 'cutPoints', bytes);
    const cuts = new Uint32Array(count);
    new Uint8Array(cuts.buffer).set(arena.bytes(out, 4 * count));
    return cuts;
  });
}
