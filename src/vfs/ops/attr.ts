import type { Timespec } from '../../base/clock.js';
import { FsError } from '../../base/errors.js';
import { FILE_BYTES_MAX } from '../../base/limits.js';
import type { DataPlane } from '../../chunk/data-plane.js';
import { FileType } from '../../meta/inode.js';
import type { Inode, Namespace } from '../../meta/namespace.js';
import type { AttrChange } from '../types.js';

const S_ISUID = 0o4000;
const S_ISGID = 0o2000;
const S_IXGRP = 0o010;
export const CAPABILITY_XATTR = 'security.capability';

/** Without set-user-id, and without set-group-id where the group may execute: what a write or chown by others leaves. */
export function withoutSetId(mode: number): number {
  const kept = mode & ~S_ISUID;
  return (mode & S_IXGRP) === 0 ? kept : kept & ~S_ISGID;
}

/** Writing to a file, cutting it or giving it to somebody else takes its capabilities away. */
export function dropCapabilities(namespace: Namespace, inode: Inode): void {
  if (namespace.hasXattr(inode, CAPABILITY_XATTR)) namespace.removeXattr(inode, CAPABILITY_XATTR);
}

/** SETATTR: all of it in one batch of rows. */
export function changeAttributes(namespace: Namespace, data: DataPlane, inode: Inode, change: AttrChange): void {
  const { size } = change;
  if (size !== undefined) checkSize(inode, size);
  const lengthBefore = inode.length;
  // What lay beyond the new end must never be seen again, even if the file grows over it.
  const zeroed = size !== undefined && size < lengthBefore ? data.chunksIn(inode, size, lengthBefore) : [];
  const isGiven = change.uid !== undefined || change.gid !== undefined;
  if (size !== undefined || isGiven) dropCapabilities(namespace, inode);

  const now = namespace.now();
  if (change.mode !== undefined) inode.mode = change.mode & 0o7777;
  if (change.uid !== undefined) inode.uid = change.uid;
  if (change.gid !== undefined) inode.gid = change.gid;
  if (isGiven && change.mode === undefined && !inode.isDirectory) inode.mode = withoutSetId(inode.mode);
  const given = (time: AttrChange['atime']): Timespec => (time === undefined || time === 'now' ? now : time);
  if (change.atime !== undefined) ({ sec: inode.atime, nsec: inode.atimensec } = given(change.atime));
  if (change.mtime !== undefined || size !== undefined) {
    ({ sec: inode.mtime, nsec: inode.mtimensec } = given(change.mtime));
  }
  ({ sec: inode.ctime, nsec: inode.ctimensec } = given(change.ctime));
  if (size !== undefined) inode.length = size;
  namespace.changed(inode, (rows) => data.zero(inode, zeroed, size ?? 0, lengthBefore, rows));
}

function checkSize(inode: Inode, size: number): void {
  if (inode.type === FileType.DIRECTORY) throw new FsError('EISDIR');
  if (inode.type !== FileType.FILE) throw new FsError('EINVAL');
  if (size < 0) throw new FsError('EINVAL');
  if (size > FILE_BYTES_MAX) throw new FsError('EFBIG');
}
