import type { ByteString } from '../../base/bytes.js';
import {
  alignRecord,
  attrOut,
  attrStruct,
  direntStruct,
  entryOut,
  getxattrOut,
  lseekOut,
  openOut,
  outHeader,
  statfsOut,
  writeOut,
} from './structs.js';

const TWO_32 = 2 ** 32;
/** `stat.blocks` counts these. */
const STAT_BLOCK_BYTES = 512;
/**
 * `stat.blksize`: what stdio and cp take as the size of their buffers. Each write of a program is a request here, so
 * larger than a page is better.
 */
const IO_BLOCK_BYTES = 65536;

/** The attributes of an inode, under the names that the namespace has for them. Times: seconds (may be < 0), nanoseconds. */
export interface AttrFields {
  ino: number;
  length: number;
  /** Bytes that are stored at most; by it programs tell a file with large holes. */
  storedBytesMax?: number;
  nlink: number;
  uid: number;
  gid: number;
  rdev: number;
  atime: number;
  atimensec: number;
  mtime: number;
  mtimensec: number;
  ctime: number;
  ctimensec: number;
}

/** How long the kernel may believe an answer. */
export interface Validity {
  sec: number;
  nsec: number;
}

export interface StatfsFields {
  blockSize: number;
  blocks: number;
  blocksFree: number;
  blocksAvailable: number;
  files: number;
  filesFree: number;
  nameMax: number;
}

export const validityOfMs = (ms: number): Validity => {
  const sec = Math.floor(ms / 1000);
  return { sec, nsec: Math.floor((ms - sec * 1000) * 1_000_000) };
};

/** The one buffer for replies. Each method writes a structure behind the header and returns the length of the reply. */
export class Reply {
  readonly bytes: Buffer;
  readonly #view: DataView;
  readonly #uid: number | undefined;
  readonly #gid: number | undefined;

  /** `uid`, `gid`: everything is shown as theirs. */
  constructor(bytesMax: number, owner: { uid?: number | undefined; gid?: number | undefined } = {}) {
    this.bytes = Buffer.alloc(bytesMax);
    this.#view = new DataView(this.bytes.buffer, this.bytes.byteOffset, bytesMax);
    this.#uid = owner.uid;
    this.#gid = owner.gid;
  }

  /** `errno` is positive, 0 for success. */
  header(uniqueLow: number, uniqueHigh: number, length: number, errno: number): void {
    const view = this.#view;
    view.setUint32(outHeader.len, length, true);
    view.setInt32(outHeader.error, -errno, true);
    view.setUint32(outHeader.unique, uniqueLow, true);
    view.setUint32(outHeader.unique + 4, uniqueHigh, true);
  }

  u32(at: number, value: number): void {
    this.#view.setUint32(at, value, true);
  }

  u64(at: number, value: number): void {
    this.#view.setUint32(at, value >>> 0, true);
    this.#view.setInt32(at + 4, Math.floor(value / TWO_32), true);
  }

