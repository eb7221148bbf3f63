import { FileType } from '../meta/inode.js';

/** S_IFMT bits by file type. */
const TYPE_BITS: Record<FileType, number> = {
  [FileType.FILE]: 0o100000,
  [FileType.DIRECTORY]: 0o040000,
  [FileType.SYMLINK]: 0o120000,
  [FileType.FIFO]: 0o010000,
  [FileType.BLOCK]: 0o060000,
  [FileType.CHAR]: 0o020000,
  [FileType.SOCKET]: 0o140000,
};

/** `st_mode` of an inode. */
export function fullMode(inode: { type: FileType; mode: number }): number {
  return TYPE_BITS[inode.type] | inode.mode;
}

/** `d_type` of a directory record. */
export function direntType(type: FileType): number {
  return TYPE_BITS[type] >> 12;
}
