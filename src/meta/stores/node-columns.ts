import { Inode } from '../cached-inode.js';
import type { FileType, NodeRow } from '../inode.js';
import type { SqlValue } from './sql.js';

/** The columns of a `jfs_node` row, in the order of {@link nodeValues} and {@link inodeOfValues}. */
export const NODE_COLUMNS = (
  'inode type flags mode uid gid atime mtime ctime atimensec mtimensec ctimensec ' +
  'nlink length rdev parent access_acl_id default_acl_id tier_id'
).split(' ');

/**
 * The last whole second whose microseconds are exact in a double, and so the latest time that is kept: year 2255. Times
 * beyond it, and before its negative, are brought to it, as every Linux file system does with its own bounds.
 */
export const TIME_SEC_MAX = Math.floor(Number.MAX_SAFE_INTEGER / 1e6) - 1;

export function clampSec(sec: number): number {
  return sec > TIME_SEC_MAX ? TIME_SEC_MAX : sec < -TIME_SEC_MAX ? -TIME_SEC_MAX : sec;
}

/** Seconds and nanoseconds as the format's microseconds; the nanoseconds that remain are `nsec % 1000`. */
function microseconds(sec: number, nsec: number): number {
  return sec * 1e6 + Math.floor(nsec / 1000);
}

/** Within its bounds also where microseconds are too many for a double to tell them apart. */
function nanoseconds(micros: number, sec: number, rest: number): number {
  return Math.min(Math.max((micros - sec * 1e6) * 1000 + rest, 0), 999_999_999);
}

export function nodeValues(node: NodeRow): SqlValue[] {
  return [
    node.ino,
    node.type,
    node.flags,
    node.mode,
    node.uid,
    node.gid,
    microseconds(node.atime, node.atimensec),
    microseconds(node.mtime, node.mtimensec),
    microseconds(node.ctime, node.ctimensec),
    node.atimensec % 1000,
    node.mtimensec % 1000,
    node.ctimensec % 1000,
    node.nlink,
    node.length,
    node.rdev,
    node.parent,
    node.accessAcl,
    node.defaultAcl,
    node.tier,
  ];
}

export function inodeOfValues(row: readonly SqlValue[]): Inode {
  const inode = new Inode(row[0] as number, row[1] as FileType, true);
  inode.flags = row[2] as number;
  inode.mode = row[3] as number;
  inode.uid = row[4] as number;
  inode.gid = row[5] as number;
  // Floor, not truncation: the remainder counts forwards before 1970 too.
  inode.atime = Math.floor((row[6] as number) / 1e6);
  inode.mtime = Math.floor((row[7] as number) / 1e6);
  inode.ctime = Math.floor((row[8] as number) / 1e6);
  inode.atimensec = nanoseconds(row[6] as number, inode.atime, row[9] as number);
  inode.mtimensec = nanoseconds(row[7] as number, inode.mtime, row[10] as number);
  inode.ctimensec = nanoseconds(row[8] as number, inode.ctime, row[11] as number);
  inode.nlink = row[12] as number;
  inode.length = row[13] as number;
  // NULL reads as 0 in the columns that may be NULL.
  inode.rdev = (row[14] as number | null) ?? 0;
  inode.parent = (row[15] as number | null) ?? 0;
  inode.accessAcl = (row[16] as number | null) ?? 0;
  inode.defaultAcl = (row[17] as number | null) ?? 0;
  inode.tier = (row[18] as number | null) ?? 0;
  return inode;
}