  /** `mode` with its type bits. */
  attr(at: number, inode: AttrFields, mode: number): void {
    const view = this.#view;
    this.u64(at + attrStruct.ino, inode.ino);
    this.u64(at + attrStruct.size, inode.length);
    this.u64(
      at + attrStruct.blocks,
      Math.ceil(Math.min(inode.length, inode.storedBytesMax ?? Infinity) / STAT_BLOCK_BYTES),
    );
    this.u64(at + attrStruct.atime, inode.atime);
    this.u64(at + attrStruct.mtime, inode.mtime);
    this.u64(at + attrStruct.ctime, inode.ctime);
    view.setUint32(at + attrStruct.atimensec, inode.atimensec, true);
    view.setUint32(at + attrStruct.mtimensec, inode.mtimensec, true);
    view.setUint32(at + attrStruct.ctimensec, inode.ctimensec, true);
    view.setUint32(at + attrStruct.mode, mode, true);
    view.setUint32(at + attrStruct.nlink, inode.nlink, true);
    view.setUint32(at + attrStruct.uid, this.#uid ?? inode.uid, true);
    view.setUint32(at + attrStruct.gid, this.#gid ?? inode.gid, true);
    view.setUint32(at + attrStruct.rdev, inode.rdev, true);
    view.setUint32(at + attrStruct.blksize, IO_BLOCK_BYTES, true);
    view.setUint32(at + attrStruct.flags, 0, true);
  }

  attrReply(inode: AttrFields, mode: number, valid: Validity): number {
    const at = outHeader.bytes;
    this.u64(at + attrOut.attrValid, valid.sec);
    this.u32(at + attrOut.attrValidNsec, valid.nsec);
    this.u32(at + attrOut.dummy, 0);
    this.attr(at + attrOut.attr, inode, mode);
    return at + attrOut.bytes;
  }

  /** Writes an entry at `at`; its node id is the inode number, which is never used twice, so the generation stays 0. */
  entry(at: number, inode: AttrFields, mode: number, entryValid: Validity, attrValid: Validity): void {
    this.u64(at + entryOut.nodeid, inode.ino);
    this.u64(at + entryOut.generation, 0);
    this.u64(at + entryOut.entryValid, entryValid.sec);
    this.u64(at + entryOut.attrValid, attrValid.sec);
    this.u32(at + entryOut.entryValidNsec, entryValid.nsec);
    this.u32(at + entryOut.attrValidNsec, attrValid.nsec);
    this.attr(at + entryOut.attr, inode, mode);
  }

  entryReply(inode: AttrFields, mode: number, entryValid: Validity, attrValid: Validity): number {
    this.entry(outHeader.bytes, inode, mode, entryValid, attrValid);
    return outHeader.bytes + entryOut.bytes;
  }

  /** "There is no such name", which the kernel may believe for a while. */
  negativeEntryReply(valid: Validity): number {
    const at = outHeader.bytes;
    this.bytes.fill(0, at, at + entryOut.bytes);
    this.u64(at + entryOut.entryValid, valid.sec);
    this.u32(at + entryOut.entryValidNsec, valid.nsec);
    return at + entryOut.bytes;
  }

  /** Written behind the header, or behind the entry in the answer to CREATE. */
  openReply(at: number, fh: number, openFlags: number): number {
    this.u64(at + openOut.fh, fh);
    this.u32(at + openOut.openFlags, openFlags);
    this.u32(at + openOut.openFlags + 4, 0);
    return at + openOut.bytes;
  }

  writeReply(size: number): number {
    this.u32(outHeader.bytes + writeOut.size, size);
    this.u32(outHeader.bytes + writeOut.size + 4, 0);
    return outHeader.bytes + writeOut.bytes;
  }

  xattrSizeReply(size: number): number {
    this.u32(outHeader.bytes + getxattrOut.size, size);
    this.u32(outHeader.bytes + getxattrOut.size + 4, 0);
    return outHeader.bytes + getxattrOut.bytes;
  }

  lseekReply(offset: number): number {
    this.u64(outHeader.bytes + lseekOut.offset, offset);
    return outHeader.bytes + lseekOut.bytes;
  }

  dataReply(data: Uint8Array): number {
    this.bytes.set(data, outHeader.bytes);
    return outHeader.bytes + data.length;
  }

  statfsReply(stat: StatfsFields): number {
    const at = outHeader.bytes;
    this.bytes.fill(0, at, at + statfsOut.bytes);
    this.u64(at + statfsOut.blocks, stat.blocks);
    this.u64(at + statfsOut.bfree, stat.blocksFree);
    this.u64(at + statfsOut.bavail, stat.blocksAvailable);
    this.u64(at + statfsOut.files, stat.files);
    this.u64(at + statfsOut.ffree, stat.filesFree);
    this.u32(at + statfsOut.bsize, stat.blockSize);
    this.u32(at + statfsOut.namelen, stat.nameMax);
    this.u32(at + statfsOut.frsize, stat.blockSize);
    return at + statfsOut.bytes;
  }

  /** Writes a directory record at `at`; returns where it ends. `type` is the file's mode >> 12. */
  dirent(at: number, ino: number, cookie: number, type: number, name: ByteString): number {
    const end = at + alignRecord(direntStruct.bytes + name.length);
    this.u64(at + direntStruct.ino, ino);
    this.u64(at + direntStruct.off, cookie);
    // The padding first, then the name over it: nothing of an earlier reply may leave.
    this.u32(end - 8, 0);
    this.u32(end - 4, 0);
    this.u32(at + direntStruct.namelen, name.length);
    this.u32(at + direntStruct.type, type);
    this.bytes.write(name, at + direntStruct.bytes, 'latin1');
    return end;
  }
}
