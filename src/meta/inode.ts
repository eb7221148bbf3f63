import type { ByteString } from '../base/bytes.js';

/** JuiceFS's type codes. */
export const FileType = { FILE: 1, DIRECTORY: 2, SYMLINK: 3, FIFO: 4, BLOCK: 5, CHAR: 6, SOCKET: 7 } as const;
export type FileType = (typeof FileType)[keyof typeof FileType];

export const ROOT_INO = 1;

/**
 * The columns of a `jfs_node` row, as numbers. Times are whole seconds and nanoseconds (0..999,999,999); `mode` holds
 * permission bits only (0..0o7777); `parent` is 0 for an inode that is or was hard-linked.
 */
export interface NodeRow {
  ino: number;
  type: FileType;
  flags: number;
  mode: number;
  uid: number;
  gid: number;
  rdev: number;
  nlink: number;
  length: number;
  parent: number;
  atime: number;
  atimensec: number;
  mtime: number;
  mtimensec: number;
  ctime: number;
  ctimensec: number;
  accessAcl: number;
  defaultAcl: number;
  tier: number;
}

/** A directory entry. `id` is its `jfs_edge.id`, which is also its directory cookie: stable, never reused, rising. */
export interface Dentry {
  readonly id: number;
  readonly name: ByteString;
  readonly ino: number;
  readonly type: FileType;
}

/** Bytes that the format charges for an inode: regular files by their length, everything else one page. */
export function chargedBytes(type: FileType, length: number): number {
  if (type !== FileType.FILE || length <= 0) return 4096;
  return Math.ceil(length / 4096) * 4096;
}
