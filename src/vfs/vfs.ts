import type { ByteString } from '../base/bytes.js';
import { FsError } from '../base/errors.js';
import { CHUNK_BYTES, INODES_MAX, NAME_BYTES_MAX, SYMLINK_BYTES_MAX } from '../base/limits.js';
import type { DataPlane } from '../chunk/data-plane.js';
import type { Ticket } from '../chunk/messages.js';
import { type Dentry, FileType } from '../meta/inode.js';
import type { Inode, Namespace } from '../meta/namespace.js';
import { Handles } from './handles.js';
import { changeAttributes } from './ops/attr.js';
import { allocate, copyRange, seek, writeFile } from './ops/io.js';
import type { AttrChange, Caller, StatfsResult, VfsOps } from './types.js';

const O_ACCMODE = 3;
const O_TRUNC = 0o1000;
const S_IFMT = 0o170000;
const TYPE_OF_MODE: ReadonlyMap<number, FileType> = new Map([
  [0, FileType.FILE],
  [0o100000, FileType.FILE],
  [0o010000, FileType.FIFO],
  [0o060000, FileType.BLOCK],
  [0o020000, FileType.CHAR],
  [0o140000, FileType.SOCKET],
]);

/** An object store has no end; programs that ask are told of this much room. */
const STATFS_BYTES = 2 ** 50;
const STATFS_BLOCK_BYTES = 4096;

/**
 * System calls on inodes. Results that stand for an entry (lookup, create, mkdir...) count as one lookup, as the kernel
 * counts them, until `forget`.
 */
export class Vfs implements VfsOps {
  readonly readOnly: boolean;
  readonly #namespace: Namespace;
  readonly #data: DataPlane;
  readonly #handles = new Handles();

  constructor(namespace: Namespace, data: DataPlane, options: { readOnly: boolean }) {
    this.#namespace = namespace;
    this.#data = data;
    this.readOnly = options.readOnly;
  }

  get flushOwes(): boolean {
    return this.#data.flushOwes && !this.readOnly;
  }

  room(payloadBytes: number): 'ok' | 'wait' {
    return this.#data.room(payloadBytes);
  }

