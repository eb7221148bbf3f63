import { assert } from '../base/assert.js';
import type { ByteString } from '../base/bytes.js';
import type { FileType, NodeRow } from './inode.js';

/**
 * The namespace's changes as data: final states of rows, which can be applied again without harm. A batch of them is
 * the payload of a ROWS record of the log, takes effect whole, and is the only way in which a change of the namespace
 * reaches an index: the owner writes behind with it, the index builder and recovery replay it.
 *
 * An operation is one byte of kind and its fields, little endian; byte strings carry their length in front.
 */
const Op = {
  PUT_NODE: 1,
  DELETE_NODE: 2,
  PUT_EDGE: 3,
  DELETE_EDGE: 4,
  PUT_SYMLINK: 5,
  PUT_XATTR: 6,
  DELETE_XATTR: 7,
  ZERO: 8,
  SHARE: 9,
} as const;

/** What a reader of rows does with each operation. */
export interface RowVisitor {
  putNode(node: NodeRow): void;
  /** The inode is gone with its symlink, xattrs and chunks. Its edges are deleted by operations of their own. */
  deleteNode(ino: number): void;
  /** Replaces an entry of the same name. */
  putEdge(id: number, parent: number, name: ByteString, ino: number, type: FileType): void;
  deleteEdge(parent: number, name: ByteString): void;
  putSymlink(ino: number, target: Uint8Array): void;
  putXattr(ino: number, name: ByteString, value: Uint8Array): void;
  deleteXattr(ino: number, name: ByteString): void;
  /** [pos, pos + len) of the chunk reads as zeros from now on. */
  zero(ino: number, indx: number, pos: number, len: number): void;
  /** The chunk gets a record of slice `id` (`size` bytes in all; 0 = a pack whose SEAL record says it) on top. */
  share(ino: number, indx: number, pos: number, id: number, size: number, off: number, len: number): void;
}

/** Builds a batch in a buffer that is used again and again; `bytes()` is valid until the next `reset()`. */
export class RowWriter implements RowVisitor {
  #bytes = new Uint8Array(4096);
  #view = new DataView(this.#bytes.buffer);
  #at = 0;

  reset(): void {
    this.#at = 0;
  }

  get length(): number {
    return this.#at;
  }

  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#at);
  }

  putNode(node: NodeRow): void {
    this.#need(1 + 120);
    this.#u8(Op.PUT_NODE);
    this.#u64(node.ino);
    this.#u8(node.type);
    this.#u8(node.flags);
    this.#u8(node.tier);
    this.#u32(node.mode);
    this.#u32(node.uid);
    this.#u32(node.gid);
    this.#u32(node.rdev);
    this.#u32(node.nlink);
    this.#u64(node.length);
    this.#u64(node.parent);
    this.#time(node.atime, node.atimensec);
    this.#time(node.mtime, node.mtimensec);
    this.#time(node.ctime, node.ctimensec);
    this.#u32(node.accessAcl);
    this.#u32(node.defaultAcl);
  }

  deleteNode(ino: number): void {
    this.#need(9);
    this.#u8(Op.DELETE_NODE);
    this.#u64(ino);
  }

  putEdge(id: number, parent: number, name: ByteString, ino: number, type: FileType): void {
    this.#need(32 + name.length);
    this.#u8(Op.PUT_EDGE);
    this.#u64(id);
    this.#u64(parent);
    this.#u64(ino);
    this.#u8(type);
    this.#name(name);
  }

  deleteEdge(parent: number, name: ByteString): void {
    this.#need(16 + name.length);
    this.#u8(Op.DELETE_EDGE);
    this.#u64(parent);
    this.#name(name);
  }

  putSymlink(ino: number, target: Uint8Array): void {
    this.#need(16 + target.length);
    this.#u8(Op.PUT_SYMLINK);
    this.#u64(ino);
    this.#blob(target);
  }

  putXattr(ino: number, name: ByteString, value: Uint8Array): void {
    this.#need(24 + name.length + value.length);
    this.#u8(Op.PUT_XATTR);
    this.#u64(ino);
    this.#name(name);
    this.#blob(value);
  }

  deleteXattr(ino: number, name: ByteString): void {
    this.#need(16 + name.length);
    this.#u8(Op.DELETE_XATTR);
    this.#u64(ino);
    this.#name(name);
  }

  zero(ino: number, indx: number, pos: number, len: number): void {
    this.#need(24);
    this.#u8(Op.ZERO);
    this.#u64(ino);
    this.#u32(indx);
    this.#u32(pos);
    this.#u32(len);
  }

  share(ino: number, indx: number, pos: number, id: number, size: number, off: number, len: number): void {
    this.#need(48);
    this.#u8(Op.SHARE);
    this.#u64(ino);
    this.#u32(indx);
    this.#u32(pos);
    this.#u64(id);
    this.#u32(size);
    this.#u32(off);
    this.#u32(len);
  }

  #need(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#at + bytes));
    grown.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }

  #u8(value: number): void {
    this.#view.setUint8(this.#at, value);
    this.#at += 1;
  }

  #u32(value: number): void {
    this.#view.setUint32(this.#at, value, true);
    this.#at += 4;
  }

  #u64(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, 'a 64-bit field of a row is a safe integer');
    this.#view.setUint32(this.#at, value >>> 0, true);
    this.#view.setUint32(this.#at + 4, Math.floor(value / 2 ** 32), true);
    this.#at += 8;
  }

  #time(sec: number, nsec: number): void {
    // A double holds every whole second that the format can store, before 1970 as well.
    this.#view.setFloat64(this.#at, sec, true);
    this.#view.setUint32(this.#at + 8, nsec, true);
    this.#at += 12;
  }

  #name(name: ByteString): void {
    this.#view.setUint16(this.#at, name.length, true);
    this.#at += 2;
    for (let i = 0; i < name.length; i++) this.#bytes[this.#at + i] = name.charCodeAt(i);
    this.#at += name.length;
  }

  #blob(value: Uint8Array): void {
    this.#u32(value.length);
    this.#bytes.set(value, this.#at);
    this.#at += value.length;
  }
}

