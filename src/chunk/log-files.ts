import { closeSync, constants, fsyncSync, ftruncateSync, mkdirSync, openSync, rmSync } from 'node:fs';
import { assert } from '../base/assert.js';
import { ERRNO, type ErrnoCode } from '../base/errno.js';
import { fallocate, fdatasync, pwrite } from '../base/libc.js';
import { KIB } from '../base/limits.js';
import { listSegments, segmentPath, segmentStart } from './log-names.js';

/** Segments with bytes that are not on the disk; at more the oldest is synced, so that open files stay few. */
const DIRTY_SEGMENTS_MAX = 32;

/** The errno (positive) of an error of `node:fs`. */
export function errnoOf(error: unknown): number {
  const code = (error as NodeJS.ErrnoException).code;
  return (code !== undefined && ERRNO[code as ErrnoCode]) || ERRNO.EIO;
}

/** The log thread's end of the segment files: preallocates, writes, syncs. Answers 0 or -errno. */
export class LogFiles {
  readonly #directory: string;
  readonly #segmentBytes: number;
  readonly #directoryFd: number;
  /** Open for writing, by LSN of the first byte, in order of the log. */
  readonly #fds = new Map<number, number>();
  /** Segments with bytes that are not on the disk. */
  readonly #dirty = new Set<number>();
  #isDirectoryDirty = false;
  #reserved: number;
  /** Bytes in front of the next segment to be reserved that belong to the session before: only the first has them. */
  #keptBytes: number;

  /**
   * Makes everything before `startLsn` durable, and cuts off everything from there on: what a crash left there must never
   * be taken for a record of this session. Throws the errors of `node:fs`.
   */
  constructor(directory: string, segmentBytes: number, startLsn: number) {
    this.#directory = directory;
    this.#segmentBytes = segmentBytes;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    this.#directoryFd = openSync(directory, 'r');
    const current = segmentStart(startLsn, segmentBytes);
    this.#reserved = current;
    this.#keptBytes = startLsn - current;
    for (const { path, startLsn: start } of listSegments(directory).toReversed()) {
      if (start > current || start === startLsn) {
        rmSync(path);
        continue;
      }
      const fd = openSync(path, 'r+');
      try {
        if (start === current) ftruncateSync(fd, startLsn - start);
        fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
    }
    fsyncSync(this.#directoryFd);
  }

  /** Writes before this cannot fail for want of space. */
  get reserved(): number {
    return this.#reserved;
  }

  /** Gives the next segment its disk space. */
  reserveNext(): number {
    const start = this.#reserved;
    const path = segmentPath(this.#directory, start);
    let fd: number;
    try {
      const mustBeNew = this.#keptBytes === 0 ? constants.O_EXCL : 0;
      fd = openSync(path, constants.O_RDWR | constants.O_CREAT | mustBeNew, 0o600);
    } catch (error) {
      return -errnoOf(error);
    }
    const result = this.#allocate(fd);
    if (result < 0) {
      if (this.#keptBytes > 0) ftruncateSync(fd, this.#keptBytes);
      else rmSync(path, { force: true });
      closeSync(fd);
      return result;
    }
    this.#fds.set(start, fd);
    this.#isDirectoryDirty = true;
    this.#reserved = start + this.#segmentBytes;
    this.#keptBytes = 0;
    return 0;
  }

  /** Writes `bytes` bytes of `buffer[at]` on at `lsn`; they lie in one segment. */
  write(buffer: Uint8Array, at: number, bytes: number, lsn: number): number {
    const start = segmentStart(lsn, this.#segmentBytes);
    const fd = this.#fds.get(start);
    assert(fd !== undefined && lsn + bytes <= this.#reserved, 'what is written was reserved');
    this.#dirty.add(start);
    for (let done = 0; done < bytes;) {
      const wrote = pwrite(fd, buffer, at + done, bytes - done, lsn - start + done);
      if (wrote === -ERRNO.EINTR) continue;
      if (wrote <= 0) return wrote === 0 ? -ERRNO.EIO : wrote;
      done += wrote;
    }
    if (this.#dirty.size <= DIRTY_SEGMENTS_MAX) return 0;
    const oldest = this.#dirty.values().next().value!;
    return this.#syncSegment(oldest, lsn + bytes);
  }

  /** Everything written (it ends at `writtenLsn`) is on the disk, and so are the names of its files. */
  sync(writtenLsn: number): number {
    for (const start of this.#dirty) {
      const result = this.#syncSegment(start, writtenLsn);
      if (result < 0) return result;
    }
    if (!this.#isDirectoryDirty) return 0;
    try {
      fsyncSync(this.#directoryFd);
    } catch (error) {
      return -errnoOf(error);
    }
    this.#isDirectoryDirty = false;
    return 0;
  }

  /** Deletes segments that lie wholly below `lsn` and are not being written; their bytes need not reach the disk. */
  deleteBelow(lsn: number, writtenLsn: number): void {
    for (const { path, startLsn: start } of listSegments(this.#directory)) {
      const end = start + this.#segmentBytes;
      if (end > lsn || end > writtenLsn) break;
      this.#dirty.delete(start);
      this.#close(start);
      try {
        rmSync(path, { force: true });
      } catch {
        // The next call tries again.
      }
    }
  }

  /** Gives back what was preallocated behind `endLsn`, and closes everything. */
  finish(endLsn: number): void {
    for (const [start, fd] of [...this.#fds].toReversed()) {
      if (start >= endLsn) rmSync(segmentPath(this.#directory, start), { force: true });
      else if (start + this.#segmentBytes > endLsn) ftruncateSync(fd, endLsn - start);
      this.#close(start);
    }
    closeSync(this.#directoryFd);
  }

  #allocate(fd: number): number {
    for (;;) {
      const result = fallocate(fd, this.#keptBytes, this.#segmentBytes - this.#keptBytes);
      if (result === -ERRNO.EINTR) continue;
      return result === -ERRNO.EOPNOTSUPP ? this.#fillUp(fd) : result;
    }
  }

  /** Where the file system cannot preallocate, zeros take the space. */
  #fillUp(fd: number): number {
    const zeros = new Uint8Array(256 * KIB);
    for (let at = this.#keptBytes; at < this.#segmentBytes;) {
      const wrote = pwrite(fd, zeros, 0, Math.min(zeros.length, this.#segmentBytes - at), at);
      if (wrote === -ERRNO.EINTR) continue;
      if (wrote <= 0) return wrote === 0 ? -ERRNO.ENOSPC : wrote;
      at += wrote;
    }
    return 0;
  }

  #syncSegment(start: number, writtenLsn: number): number {
    const fd = this.#fds.get(start)!;
    let result: number;
    do result = fdatasync(fd);
    while (result === -ERRNO.EINTR);
    if (result < 0) return result;
    this.#dirty.delete(start);
    if (start + this.#segmentBytes <= writtenLsn) this.#close(start);
    return 0;
  }

  #close(start: number): void {
    const fd = this.#fds.get(start);
    if (fd === undefined) return;
    this.#fds.delete(start);
    closeSync(fd);
  }
}
