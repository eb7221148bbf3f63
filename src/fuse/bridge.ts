/** Requests of the kernel as calls of the vfs: the one file of this room that knows both. No input or output here. */
import { ERRNO } from '../base/errno.js';
import { errorToRecord, FsError } from '../base/errors.js';
import { FUSE_READ_BYTES_MAX, FUSE_WRITE_BYTES_MAX } from '../base/limits.js';
import type { Logger } from '../base/log.js';
import { FileType } from '../meta/inode.js';
import type { Inode } from '../meta/namespace.js';
import { withoutSetId } from '../vfs/ops/attr.js';
import { PENDING, type Caller, type VfsOps } from '../vfs/types.js';
import { attrChange, setattrHandle } from './attr-change.js';
import { fullMode } from './file-mode.js';
import { Listing } from './listing.js';
import {
  FSYNC_FDATASYNC,
  O_TRUNC,
  OPEN_KILL_SUIDGID,
  OpenFlag,
  Opcode,
  InitFlag,
  WRITE_CACHE,
  WRITE_KILL_SUIDGID,
} from './protocol/constants.js';
import { negotiate, writeInitReply, type Negotiated } from './protocol/init.js';
import { Reply, validityOfMs, type Validity } from './protocol/reply.js';
import { Request } from './protocol/request.js';
import * as wire from './protocol/structs.js';

const HEADER_BYTES = wire.outHeader.bytes;
/** A reply without a body. */
const OK = HEADER_BYTES;
/** No reply: none is expected, or somebody else writes it later. */
const NO_REPLY = 0;

/** Bytes of the buffer for requests: the largest WRITE, and what the kernel wants beside it. */
export const REQUEST_BYTES_MAX = FUSE_WRITE_BYTES_MAX + 64 * 1024;
const REPLY_BYTES_MAX = HEADER_BYTES + FUSE_READ_BYTES_MAX;

export interface BridgeOptions {
  attrTimeoutMs: number;
  /** For names, also for names that do not exist. */
  entryTimeoutMs: number;
  /** For names of directories; above 0 the kernel keeps whole listings, too. */
  dirEntryTimeoutMs: number;
  kernelWriteback?: boolean;
  /** Show everything as owned by this user or group. */
  uid?: number;
  gid?: number;
}

export interface BridgeParts {
  vfs: VfsOps;
  options: BridgeOptions;
  logger: Logger;
  /** Takes the first `length` bytes as a reply; they are overwritten afterwards. */
  send(bytes: Uint8Array, length: number): void;
  /** The kernel gives up on this request. True = answer it EINTR now. */
  onInterrupt?(unique: number): boolean;
  /** This request is answered by somebody else, later. */
  onPending?(unique: number, tid: number): void;
}

export class Bridge {
  /** The buffer that requests are read into. */
  readonly request = new Request(REQUEST_BYTES_MAX);
  readonly #vfs: VfsOps;
  readonly #logger: Logger;
  readonly #parts: BridgeParts;
  readonly #reply: Reply;
  readonly #listing: Listing;
  readonly #caller: Caller = { uid: 0, gid: 0, pid: 0 };
  readonly #attrValid: Validity;
  readonly #entryValid: Validity;
  readonly #dirOpenFlags: number;
  /** By opcode. */
  readonly #counts = new Float64Array(64);
  #agreed: Negotiated | undefined;
  #holdsWritesBack = false;

