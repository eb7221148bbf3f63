import { close, openSync } from 'node:fs';
import { promisify } from 'node:util';
import { FsError } from '../base/errors.js';
import { readFully } from './granule-checker.js';
import { segmentPath, segmentStart } from './log-names.js';

const closeAsync = promisify(close);

/**
 * Fills `into` with the log's bytes from `lsn` on, which are in its files already. The files are opened before this
 * function returns: a segment that is deleted right afterwards, because a version was published, can still be read.
 *
 * @throws FsError `EIO` when the bytes are not there; Node's errors
 */
export async function readLogPart(
  directory: string,
  segmentBytes: number,
  lsn: number,
  into: Uint8Array,
): Promise<void> {
  const pieces: { fd: number; at: number; length: number; position: number }[] = [];
  try {
    for (let at = 0; at < into.length;) {
      const start = segmentStart(lsn + at, segmentBytes);
      const position = lsn + at - start;
      const length = Math.min(into.length - at, segmentBytes - position);
      pieces.push({ fd: openSync(segmentPath(directory, start), 'r'), at, length, position });
      at += length;
    }
    for (const { fd, at, length, position } of pieces) {
      const got = await readFully(fd, into.subarray(at, at + length), position);
      if (got < length) throw new FsError('EIO', { message: 'a file of the log is too short', syscall: 'read' });
    }
  } finally {
    for (const { fd } of pieces) await closeAsync(fd);
  }
}
