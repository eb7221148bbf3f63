import { closeSync, openSync, readSync } from 'node:fs';
import { assert } from '../base/assert.js';
import { FsError } from '../base/errors.js';
import { BLOCK_BYTES, GRANULE_BYTES, KIB } from '../base/limits.js';
import { crcOffset, EXTENT_WORK_BYTES, workOffset, type Arena } from './arena.js';
import type { Kernels } from './wasm.js';

/** A pack to be gathered: piece i is `lens[i]` bytes at `lsns[i]` of the log. */
export interface GatherTask {
  /** Segment files that hold the pieces, by ascending `firstByte` (the LSN of a file's first byte). */
  files: { path: string; firstByte: number }[];
  lsns: Float64Array;
  lens: Uint32Array;
  /** Offset of the extent that receives the pieces, one after the other. */
  extent: number;
  granuleBytes: number;
}

export interface Checksums {
  /** CRC-32C of each granule. */
  crcs: Uint32Array;
  /** CRC-32C of the whole. */
  crc: number;
}

/** Calls of one kernel and the bytes it went over. */
export interface KernelUse {
  jobs: number;
  bytes: number;
}
export type KernelUses = Record<string, KernelUse>;

/** Pieces further apart in the log than this are not read together. */
const GAP_BYTES_MAX = 16 * KIB;
/** Work space of an extent while it is gathered: `{u32 ptr, u32 bytes}` of each piece, then what was read. */
const PIECES_MAX = 4096;
const PIECES_BYTES = 8 * PIECES_MAX;
const STAGING_BYTES = EXTENT_WORK_BYTES - PIECES_BYTES;

export function note(uses: KernelUses, kernel: string, bytes: number): void {
  const use = (uses[kernel] ??= { jobs: 0, bytes: 0 });
  use.jobs++;
  use.bytes += bytes;
}

/** CRCs of `bytes` bytes at `offset`; u32 each they are at `outPtr` too. The whole's is combined from the granules'. */
export function checksum(
  kernels: Kernels,
  arena: Arena,
  task: { offset: number; bytes: number; granuleBytes: number; outPtr: number },
  uses: KernelUses,
): Checksums {
  const count = kernels.granules(task.offset, task.bytes, task.granuleBytes, task.outPtr);
  note(uses, 'granules', task.bytes);
  const view = arena.bytes(task.outPtr, 4 * count);
  const crcs = new Uint32Array(count);
  new Uint8Array(crcs.buffer).set(view);
  let crc = 0;
  for (let i = 0; i < count; i++) {
    const bytes = Math.min(task.granuleBytes, task.bytes - i * task.granuleBytes);
    crc = kernels.crc32cCombine(crc, crcs[i] ?? 0, bytes);
  }
  note(uses, 'crc32cCombine', task.bytes);
  return { crcs, crc };
}

/**
 * Reads the pieces from the log's files into the extent and checksums them there.
 * @throws FsError of the system call that failed; `EIO` when a file is too short
 */
export function gather(kernels: Kernels, arena: Arena, task: GatherTask, uses: KernelUses): Checksums {
  const files = new LogFiles(task.files);
  try {
    const bytes = new Gatherer(kernels, arena, task, files, uses).run();
    const granules = { offset: task.extent, bytes, granuleBytes: task.granuleBytes, outPtr: crcOffset(task.extent) };
    return checksum(kernels, arena, granules, uses);
  } finally {
    files.close();
  }
}

/** A pack of small writes is thousands of pieces near each other: a window of the log is read at once and packed. */
class Gatherer {
  readonly #kernels: Kernels;
  readonly #arena: Arena;
  readonly #task: GatherTask;
  readonly #files: LogFiles;
  readonly #uses: KernelUses;
  readonly #pieces: DataView;
  readonly #staging: number;