  /** For tests and status. */
  stats(): { handles: number } {
    return { handles: this.#handles.count };
  }

  inodesOpenForWriting(): number[] {
    return this.#handles.inodesOpenForWriting();
  }

  // -- names --

  lookup(parent: number, name: ByteString): Inode | undefined {
    if (name.length > NAME_BYTES_MAX) throw new FsError('ENAMETOOLONG');
    const inode = this.#namespace.lookup(this.#need(parent), name);
    if (inode === undefined) return undefined;
    this.#namespace.looked(inode);
    return this.#measured(inode);
  }

  forget(ino: number, nlookup: number): void {
    this.#namespace.forget(ino, nlookup);
  }

  mknod(caller: Caller, parent: number, name: ByteString, mode: number, rdev: number): Inode {
    const type = TYPE_OF_MODE.get(mode & S_IFMT);
    if (type === undefined) throw new FsError('EINVAL');
    const device = type === FileType.BLOCK || type === FileType.CHAR ? { rdev } : {};
    return this.#create(parent, name, { type, mode: mode & 0o7777, ...idsOf(caller), ...device });
  }

  mkdir(caller: Caller, parent: number, name: ByteString, mode: number): Inode {
    return this.#create(parent, name, { type: FileType.DIRECTORY, mode: mode & 0o7777, ...idsOf(caller) });
  }

  symlink(caller: Caller, parent: number, name: ByteString, target: Uint8Array): Inode {
    if (target.length === 0) throw new FsError('ENOENT');
    if (target.length > SYMLINK_BYTES_MAX) throw new FsError('ENAMETOOLONG');
    return this.#create(parent, name, { type: FileType.SYMLINK, mode: 0o777, ...idsOf(caller), target });
  }

  create(caller: Caller, parent: number, name: ByteString, mode: number, flags: number): { inode: Inode; fh: number } {
    this.#handles.checkRoom();
    const inode = this.#create(parent, name, { type: FileType.FILE, mode: mode & 0o7777, ...idsOf(caller) });
    return { inode, fh: this.#openHandle(inode, flags) };
  }

  link(ino: number, parent: number, name: ByteString): Inode {
    this.#checkWritable();
    const inode = this.#need(ino);
    this.#namespace.link(inode, this.#need(parent), name);
    this.#namespace.looked(inode);
    return inode;
  }

  unlink(parent: number, name: ByteString): void {
    this.#checkWritable();
    this.#namespace.unlink(this.#need(parent), name);
  }

  rmdir(parent: number, name: ByteString): void {
    this.#checkWritable();
    this.#namespace.rmdir(this.#need(parent), name);
  }

  rename(parent: number, name: ByteString, newParent: number, newName: ByteString, flags: number): void {
    this.#checkWritable();
    this.#namespace.rename(this.#need(parent), name, this.#need(newParent), newName, flags);
  }

  readlink(ino: number): Uint8Array {
    return this.#namespace.readlink(this.#need(ino));
  }

  // -- attributes --

  getattr(ino: number): Inode {
    return this.#measured(this.#need(ino));
  }

  setattr(_caller: Caller, ino: number, change: AttrChange, fh?: number): Inode {
    this.#checkWritable();
    const inode = this.#inodeOf(ino, fh);
    changeAttributes(this.#namespace, this.#data, inode, change);
    return this.#measured(inode);
  }

  getxattr(ino: number, name: ByteString): Uint8Array | undefined {
    const inode = this.#need(ino);
    checkXattrSpace(name);
    return this.#namespace.hasXattr(inode, name) ? this.#namespace.getXattr(inode, name) : undefined;
  }

  listxattr(ino: number): ByteString[] {
    return this.#namespace.listXattrs(this.#need(ino));
  }

  setxattr(ino: number, name: ByteString, value: Uint8Array, flags: number): void {
    this.#checkWritable();
    checkXattrSpace(name);
    this.#namespace.setXattr(this.#need(ino), name, value, flags);
  }

  removexattr(ino: number, name: ByteString): void {
    this.#checkWritable();
    checkXattrSpace(name);
    this.#namespace.removeXattr(this.#need(ino), name);
  }

  // -- files --

  open(ino: number, flags: number): number {
    const inode = this.#need(ino);
    if ((flags & O_ACCMODE) !== 0 || (flags & O_TRUNC) !== 0) {
      this.#checkWritable();
      if (inode.isDirectory) throw new FsError('EISDIR');
    }
    this.#handles.checkRoom();
    if ((flags & O_TRUNC) !== 0 && inode.type === FileType.FILE) {
      changeAttributes(this.#namespace, this.#data, inode, { size: 0 });
    }
    return this.#openHandle(inode, flags);
  }

  read(ino: number, fh: number, offset: number, size: number, out: Uint8Array, at: number, ticket: Ticket): number {
    const inode = this.#inodeOf(ino, fh);
    if (inode.type !== FileType.FILE) throw new FsError(inode.isDirectory ? 'EISDIR' : 'EINVAL');
    return this.#data.read(inode, offset, size, out, at, ticket);
  }

  write(ino: number, fh: number, offset: number, data: Uint8Array, killPriv: boolean, keepTimes = false): void {
    this.#checkWritable();
    writeFile(this.#namespace, this.#data, this.#inodeOf(ino, fh), offset, data, { killPriv, keepTimes });
  }

  flush(ino: number, fh: number, ticket: Ticket): number {
    return this.readOnly ? 0 : this.#data.flush(this.#inodeOf(ino, fh), ticket);
  }

  fsync(ino: number, fh: number, _dataOnly: boolean, ticket: Ticket): number {
    return this.#data.fsync(this.#inodeOf(ino, fh), ticket);
  }

  release(fh: number): void {
    const handle = this.#handles.remove(fh);
    if (handle === undefined) return;
    this.#namespace.drop(handle.inode);
    if (handle.inode.opens === 0) this.#data.closed(handle.inode.ino);
  }

  fallocate(ino: number, fh: number, mode: number, offset: number, length: number): void {
    this.#checkWritable();
    allocate(this.#namespace, this.#data, this.#inodeOf(ino, fh), mode, offset, length);
  }

  lseek(ino: number, fh: number, offset: number, whence: number): number {
    return seek(this.#data, this.#inodeOf(ino, fh), offset, whence);
  }

  copyFileRange(inoIn: number, offsetIn: number, inoOut: number, offsetOut: number, length: number): number {
    this.#checkWritable();
    const [from, to] = [this.#need(inoIn), this.#need(inoOut)];
    return copyRange(
      this.#namespace,
      this.#data,
      { inode: from, offset: offsetIn },
      { inode: to, offset: offsetOut },
      length,
    );
  }

  // -- directories --

  opendir(ino: number): number {
    const inode = this.#need(ino);
    if (!inode.isDirectory) throw new FsError('ENOTDIR');
    this.#handles.checkRoom();
    return this.#openHandle(inode, 0);
  }

  readdir(ino: number, fh: number, cookie: number, visit: (entry: Dentry) => boolean): void {
    this.#namespace.readdir(this.#inodeOf(ino, fh), cookie, visit);
  }

  releasedir(fh: number): void {
    this.release(fh);
  }

  fsyncdir(_ino: number, ticket: Ticket): number {
    return this.#data.fsync(undefined, ticket);
  }

  statfs(): StatfsResult {
    const { usedBytes, inodes } = this.#namespace.statfs();
    const blocks = STATFS_BYTES / STATFS_BLOCK_BYTES;
    const free = Math.max(0, blocks - Math.ceil(usedBytes / STATFS_BLOCK_BYTES));
    return {
      blockSize: STATFS_BLOCK_BYTES,
      blocks,
      blocksFree: free,
      blocksAvailable: free,
      files: INODES_MAX,
      filesFree: Math.max(0, INODES_MAX - inodes),
      nameMax: NAME_BYTES_MAX,
    };
  }

  // -- helpers --

  /** Files that can have large holes are measured in chunks, so that a copy need not read terabytes of zeros. */
  #measured(inode: Inode): Inode {
    const isMeasured = inode.length > CHUNK_BYTES && inode.type === FileType.FILE;
    inode.storedBytesMax = isMeasured ? this.#namespace.chunkIndexes(inode).length * CHUNK_BYTES : Infinity;
    return inode;
  }

  #create(parent: number, name: ByteString, what: Parameters<Namespace['create']>[2]): Inode {
    this.#checkWritable();
    const inode = this.#namespace.create(this.#need(parent), name, what);
    this.#namespace.looked(inode);
    return inode;
  }

  #openHandle(inode: Inode, flags: number): number {
    const fh = this.#handles.add(inode, flags);
    this.#namespace.hold(inode);
    return fh;
  }

  #need(ino: number): Inode {
    const inode = this.#namespace.inode(ino);
    if (inode === undefined) throw new FsError('ESTALE');
    return inode;
  }

  /** Through the handle when it is one of this inode, else by number. */
  #inodeOf(ino: number, fh: number | undefined): Inode {
    const handle = fh === undefined ? undefined : this.#handles.get(fh);
    return handle?.inode.ino === ino ? handle.inode : this.#need(ino);
  }

  #checkWritable(): void {
    if (this.readOnly) throw new FsError('EROFS');
  }
}

/** `system.` has only ACLs, which we do not keep: programs go on without when they are told so. */
function checkXattrSpace(name: ByteString): void {
  if (name.startsWith('system.')) throw new FsError('EOPNOTSUPP');
}

function idsOf({ uid, gid }: Caller): { uid: number; gid: number } {
  return { uid, gid };
}
