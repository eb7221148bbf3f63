/**
 * Layouts of the kernel's structures: byte offsets from the start of the structure, and its size. A request is
 * `inHeader`, the structure of its opcode, then names and data; a reply is `outHeader` and the structure of the answer.
 */
import { Opcode } from './constants.js';

export const inHeader = {
  bytes: 40,
  len: 0,
  opcode: 4,
  unique: 8,
  nodeid: 16,
  uid: 24,
  gid: 28,
  pid: 32,
  extlen: 36,
} as const;
export const outHeader = { bytes: 16, len: 0, error: 4, unique: 8 } as const;

// -- requests --
export const forgetIn = { bytes: 8, nlookup: 0 } as const;
export const forgetOne = { bytes: 16, nodeid: 0, nlookup: 8 } as const;
export const batchForgetIn = { bytes: 8, count: 0 } as const;
export const getattrIn = { bytes: 16 } as const;
export const setattrIn = {
  bytes: 88,
  valid: 0,
  fh: 8,
  size: 16,
  atime: 32,
  mtime: 40,
  ctime: 48,
  atimensec: 56,
  mtimensec: 60,
  ctimensec: 64,
  mode: 68,
  uid: 76,
  gid: 80,
} as const;
export const mknodIn = { bytes: 16, mode: 0, rdev: 4 } as const;
export const mkdirIn = { bytes: 8, mode: 0 } as const;
export const renameIn = { bytes: 8, newdir: 0 } as const;
export const rename2In = { bytes: 16, newdir: 0, flags: 8 } as const;
export const linkIn = { bytes: 8, oldnodeid: 0 } as const;
export const openIn = { bytes: 8, flags: 0, openFlags: 4 } as const;
export const createIn = { bytes: 16, flags: 0, mode: 4, openFlags: 12 } as const;
export const readIn = { bytes: 40, fh: 0, offset: 8, size: 16 } as const;
export const writeIn = { bytes: 40, fh: 0, offset: 8, size: 16, writeFlags: 20 } as const;
export const releaseIn = { bytes: 24, fh: 0 } as const;
export const flushIn = { bytes: 24, fh: 0 } as const;
export const fsyncIn = { bytes: 16, fh: 0, fsyncFlags: 8 } as const;
/** Without the extension that FUSE_SETXATTR_EXT would add: it is not asked for. */
export const setxattrIn = { bytes: 8, size: 0, flags: 4 } as const;
export const getxattrIn = { bytes: 8, size: 0 } as const;
export const initIn = { bytes: 16, major: 0, minor: 4, maxReadahead: 8, flags: 12 } as const;
export const interruptIn = { bytes: 8, unique: 0 } as const;
export const fallocateIn = { bytes: 32, fh: 0, offset: 8, length: 16, mode: 24 } as const;
export const lseekIn = { bytes: 24, fh: 0, offset: 8, whence: 16 } as const;
export const copyFileRangeIn = { bytes: 56, fhIn: 0, offIn: 8, nodeidOut: 16, fhOut: 24, offOut: 32, len: 40 } as const;

// -- replies --
export const attrStruct = {
  bytes: 88,
  ino: 0,
  size: 8,
  blocks: 16,
  atime: 24,
  mtime: 32,
  ctime: 40,
  atimensec: 48,
  mtimensec: 52,
  ctimensec: 56,
  mode: 60,
  nlink: 64,
  uid: 68,
  gid: 72,
  rdev: 76,
  blksize: 80,
  flags: 84,
} as const;
export const entryOut = {
  bytes: 40 + attrStruct.bytes,
  nodeid: 0,
  generation: 8,
  entryValid: 16,
  attrValid: 24,
  entryValidNsec: 32,
  attrValidNsec: 36,
  attr: 40,
} as const;
export const attrOut = { bytes: 16 + attrStruct.bytes, attrValid: 0, attrValidNsec: 8, dummy: 12, attr: 16 } as const;
export const openOut = { bytes: 16, fh: 0, openFlags: 8 } as const;
export const writeOut = { bytes: 8, size: 0 } as const;
export const statfsOut = {
  bytes: 80,
  blocks: 0,
  bfree: 8,
  bavail: 16,
  files: 24,
  ffree: 32,
  bsize: 40,
  namelen: 44,
  frsize: 48,
} as const;
export const getxattrOut = { bytes: 8, size: 0 } as const;
export const lseekOut = { bytes: 8, offset: 0 } as const;
export const initOut = {
  bytes: 64,
  major: 0,
  minor: 4,
  maxReadahead: 8,
  flags: 12,
  maxBackground: 16,
  congestionThreshold: 18,
  maxWrite: 20,
  timeGran: 24,
  maxPages: 28,
} as const;
export const direntStruct = { bytes: 24, ino: 0, off: 8, namelen: 16, type: 20 } as const;

