import { closeSync, openSync, rmSync } from 'node:fs';
import { ERRNO } from '../base/errno.js';
import { pread, preadNowait } from '../base/libc.js';
import { LOG_SEGMENT_BYTES } from '../base/limits.js';
import { listSegments, segmentPath, segmentStart, type SegmentFile } from './log-names.js';

/** Segment files that one reader keeps open. */
const OPEN_SEGMENTS_MAX = 64;

/** Reads the log's segment files by LSN. For one thread; several may read the same folder. */
export class LogSegments {
  readonly #directory: string;
  readonly #segmentBytes: number;
  /** By LSN of the first byte, least recently used first. */
  readonly #fds = new Map<number, number>();
  /** The segment used last, which most reads want. */
  #lastStart = -1;
  #lastFd = -1;

  constructor(directory: string, segmentBytes: number = LOG_SEGMENT_BYTES) {
    this.#directory = directory;
    this.#segmentBytes = segmentBytes;
  }

  /** All segment files, those that are only preallocated too, in the order of the log. */
  list(): SegmentFile[] {
    return listSegments(this.#directory);
  }

  /** The open file in which `lsn` lies, at `lsn % segmentBytes`; undefined when there is none (any more). */
  fdFor(lsn: number): number | undefined {
    const start = segmentStart(lsn, this.#segmentBytes);
    if (start === this.#lastStart) return this.#lastFd;
    const fd = this.#fds.get(start) ?? this.#open(start);
    if (fd === undefined) return undefined;
    this.#fds.delete(start);
    this.#fds.set(start, fd);
    this.#lastStart = start;
    this.#lastFd = fd;
    return fd;
  }

  /**
   * Reads `bytes` bytes at `lsn`, which must lie in one segment, to `buffer[at]` on. Waits for the disk. Answers the bytes
   * read (fewer only at the end of the file) or -errno: -ENOENT when the segment was deleted.
   */
  read(buffer: Uint8Array, at: number, bytes: number, lsn: number): number {
    const fd = this.fdFor(lsn);
    if (fd === undefined) return -ERRNO.ENOENT;
    let done = 0;
    while (done < bytes) {
      const got = pread(fd, buffer, at + done, bytes - done, (lsn % this.#segmentBytes) + done);
      if (got === -ERRNO.EINTR) continue;
      if (got < 0) return got;
      if (got === 0) break;
      done += got;
    }
    return done;
  }

  /** {@link read} from memory only: -EAGAIN when not all of it is in the page cache. */
  readNowait(buffer: Uint8Array, at: number, bytes: number, lsn: number): number {
    const fd = this.fdFor(lsn);
    if (fd === undefined) return -ERRNO.ENOENT;
    const got = preadNowait(fd, buffer, at, bytes, lsn % this.#segmentBytes);
    return got >= 0 && got < bytes ? -ERRNO.EAGAIN : got;
  }

  /** Deletes the files of segments that lie wholly below `lsn`; it is well if somebody else did. */
  deleteBelow(lsn: number): void {
    this.forgetBelow(lsn);
    for (const { path, startLsn } of this.list()) {
      if (startLsn + this.#segmentBytes <= lsn) rmSync(path, { force: true });
    }
  }

  /** Closes the files of segments that lie wholly below `lsn`, so that their space is free once they are deleted. */
  forgetBelow(lsn: number): void {
    for (const start of this.#fds.keys()) if (start + this.#segmentBytes <= lsn) this.#close(start);
  }

  close(): void {
    for (const start of this.#fds.keys()) this.#close(start);
  }

  #open(start: number): number | undefined {
    let fd: number;
    try {
      fd = openSync(segmentPath(this.#directory, start), 'r');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
    this.#fds.set(start, fd);
    const oldest = this.#fds.keys().next().value;
    if (this.#fds.size > OPEN_SEGMENTS_MAX && oldest !== undefined) this.#close(oldest);
    return fd;
  }

  #close(start: number): void {
    const fd = this.#fds.get(start);
    if (fd === undefined) return;
    this.#fds.delete(start);
    if (this.#lastStart === start) this.#lastStart = -1;
    closeSync(fd);
  }
}
