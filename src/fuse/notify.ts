import { nameToBytes, type ByteString } from '../base/bytes.js';
import { NotifyCode } from './protocol/constants.js';
import { outHeader } from './protocol/structs.js';

/**
 * Messages that tell the kernel to forget what it caches. They are written to the mount's descriptor, from a thread
 * that may wait: the kernel writes dirty pages back (WRITE requests, to the owner thread) before the write(2) returns.
 * ENOENT from that write is fine: the kernel holds nothing of it.
 */
function message(code: number, bodyBytes: number): Buffer {
  const bytes = Buffer.alloc(outHeader.bytes + bodyBytes);
  bytes.writeUInt32LE(bytes.length, outHeader.len);
  bytes.writeInt32LE(code, outHeader.error);
  return bytes;
}

/**
 * Writes back and drops the cached attributes and data of an inode. `offset` < 0: only the attributes; `length` <= 0: up
 * to the end of the file.
 */
export function invalidateInode(ino: number, offset = 0, length = 0): Uint8Array {
  const bytes = message(NotifyCode.INVAL_INODE, 24);
  bytes.writeBigUInt64LE(BigInt(ino), outHeader.bytes);
  bytes.writeBigInt64LE(BigInt(offset), outHeader.bytes + 8);
  bytes.writeBigInt64LE(BigInt(length), outHeader.bytes + 16);
  return bytes;
}

/** Drops a cached name, and the attributes of its directory. */
export function invalidateEntry(parent: number, name: ByteString): Uint8Array {
  const bytes = message(NotifyCode.INVAL_ENTRY, 16 + name.length + 1);
  bytes.writeBigUInt64LE(BigInt(parent), outHeader.bytes);
  bytes.writeUInt32LE(name.length, outHeader.bytes + 8);
  bytes.set(nameToBytes(name), outHeader.bytes + 16);
  return bytes;
}