/** Records of a directory listing start at multiples of 8. */
export const alignRecord = (bytes: number): number => (bytes + 7) & ~7;

/** Bytes after the header that a request of this opcode has at least; names come on top, each with its NUL. */
const MIN_BODY_BYTES: ReadonlyMap<number, number> = new Map([
  [Opcode.LOOKUP, 2],
  [Opcode.FORGET, forgetIn.bytes],
  [Opcode.GETATTR, getattrIn.bytes],
  [Opcode.SETATTR, setattrIn.bytes],
  [Opcode.SYMLINK, 4],
  [Opcode.MKNOD, mknodIn.bytes + 2],
  [Opcode.MKDIR, mkdirIn.bytes + 2],
  [Opcode.UNLINK, 2],
  [Opcode.RMDIR, 2],
  [Opcode.RENAME, renameIn.bytes + 4],
  [Opcode.LINK, linkIn.bytes + 2],
  [Opcode.OPEN, openIn.bytes],
  [Opcode.READ, readIn.bytes],
  [Opcode.WRITE, writeIn.bytes],
  [Opcode.RELEASE, releaseIn.bytes],
  [Opcode.FSYNC, fsyncIn.bytes],
  [Opcode.SETXATTR, setxattrIn.bytes + 2],
  [Opcode.GETXATTR, getxattrIn.bytes + 2],
  [Opcode.LISTXATTR, getxattrIn.bytes],
  [Opcode.REMOVEXATTR, 2],
  [Opcode.FLUSH, flushIn.bytes],
  [Opcode.INIT, initIn.bytes],
  [Opcode.OPENDIR, openIn.bytes],
  [Opcode.READDIR, readIn.bytes],
  [Opcode.RELEASEDIR, releaseIn.bytes],
  [Opcode.FSYNCDIR, fsyncIn.bytes],
  [Opcode.CREATE, createIn.bytes + 2],
  [Opcode.INTERRUPT, interruptIn.bytes],
  [Opcode.BATCH_FORGET, batchForgetIn.bytes],
  [Opcode.FALLOCATE, fallocateIn.bytes],
  [Opcode.READDIRPLUS, readIn.bytes],
  [Opcode.RENAME2, rename2In.bytes + 4],
  [Opcode.LSEEK, lseekIn.bytes],
  [Opcode.COPY_FILE_RANGE, copyFileRangeIn.bytes],
]);

const TABLE_SIZE = 64;
const minBody = new Uint8Array(TABLE_SIZE);
for (const [opcode, bytes] of MIN_BODY_BYTES) minBody[opcode] = bytes;

/** 0 for an opcode without a structure, or one that is not known. */
export function minBodyBytes(opcode: number): number {
  return opcode < TABLE_SIZE ? minBody[opcode]! : 0;
}

/** The kernel waits for no answer to these, and must not get one. */
export function isOneWay(opcode: number): boolean {
  return (
    opcode === Opcode.FORGET ||
    opcode === Opcode.BATCH_FORGET ||
    opcode === Opcode.INTERRUPT ||
    opcode === Opcode.NOTIFY_REPLY
  );
}