/** Calls the visitor for each operation of a batch, in order. Byte strings and blobs handed over are copies. */
export function readRows(batch: Uint8Array, visitor: RowVisitor): void {
  const reader = new RowReader(batch);
  while (!reader.done) readRow(reader, visitor);
}

function readRow(r: RowReader, visitor: RowVisitor): void {
  const op = r.u8();
  switch (op) {
    case Op.PUT_NODE:
      return visitor.putNode(readNode(r));
    case Op.DELETE_NODE:
      return visitor.deleteNode(r.u64());
    case Op.PUT_EDGE: {
      const [id, parent, ino, type] = [r.u64(), r.u64(), r.u64(), r.u8() as FileType];
      return visitor.putEdge(id, parent, r.name(), ino, type);
    }
    case Op.DELETE_EDGE:
      return visitor.deleteEdge(r.u64(), r.name());
    case Op.PUT_SYMLINK:
      return visitor.putSymlink(r.u64(), r.blob());
    case Op.PUT_XATTR:
      return visitor.putXattr(r.u64(), r.name(), r.blob());
    case Op.DELETE_XATTR:
      return visitor.deleteXattr(r.u64(), r.name());
    case Op.ZERO:
      return visitor.zero(r.u64(), r.u32(), r.u32(), r.u32());
    case Op.SHARE:
      return visitor.share(r.u64(), r.u32(), r.u32(), r.u64(), r.u32(), r.u32(), r.u32());
    default:
      throw new Error(`unknown row operation ${op}`);
  }
}

function readNode(r: RowReader): NodeRow {
  return {
    ino: r.u64(),
    type: r.u8() as FileType,
    flags: r.u8(),
    tier: r.u8(),
    mode: r.u32(),
    uid: r.u32(),
    gid: r.u32(),
    rdev: r.u32(),
    nlink: r.u32(),
    length: r.u64(),
    parent: r.u64(),
    atime: r.f64(),
    atimensec: r.u32(),
    mtime: r.f64(),
    mtimensec: r.u32(),
    ctime: r.f64(),
    ctimensec: r.u32(),
    accessAcl: r.u32(),
    defaultAcl: r.u32(),
  };
}

class RowReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }

  u8(): number {
    return this.#view.getUint8(this.#at++);
  }

  u32(): number {
    this.#at += 4;
    return this.#view.getUint32(this.#at - 4, true);
  }

  u64(): number {
    this.#at += 8;
    return this.#view.getUint32(this.#at - 8, true) + this.#view.getUint32(this.#at - 4, true) * 2 ** 32;
  }

  f64(): number {
    this.#at += 8;
    return this.#view.getFloat64(this.#at - 8, true);
  }

  name(): ByteString {
    const length = this.#view.getUint16(this.#at, true);
    this.#at += 2 + length;
    return Buffer.from(this.#bytes.subarray(this.#at - length, this.#at)).toString('latin1');
  }

  blob(): Uint8Array {
    const length = this.u32();
    this.#at += length;
    // Not slice(): of a Buffer it is no copy.
    return new Uint8Array(this.#bytes.subarray(this.#at - length, this.#at));
  }
}
