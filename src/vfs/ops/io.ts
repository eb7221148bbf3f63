import { FsError } from '../../base/errors.js';
import { FILE_BYTES_MAX, MIB } from '../../base/limits.js';
import type { DataPlane } from '../../chunk/data-plane.js';
import { FileType } from '../../meta/inode.js';
import type { Inode, Namespace } from '../../meta/namespace.js';
import { dropCapabilities, withoutSetId } from './attr.js';

const FALLOC_KEEP_SIZE = 1;
const FALLOC_PUNCH_HOLE = 2;
const FALLOC_ZERO_RANGE = 16;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;
/** Copied by one call; the caller asks again for the rest. Keeps the batch of rows small. */
const COPY_BYTES_MAX = 64 * MIB;

function checkFile(inode: Inode): void {
  if (inode.type === FileType.DIRECTORY) throw new FsError('EISDIR');
  if (inode.type !== FileType.FILE) throw new FsError('EINVAL');
}

export function writeFile(
  namespace: Namespace,
  data: DataPlane,
  inode: Inode,
  offset: number,
  bytes: Uint8Array,
  how: { killPriv: boolean; keepTimes: boolean },
): void {
  checkFile(inode);
  if (offset < 0) throw new FsError('EINVAL');
  if (offset + bytes.length > FILE_BYTES_MAX) throw new FsError('EFBIG');
  dropCapabilities(namespace, inode);
  if (how.killPriv) dropSetId(namespace, inode);
  if (!how.keepTimes) return data.write(inode, offset, bytes);
  const { mtime, mtimensec, ctime, ctimensec } = inode;
  data.write(inode, offset, bytes, { sec: ctime, nsec: ctimensec });
  // A WRITE record has one time for both.
  if (mtime === ctime && mtimensec === ctimensec) return;
  inode.mtime = mtime;
  inode.mtimensec = mtimensec;
  namespace.changed(inode);
}

function dropSetId(namespace: Namespace, inode: Inode): void {
  const mode = withoutSetId(inode.mode);
  if (mode !== inode.mode) namespace.setAttr(inode, { mode });
}

function touch(namespace: Namespace, inode: Inode): void {
  const { sec, nsec } = namespace.now();
  inode.mtime = inode.ctime = sec;
  inode.mtimensec = inode.ctimensec = nsec;
}

export function allocate(
  namespace: Namespace,
  data: DataPlane,
  inode: Inode,
  mode: number,
  offset: number,
  length: number,
): void {
  checkFile(inode);
  if (offset < 0 || length <= 0) throw new FsError('EINVAL');
  const end = offset + length;
  if (end > FILE_BYTES_MAX) throw new FsError('EFBIG');
  const keepsSize = (mode & FALLOC_KEEP_SIZE) !== 0;
  const rest = mode & ~FALLOC_KEEP_SIZE;
  if (rest !== 0 && rest !== FALLOC_PUNCH_HOLE && rest !== FALLOC_ZERO_RANGE) throw new FsError('EOPNOTSUPP');
  if (rest === FALLOC_PUNCH_HOLE && !keepsSize) throw new FsError('EOPNOTSUPP');
  const lengthBefore = inode.length;
  const zeroedEnd = Math.min(end, lengthBefore);
  const zeroed = rest !== 0 && offset < lengthBefore ? data.chunksIn(inode, offset, zeroedEnd) : [];
  dropCapabilities(namespace, inode);
  if (!keepsSize) inode.length = Math.max(inode.length, end);
  inode.mode = withoutSetId(inode.mode);
  touch(namespace, inode);
  namespace.changed(inode, (rows) => data.zero(inode, zeroed, offset, zeroedEnd, rows));
}

export function seek(data: DataPlane, inode: Inode, offset: number, whence: number): number {
  checkFile(inode);
  if (whence !== SEEK_DATA && whence !== SEEK_HOLE) throw new FsError('EINVAL');
  if (offset < 0 || offset >= inode.length) throw new FsError('ENXIO');
  if (whence === SEEK_HOLE) return data.seekHole(inode, offset);
  const found = data.seekData(inode, offset);
  if (found === undefined) throw new FsError('ENXIO');
  return found;
}

export function copyRange(
  namespace: Namespace,
  data: DataPlane,
  from: { inode: Inode; offset: number },
  to: { inode: Inode; offset: number },
  length: number,
): number {
  checkFile(from.inode);
  checkFile(to.inode);
  if (from.offset < 0 || to.offset < 0 || length < 0) throw new FsError('EINVAL');
  const wanted = Math.min(length, COPY_BYTES_MAX, from.inode.length - from.offset);
  if (wanted <= 0) return 0;
  if (to.offset + wanted > FILE_BYTES_MAX) throw new FsError('EFBIG');
  if (from.inode === to.inode && Math.abs(from.offset - to.offset) < wanted) throw new FsError('EINVAL');
  const pieces = data.piecesOf(from.inode, from.offset, wanted);
  const last = pieces.at(-1)!;
  const copied = last.at + last.len;
  data.chunksIn(to.inode, to.offset, to.offset + copied);
  dropCapabilities(namespace, to.inode);
  to.inode.mode = withoutSetId(to.inode.mode);
  to.inode.length = Math.max(to.inode.length, to.offset + copied);
  touch(namespace, to.inode);
  namespace.changed(to.inode, (rows) => data.share(pieces, to.inode, to.offset, rows));
  return copied;
}