  constructor(parts: BridgeParts) {
    const { vfs, options } = parts;
    this.#parts = parts;
    this.#vfs = vfs;
    this.#logger = parts.logger;
    this.#reply = new Reply(REPLY_BYTES_MAX, options);
    this.#attrValid = validityOfMs(options.attrTimeoutMs);
    this.#entryValid = validityOfMs(options.entryTimeoutMs);
    this.#listing = new Listing(vfs, this.#reply, {
      entry: this.#entryValid,
      directoryEntry: validityOfMs(options.dirEntryTimeoutMs),
      attr: this.#attrValid,
    });
    this.#dirOpenFlags = options.dirEntryTimeoutMs > 0 ? OpenFlag.CACHE_DIR | OpenFlag.KEEP_CACHE : 0;
  }

  /** Requests that were served, by the name of their operation; those of none have left no name. */
  countsByName(): Record<string, number> {
    const entries = Object.entries(Opcode).map(([name, code]) => [name, this.#counts[code] ?? 0] as const);
    return Object.fromEntries(entries.filter(([, count]) => count > 0));
  }

  /** What INIT agreed upon; undefined before it. */
  get agreed(): Negotiated | undefined {
    return this.#agreed;
  }

  /**
   * Serves the request in the first `length` bytes of the buffer. 'wait': it changes something, and the log has no room
   * now (or `isHolding`: earlier ones wait already); nothing was done, hand it in again later.
   */
  handle(length: number, isHolding = false): 'done' | 'wait' {
    const { request } = this;
    const loaded = request.load(length);
    if (loaded !== 'ok') {
      this.#refuse(loaded);
      return 'done';
    }
    try {
      if (this.#changes() && (isHolding || !this.#hasRoom())) return 'wait';
      this.#counts[request.opcode & 63]! += 1;
      this.#answer(this.#dispatch());
    } catch (error) {
      this.#answer(this.#errnoOf(error));
    }
    return 'done';
  }

  /** Ends a request that waits, here or elsewhere. */
  answerInterrupted(unique: number): void {
    const high = Math.floor(unique / 2 ** 32);
    this.#reply.header(unique >>> 0, high, HEADER_BYTES, ERRNO.EINTR);
    this.#parts.send(this.#reply.bytes, HEADER_BYTES);
  }

  /** `outcome` > 0: bytes of the reply, 0: no reply, < 0: an errno. */
  #answer(outcome: number): void {
    const { opcode, uniqueLow, uniqueHigh } = this.request;
    if (outcome === NO_REPLY || wire.isOneWay(opcode)) return;
    const length = Math.max(outcome, HEADER_BYTES);
    this.#reply.header(uniqueLow, uniqueHigh, length, outcome < 0 ? -outcome : 0);
    this.#parts.send(this.#reply.bytes, length);
  }

  #refuse(reason: 'too-short' | 'malformed'): void {
    this.#logger.warn({ reason, bytes: this.request.length, opcode: this.request.opcode }, 'a malformed request');
    if (reason === 'malformed') this.#answer(-ERRNO.EINVAL);
  }

  #errnoOf(error: unknown): number {
    if (error instanceof FsError) return error.errno;
    const { opcode, nodeid } = this.request;
    const stack = error instanceof Error ? error.stack : undefined;
    this.#logger.error({ opcode, ino: nodeid, err: errorToRecord(error), stack }, 'a request failed');
    return -ERRNO.EIO;
  }

  // -- room in the log --

  /** Does the request append to the log? (The end of a handle and FORGET do when an unlinked file goes with them.) */
  #changes(): boolean {
    switch (this.request.opcode) {
      case Opcode.WRITE:
      case Opcode.CREATE:
      case Opcode.SETATTR:
      case Opcode.SYMLINK:
      case Opcode.MKNOD:
      case Opcode.MKDIR:
      case Opcode.UNLINK:
      case Opcode.RMDIR:
      case Opcode.RENAME:
      case Opcode.RENAME2:
      case Opcode.LINK:
      case Opcode.SETXATTR:
      case Opcode.REMOVEXATTR:
      case Opcode.FALLOCATE:
      case Opcode.COPY_FILE_RANGE:
      case Opcode.RELEASE:
      case Opcode.FORGET:
      case Opcode.BATCH_FORGET:
        return !this.#vfs.readOnly;
      case Opcode.OPEN:
        return !this.#vfs.readOnly && (this.request.u32(wire.openIn.flags) & O_TRUNC) !== 0;
      default:
        return false;
    }
  }

  #hasRoom(): boolean {
    const { request } = this;
    const { opcode } = request;
    const bytes = opcode === Opcode.WRITE ? request.u32(wire.writeIn.size) : request.bodyBytes;
    try {
      return this.#vfs.room(bytes) === 'ok';
    } catch (error) {
      // What only lets go of something must not be lost for it.
      if (opcode === Opcode.RELEASE || wire.isOneWay(opcode)) return true;
      throw error;
    }
  }

  // -- operations, in the order of their numbers --

  #dispatch(): number {
    const { nodeid } = this.request;
    switch (this.request.opcode) {
      case Opcode.LOOKUP:
        return this.#lookup();
      case Opcode.FORGET:
        this.#vfs.forget(nodeid, this.#lookupCount(wire.forgetIn.nlookup));
        return NO_REPLY;
      case Opcode.GETATTR:
        return this.#attr(this.#vfs.getattr(nodeid));
      case Opcode.SETATTR:
        return this.#setattr();
      case Opcode.READLINK:
        return this.#reply.dataReply(this.#vfs.readlink(nodeid));
      case Opcode.READ:
        return this.#read();
      case Opcode.WRITE:
        return this.#write();
      case Opcode.STATFS:
        return this.#reply.statfsReply(this.#vfs.statfs());
      case Opcode.GETXATTR:
        return this.#getxattr();
      case Opcode.LISTXATTR:
        return this.#listxattr();
      case Opcode.OPEN:
        return this.#open();
      case Opcode.OPENDIR:
        return this.#reply.openReply(HEADER_BYTES, this.#vfs.opendir(nodeid), this.#dirOpenFlags);
      case Opcode.READDIR:
      case Opcode.READDIRPLUS:
        return this.#readdir(this.request.opcode === Opcode.READDIRPLUS);
      case Opcode.RELEASE:
        this.#vfs.release(this.request.u64(wire.releaseIn.fh));
        return OK;
      case Opcode.RELEASEDIR:
        this.#vfs.releasedir(this.request.u64(wire.releaseIn.fh));
        return OK;
      case Opcode.LSEEK:
        return this.#lseek();
      default:
        return this.#dispatchChange();
    }
  }

  #dispatchChange(): number {
    const { request } = this;
    const vfs = this.#vfs;
    switch (request.opcode) {
      case Opcode.SYMLINK:
        return this.#symlink();
      case Opcode.MKNOD:
        return this.#mknod();
      case Opcode.MKDIR:
        return this.#mkdir();
      case Opcode.UNLINK:
        vfs.unlink(request.nodeid, request.name(0));
        return OK;
      case Opcode.RMDIR:
        vfs.rmdir(request.nodeid, request.name(0));
        return OK;
      case Opcode.RENAME:
        return this.#rename(wire.renameIn.bytes, 0);
      case Opcode.RENAME2:
        return this.#rename(wire.rename2In.bytes, request.u32(wire.rename2In.flags));
      case Opcode.LINK:
        return this.#entry(
          vfs.link(request.u64(wire.linkIn.oldnodeid), request.nodeid, request.name(wire.linkIn.bytes)),
        );
      case Opcode.CREATE:
        return this.#create();
      case Opcode.SETXATTR:
        return this.#setxattr();
      case Opcode.REMOVEXATTR:
        vfs.removexattr(request.nodeid, request.xattrName(0));
        return OK;
      case Opcode.FALLOCATE:
        return this.#fallocate();
      case Opcode.COPY_FILE_RANGE:
        return this.#copyFileRange();
      default:
        return this.#dispatchRest();
    }
  }

  #dispatchRest(): number {
    const { request } = this;
    switch (request.opcode) {
      case Opcode.FLUSH:
        // ENOSYS once, and the kernel never asks again: closing costs nothing when nothing is owed.
        if (!this.#vfs.flushOwes) return -ERRNO.ENOSYS;
        return this.#later(this.#vfs.flush(request.nodeid, request.u64(wire.flushIn.fh), request.unique));
      case Opcode.FSYNC:
        return this.#fsync();
      case Opcode.FSYNCDIR:
      case Opcode.SYNCFS:
        return this.#later(this.#vfs.fsyncdir(request.nodeid, request.unique));
      case Opcode.INIT:
        return this.#init();
      case Opcode.INTERRUPT:
        return this.#interrupt();
      case Opcode.BATCH_FORGET:
        return this.#batchForget();
      case Opcode.NOTIFY_REPLY:
        return NO_REPLY;
      case Opcode.DESTROY:
        return OK;
      case Opcode.IOCTL:
        return -ERRNO.ENOTTY;
      default:
        // ACCESS, POLL, BMAP, TMPFILE, STATX, locks and what newer kernels have: the kernel does without, or in its own way.
        return -ERRNO.ENOSYS;
    }
  }

  #init(): number {
    const agreed = negotiate(this.request, { kernelWriteback: this.#parts.options.kernelWriteback === true });
    if (agreed === 'unsupported') {
      this.#logger.error({}, 'the kernel speaks a FUSE protocol that is too old (needs 7.31, Linux 5.4)');
      return -ERRNO.EPROTO;
    }
    if (agreed !== 'again') {
      this.#agreed = agreed;
      this.#holdsWritesBack = (agreed.flags & InitFlag.WRITEBACK_CACHE) !== 0;
    }
    return writeInitReply(this.#reply, agreed);
  }

  // -- names --

  #lookup(): number {
    const inode = this.#vfs.lookup(this.request.nodeid, this.request.name(0));
    if (inode !== undefined) return this.#entry(inode);
    const valid = this.#entryValid;
    return valid.sec === 0 && valid.nsec === 0 ? -ERRNO.ENOENT : this.#reply.negativeEntryReply(valid);
  }

  #lookupCount(field: number): number {
    // More than a number holds is more than we ever handed out: all of them.
    return this.request.u32(field + 4) > 0 ? Number.MAX_SAFE_INTEGER : this.request.u32(field);
  }

  #batchForget(): number {
    const { request } = this;
    const room = Math.floor((request.bodyBytes - wire.batchForgetIn.bytes) / wire.forgetOne.bytes);
    const count = Math.min(request.u32(wire.batchForgetIn.count), room);
    for (let index = 0; index < count; index++) {
      const at = wire.batchForgetIn.bytes + index * wire.forgetOne.bytes;
      this.#vfs.forget(request.u64(at + wire.forgetOne.nodeid), this.#lookupCount(at + wire.forgetOne.nlookup));
    }
    return NO_REPLY;
  }

  #symlink(): number {
    const name = this.request.name(0);
    const target = this.request.textAfterName();
    return this.#entry(this.#vfs.symlink(this.#whoAsks(), this.request.nodeid, name, target));
  }

  #mknod(): number {
    const { request } = this;
    const name = request.name(wire.mknodIn.bytes);
    const mode = request.u32(wire.mknodIn.mode);
    return this.#entry(this.#vfs.mknod(this.#whoAsks(), request.nodeid, name, mode, request.u32(wire.mknodIn.rdev)));
  }

  #mkdir(): number {
    const { request } = this;
    const name = request.name(wire.mkdirIn.bytes);
    return this.#entry(this.#vfs.mkdir(this.#whoAsks(), request.nodeid, name, request.u32(wire.mkdirIn.mode)));
  }

  #rename(bodyBytes: number, flags: number): number {
    const { request } = this;
    const name = request.name(bodyBytes);
    const newName = request.nextName();
    this.#vfs.rename(request.nodeid, name, request.u64(wire.renameIn.newdir), newName, flags);
    return OK;
  }

  #readdir(isPlus: boolean): number {
    const { request } = this;
    const query = {
      ino: request.nodeid,
      fh: request.u64(wire.readIn.fh),
      cookie: request.u64(wire.readIn.offset),
      bytes: Math.min(request.u32(wire.readIn.size), FUSE_READ_BYTES_MAX),
    };
    return this.#listing.write(query, isPlus);
  }

  // -- attributes --

  #entry(inode: Inode): number {
    return this.#reply.entryReply(inode, fullMode(inode), this.#listing.entryValidity(inode.type), this.#attrValid);
  }

  #attr(inode: Inode): number {
    return this.#reply.attrReply(inode, fullMode(inode), this.#attrValid);
  }

  #setattr(): number {
    const { nodeid } = this.request;
    const change = attrChange(this.request, this.#vfs.getattr(nodeid).mode);
    return this.#attr(this.#vfs.setattr(this.#whoAsks(), nodeid, change, setattrHandle(this.request)));
  }

  #getxattr(): number {
    const value = this.#vfs.getxattr(this.request.nodeid, this.request.xattrName(wire.getxattrIn.bytes));
    return value === undefined ? -ERRNO.ENODATA : this.#xattrReply(value, this.request.u32(wire.getxattrIn.size));
  }

  #listxattr(): number {
    const names = this.#vfs.listxattr(this.request.nodeid);
    const list = Buffer.from(names.map((name) => `${name}\0`).join(''), 'latin1');
    return this.#xattrReply(list, this.request.u32(wire.getxattrIn.size));
  }

  /** `size` 0 asks how large the value is. */
  #xattrReply(value: Uint8Array, size: number): number {
    if (size === 0) return this.#reply.xattrSizeReply(value.length);
    return value.length > size ? -ERRNO.ERANGE : this.#reply.dataReply(value);
  }

  #setxattr(): number {
    const { request } = this;
    const name = request.xattrName(wire.setxattrIn.bytes);
    const value = request.dataAfterName(request.u32(wire.setxattrIn.size));
    this.#vfs.setxattr(request.nodeid, name, value, request.u32(wire.setxattrIn.flags));
    return OK;
  }

  // -- open files --

  #open(): number {
    const { request } = this;
    const flags = request.u32(wire.openIn.flags);
    const isTruncating = (flags & O_TRUNC) !== 0;
    const fh = this.#vfs.open(request.nodeid, flags);
    if (isTruncating && (request.u32(wire.openIn.openFlags) & OPEN_KILL_SUIDGID) !== 0) this.#killSetId(request.nodeid);
    return this.#reply.openReply(HEADER_BYTES, fh, OpenFlag.KEEP_CACHE);
  }

  #killSetId(ino: number): void {
    const { mode, type } = this.#vfs.getattr(ino);
    const kept = withoutSetId(mode);
    if (type === FileType.FILE && kept !== mode) this.#vfs.setattr(this.#whoAsks(), ino, { mode: kept });
  }

  #create(): number {
    const { request } = this;
    const name = request.name(wire.createIn.bytes);
    const mode = request.u32(wire.createIn.mode);
    const flags = request.u32(wire.createIn.flags);
    const { inode, fh } = this.#vfs.create(this.#whoAsks(), request.nodeid, name, mode, flags);
    return this.#reply.openReply(this.#entry(inode), fh, OpenFlag.KEEP_CACHE);
  }

  #read(): number {
    const { request } = this;
    const fh = request.u64(wire.readIn.fh);
    const offset = request.u64(wire.readIn.offset);
    const size = Math.min(request.u32(wire.readIn.size), FUSE_READ_BYTES_MAX);
    const got = this.#vfs.read(request.nodeid, fh, offset, size, this.#reply.bytes, HEADER_BYTES, request.unique);
    return got === PENDING ? this.#later(PENDING) : HEADER_BYTES + got;
  }

  #write(): number {
    const { request } = this;
    const size = request.u32(wire.writeIn.size);
    const data = request.data(wire.writeIn.bytes, size);
    const offset = request.u64(wire.writeIn.offset, 'EFBIG');
    const flags = request.u32(wire.writeIn.writeFlags);
    const killPriv = (flags & WRITE_KILL_SUIDGID) !== 0;
    // A kernel that holds writes back keeps the times itself, and sends them with SETATTR, before or after the data.
    const keepTimes = (flags & WRITE_CACHE) !== 0 && this.#holdsWritesBack;
    this.#vfs.write(request.nodeid, request.u64(wire.writeIn.fh), offset, data, killPriv, keepTimes);
    return this.#reply.writeReply(size);
  }

  #fsync(): number {
    const { request } = this;
    const dataOnly = (request.u32(wire.fsyncIn.fsyncFlags) & FSYNC_FDATASYNC) !== 0;
    return this.#later(this.#vfs.fsync(request.nodeid, request.u64(wire.fsyncIn.fh), dataOnly, request.unique));
  }

  #fallocate(): number {
    const { request } = this;
    const offset = request.u64(wire.fallocateIn.offset, 'EFBIG');
    const length = request.u64(wire.fallocateIn.length, 'EFBIG');
    const fh = request.u64(wire.fallocateIn.fh);
    this.#vfs.fallocate(request.nodeid, fh, request.u32(wire.fallocateIn.mode), offset, length);
    return OK;
  }

  #lseek(): number {
    const { request } = this;
    const fh = request.u64(wire.lseekIn.fh);
    const offset = request.u64(wire.lseekIn.offset, 'ENXIO');
    return this.#reply.lseekReply(this.#vfs.lseek(request.nodeid, fh, offset, request.u32(wire.lseekIn.whence)));
  }

  #copyFileRange(): number {
    const { request } = this;
    const offsetIn = request.u64(wire.copyFileRangeIn.offIn);
    const inoOut = request.u64(wire.copyFileRangeIn.nodeidOut);
    const offsetOut = request.u64(wire.copyFileRangeIn.offOut, 'EFBIG');
    const length = request.u64(wire.copyFileRangeIn.len);
    // The answer has 32 bits for the count; the kernel asks again for the rest.
    const bytes = Math.min(length, 2 ** 31 - 4096);
    return this.#reply.writeReply(this.#vfs.copyFileRange(request.nodeid, offsetIn, inoOut, offsetOut, bytes));
  }

  // -- answers that come later --

  /** 0 = done. */
  #later(outcome: number): number {
    if (outcome !== PENDING) return OK;
    this.#parts.onPending?.(this.request.unique, this.request.pid);
    return NO_REPLY;
  }

  #interrupt(): number {
    const unique = this.request.u64(wire.interruptIn.unique);
    if (this.#parts.onInterrupt?.(unique) === true) this.answerInterrupted(unique);
    return NO_REPLY;
  }

  #whoAsks(): Caller {
    const caller = this.#caller;
    caller.uid = this.request.uid;
    caller.gid = this.request.gid;
    caller.pid = this.request.pid;
    return caller;
  }
}