  constructor(kernels: Kernels, arena: Arena, task: GatherTask, files: LogFiles, uses: KernelUses) {
    assert(task.lsns.length === task.lens.length, 'each piece has a place and a length');
    const granules = Math.ceil(BLOCK_BYTES / task.granuleBytes);
    assert(granules <= BLOCK_BYTES / GRANULE_BYTES, 'the CRCs have room in the extent');
    this.#kernels = kernels;
    this.#arena = arena;
    this.#task = task;
    this.#files = files;
    this.#uses = uses;
    const work = workOffset(task.extent);
    this.#pieces = new DataView(arena.memory.buffer, work, PIECES_BYTES);
    this.#staging = work + PIECES_BYTES;
  }

  /** Answers the bytes gathered. */
  run(): number {
    const { lens, extent } = this.#task;
    const total = lens.reduce((sum, len) => sum + len, 0);
    assert(total <= BLOCK_BYTES, 'a pack fits in an extent');
    let to = extent;
    for (let first = 0; first < lens.length;) {
      const end = this.#windowEnd(first);
      to += end - first === 1 ? this.#readOne(first, to) : this.#readWindow(first, end, to);
      first = end;
    }
    return to - extent;
  }

  /** Pieces [first, end) follow each other closely in one file and fit in the staging space. */
  #windowEnd(first: number): number {
    const { lsns, lens } = this.#task;
    const start = lsns[first] ?? 0;
    const file = this.#files.indexFor(start);
    let end = first + 1;
    for (let last = first; end < lsns.length && end - first < PIECES_MAX; last = end++) {
      const lsn = lsns[end] ?? 0;
      const gap = lsn - ((lsns[last] ?? 0) + (lens[last] ?? 0));
      if (gap < 0 || gap > GAP_BYTES_MAX || lsn + (lens[end] ?? 0) - start > STAGING_BYTES) break;
      if (this.#files.indexFor(lsn) !== file) break;
    }
    return end;
  }

  #readOne(piece: number, to: number): number {
    const bytes = this.#task.lens[piece] ?? 0;
    this.#files.read(this.#arena.bytes(to, bytes), this.#task.lsns[piece] ?? 0);
    return bytes;
  }

  #readWindow(first: number, end: number, to: number): number {
    const { lsns, lens } = this.#task;
    const start = lsns[first] ?? 0;
    const length = (lsns[end - 1] ?? 0) + (lens[end - 1] ?? 0) - start;
    this.#files.read(this.#arena.bytes(this.#staging, length), start);
    for (let i = first; i < end; i++) {
      this.#pieces.setUint32(8 * (i - first), this.#staging + (lsns[i] ?? 0) - start, true);
      this.#pieces.setUint32(8 * (i - first) + 4, lens[i] ?? 0, true);
    }
    const copied = this.#kernels.copyPieces(this.#pieces.byteOffset, end - first, to);
    note(this.#uses, 'copyPieces', copied);
    return copied;
  }
}

/** The segment files of one task, opened when they are needed. */
class LogFiles {
  readonly #files: GatherTask['files'];
  readonly #fds: (number | undefined)[] = [];

  constructor(files: GatherTask['files']) {
    this.#files = files;
  }

  /** Which file holds the byte at `lsn`: the last one that starts at or before it. */
  indexFor(lsn: number): number {
    let index = this.#files.length - 1;
    while (index > 0 && (this.#files[index]?.firstByte ?? 0) > lsn) index--;
    return index;
  }

  /** Fills `into` from `lsn` on, all of it from one file. */
  read(into: Uint8Array, lsn: number): void {
    const index = this.indexFor(lsn);
    const file = this.#files[index];
    if (file === undefined || lsn < file.firstByte)
      throw new FsError('EIO', { message: `no log file holds lsn ${lsn}` });
    const fd = (this.#fds[index] ??= openSync(file.path, 'r'));
    for (let done = 0; done < into.length;) {
      const got = readSync(fd, into, done, into.length - done, lsn - file.firstByte + done);
      if (got === 0) throw new FsError('EIO', { message: 'log file is too short', syscall: 'read', path: file.path });
      done += got;
    }
  }

  close(): void {
    for (const fd of this.#fds) if (fd !== undefined) closeSync(fd);
  }
}
