import { type ByteString, bytesToName, nameToBytes } from '../base/bytes.js';
import { FsError } from '../base/errors.js';
import { MIB } from '../base/limits.js';
import type { Ticket } from '../chunk/messages.js';
import { fullMode } from '../fuse/file-mode.js';
import { FileType } from '../meta/inode.js';
import type { Inode } from '../meta/namespace.js';
import { PENDING, type Caller, type VfsOps } from '../vfs/types.js';
import { fsErrorOf } from './fs-errors.js';
import { OPEN_FLAGS, type FsArgs, type FsOp, type FsResult, type StatRecord } from './fs-protocol.js';
import { resolvePath, type PathEnd } from './path-walk.js';

/** Entries that one call removes: the client asks again for the rest. */
const REMOVED_MAX = 500;

/** `readFile` answers files up to this size in one call; the client opens and reads larger ones. */
const READ_FILE_BYTES_MAX = MIB;

const IS_CHANGE: ReadonlySet<FsOp> = new Set<FsOp>([
  'writeFile', 'appendFile', 'mkdir', 'rename', 'rm', 'unlink', 'rmdir', 'symlink', 'link', 'truncate', 'utimes', 'lutimes',
  'chmod', 'chown', 'open', 'write', 'ftruncate', 'futimes', 'fchmod', 'fchown', 'close',
]); // prettier-ignore

type Handlers = { [Op in FsOp]: (args: FsArgs<Op>, ticket: Ticket) => FsResult<Op> | typeof PENDING };

/**
 * The file system by paths, for places without FUSE: each call of fs-protocol.ts on the vfs, on the owner thread. There is
 * no kernel in front that checks permissions: the caller is the user who opened the volume, and owns the session.
 */
export class FsServer {
  readonly #vfs: VfsOps;
  readonly #caller: Caller;
  readonly #files = new Map<number, { ino: number; fh: number; flags: number }>();
  /** The vfs counts lookups for a kernel that forgets them; here nobody remembers anything. */
  readonly #tree: Pick<VfsOps, 'lookup' | 'getattr' | 'readlink'>;
  #nextFd = 3;

  constructor(vfs: VfsOps, caller: Caller) {
    this.#vfs = vfs;
    this.#caller = caller;
    this.#tree = {
      lookup: (parent, name) => this.#forgotten(vfs.lookup(parent, name)),
      getattr: (ino) => vfs.getattr(ino),
      readlink: (ino) => vfs.readlink(ino),
    };
  }

  /** 'wait' when the log has no room for this call yet: ask again when woken. Throws FsError when there never will be. */
  room(op: FsOp, args: unknown): 'ok' | 'wait' {
    // A read-only volume has no log: what changes something throws EROFS itself, and opening for reading does not.
    if (this.#vfs.readOnly || !IS_CHANGE.has(op)) return 'ok';
    const data = (args as { data?: unknown }).data;
    return this.#vfs.room(typeof data === 'string' ? Math.ceil((data.length * 3) / 4) : 0);
  }

  /** The result, or PENDING when the ticket is answered from elsewhere. Throws FsError. */
  handle(op: FsOp, args: unknown, ticket: Ticket): unknown {
    const handler = this.#handlers[op] as ((args: unknown, ticket: Ticket) => unknown) | undefined;
    if (handler === undefined) throw new FsError('ENOSYS', { syscall: String(op) });
    try {
      return handler(args, ticket);
    } catch (error) {
      if (!(error instanceof FsError) || error.syscall !== undefined) throw error;
      throw fsErrorOf(error, op, args);
    }
  }

  closeAll(): void {
    for (const file of this.#files.values()) this.#vfs.release(file.fh);
    this.#files.clear();
  }

  readonly #handlers: Handlers = {
    readFile: ({ path }, ticket) => {
      const inode = this.#existing(path, true);
      if (inode.type === FileType.DIRECTORY) throw new FsError('EISDIR');
      if (inode.length > READ_FILE_BYTES_MAX) return { data: '', more: true };
      const fh = this.#vfs.open(inode.ino, OPEN_FLAGS.O_RDONLY);
      try {
        const data = this.#read(inode.ino, fh, 0, inode.length, ticket);
        return data === PENDING ? PENDING : { data, more: false };
      } finally {
        this.#vfs.release(fh);
      }
    },
    writeFile: ({ path, data, flags, mode }, ticket) => this.#writeFile(path, data, flags, mode, ticket),
    appendFile: ({ path, data, mode }, ticket) =>
      this.#writeFile(path, data, OPEN_FLAGS.O_WRONLY | OPEN_FLAGS.O_APPEND | OPEN_FLAGS.O_CREAT, mode, ticket),
    mkdir: ({ path, recursive, mode }) => ({ created: recursive ? this.#mkdirs(path, mode) : this.#mkdir(path, mode) }),
    readdir: ({ path }) => {
      const inode = this.#existing(path, true);
      const fh = this.#vfs.opendir(inode.ino);
      const entries: FsResult<'readdir'>['entries'] = [];
      try {
        this.#vfs.readdir(inode.ino, fh, 0, ({ name, ino, type }) => entries.push({ name, ino, type }) > 0);
      } finally {
        this.#vfs.releasedir(fh);
      }
      return { entries };
    },
    stat: ({ path }) => statRecord(this.#existing(path, true)),
    lstat: ({ path }) => statRecord(this.#existing(path, false)),
    rename: ({ from, to }) => {
      const [source, target] = [this.#entry(from), this.#entry(to)];
      this.#vfs.rename(source.parent, source.name, target.parent, target.name, 0);
      return null;
    },
    rm: ({ path, recursive, force }) => this.#rm(path, recursive, force),
    unlink: ({ path }) => {
      const end = this.#entry(path);
      if (end.inode?.type === FileType.DIRECTORY) throw new FsError('EISDIR');
      this.#vfs.unlink(end.parent, end.name);
      return null;
    },
    rmdir: ({ path }) => {
      const end = this.#entry(path);
      this.#vfs.rmdir(end.parent, end.name);
      return null;
    },
    symlink: ({ target, path }) => {
      const end = this.#entry(path);
      this.#forgotten(this.#vfs.symlink(this.#caller, end.parent, end.name, nameToBytes(target)));
      return null;
    },
    readlink: ({ path }) => {
      const inode = this.#existing(path, false);
      if (inode.type !== FileType.SYMLINK) throw new FsError('EINVAL');
      return { target: bytesToName(this.#vfs.readlink(inode.ino)) };
    },
    link: ({ existing, path }) => {
      const end = this.#entry(path);
      const inode = this.#existing(existing, false);
      if (inode.type === FileType.DIRECTORY) throw new FsError('EPERM');
      this.#forgotten(this.#vfs.link(inode.ino, end.parent, end.name));
      return null;
    },
    truncate: ({ path, length }) => this.#change(this.#existing(path, true), { size: length }),
    utimes: ({ path, atimeNs, mtimeNs }) => this.#change(this.#existing(path, true), times(atimeNs, mtimeNs)),
    lutimes: ({ path, atimeNs, mtimeNs }) => this.#change(this.#existing(path, false), times(atimeNs, mtimeNs)),
    chmod: ({ path, mode }) => this.#change(this.#existing(path, true), { mode: mode & 0o7777 }),
    chown: ({ path, uid, gid }) => this.#change(this.#existing(path, true), owner(uid, gid)),
    open: ({ path, flags, mode }) => ({ fd: this.#open(path, flags, mode) }),
    read: ({ fd, position, length }, ticket) => {
      const file = this.#file(fd);
      if ((file.flags & OPEN_FLAGS.O_ACCMODE) === OPEN_FLAGS.O_WRONLY) throw new FsError('EBADF');
      const data = this.#read(file.ino, file.fh, position, length, ticket);
      return data === PENDING ? PENDING : { data };
    },
    write: ({ fd, position, data }) => {
      const file = this.#file(fd);
      if ((file.flags & OPEN_FLAGS.O_ACCMODE) === OPEN_FLAGS.O_RDONLY) throw new FsError('EBADF');
      return { bytesWritten: this.#write(file.ino, file.fh, file.flags, position, data) };
    },
    fstat: ({ fd }) => statRecord(this.#vfs.getattr(this.#file(fd).ino)),
    ftruncate: ({ fd, length }) => {
      const file = this.#file(fd);
      if ((file.flags & OPEN_FLAGS.O_ACCMODE) === OPEN_FLAGS.O_RDONLY) throw new FsError('EINVAL');
      this.#vfs.setattr(this.#caller, file.ino, { size: length }, file.fh);
      return null;
    },
    futimes: ({ fd, atimeNs, mtimeNs }) => this.#change(this.#file(fd), times(atimeNs, mtimeNs)),
    fchmod: ({ fd, mode }) => this.#change(this.#file(fd), { mode: mode & 0o7777 }),
    fchown: ({ fd, uid, gid }) => this.#change(this.#file(fd), owner(uid, gid)),
    fsync: ({ fd, dataOnly }, ticket) => {
      const file = this.#file(fd);
      return this.#vfs.fsync(file.ino, file.fh, dataOnly, ticket) === PENDING ? PENDING : null;
    },
    close: ({ fd }, ticket) => this.#close(fd, ticket),
  };

  #forgotten<I extends Inode | undefined>(inode: I): I {
    if (inode !== undefined) this.#vfs.forget(inode.ino, 1);
    return inode;
  }

  #existing(path: ByteString, follow: boolean): Inode {
    const end = resolvePath(this.#tree, path, follow);
    if (end.inode === undefined) throw new FsError('ENOENT');
    return end.inode;
  }

  /** The place of a path's last component, which may not be the root. */
  #entry(path: ByteString): PathEnd & { name: ByteString } {
    const end = resolvePath(this.#tree, path, false);
    if (end.name === '') throw new FsError('EBUSY');
    return end;
  }

  #file(fd: number): { ino: number; fh: number; flags: number } {
    const file = this.#files.get(fd);
    if (file === undefined) throw new FsError('EBADF');
    return file;
  }

  #change(target: { ino: number }, change: Parameters<VfsOps['setattr']>[2]): null {
    this.#vfs.setattr(this.#caller, target.ino, change);
    return null;
  }

  #open(path: ByteString, flags: number, mode: number): number {
    const isFollowed = (flags & OPEN_FLAGS.O_NOFOLLOW) === 0 && (flags & OPEN_FLAGS.O_EXCL) === 0;
    const end = resolvePath(this.#tree, path, isFollowed);
    const isWriting = (flags & OPEN_FLAGS.O_ACCMODE) !== OPEN_FLAGS.O_RDONLY;
    let opened: { ino: number; fh: number };
    if (end.inode === undefined) {
      if ((flags & OPEN_FLAGS.O_CREAT) === 0) throw new FsError('ENOENT');
      if (end.mustBeDirectory) throw new FsError('EISDIR');
      const { inode, fh } = this.#vfs.create(this.#caller, end.parent, end.name, mode & 0o7777, flags);
      opened = { ino: this.#forgotten(inode).ino, fh };
    } else {
      if ((flags & OPEN_FLAGS.O_CREAT) !== 0 && (flags & OPEN_FLAGS.O_EXCL) !== 0) throw new FsError('EEXIST');
      if (end.inode.type === FileType.SYMLINK) throw new FsError('ELOOP');
      if (end.inode.type === FileType.DIRECTORY && isWriting) throw new FsError('EISDIR');
      if (end.inode.type !== FileType.DIRECTORY && (flags & OPEN_FLAGS.O_DIRECTORY) !== 0) throw new FsError('ENOTDIR');
      opened = { ino: end.inode.ino, fh: this.#vfs.open(end.inode.ino, flags) };
    }
    const fd = this.#nextFd++;
    this.#files.set(fd, { ...opened, flags });
    return fd;
  }

  #writeFile(path: ByteString, data: string, flags: number, mode: number, ticket: Ticket): null | typeof PENDING {
    const fd = this.#open(path, flags, mode);
    const file = this.#file(fd);
    try {
      this.#write(file.ino, file.fh, flags, 0, data);
    } catch (error) {
      this.#release(fd);
      throw error;
    }
    return this.#close(fd, ticket);
  }

  /** Like close(2): with `writeback: false` it is answered when the file is in the store. */
  #close(fd: number, ticket: Ticket): null | typeof PENDING {
    const file = this.#file(fd);
    const isWriter = (file.flags & OPEN_FLAGS.O_ACCMODE) !== OPEN_FLAGS.O_RDONLY;
    const owed = isWriter ? this.#vfs.flush(file.ino, file.fh, ticket) : 0;
    this.#release(fd);
    return owed === PENDING ? PENDING : null;
  }

  #release(fd: number): void {
    const file = this.#file(fd);
    this.#files.delete(fd);
    this.#vfs.release(file.fh);
  }

  #write(ino: number, fh: number, flags: number, position: number, data: string): number {
    const bytes = Buffer.from(data, 'base64');
    const at = (flags & OPEN_FLAGS.O_APPEND) === 0 ? position : this.#vfs.getattr(ino).length;
    if (bytes.length > 0) this.#vfs.write(ino, fh, at, bytes, true);
    return bytes.length;
  }

  #read(ino: number, fh: number, position: number, length: number, ticket: Ticket): string | typeof PENDING {
    const out = new Uint8Array(length);
    const got = this.#vfs.read(ino, fh, position, length, out, 0, ticket);
    if (got === PENDING) return PENDING;
    return Buffer.from(out.buffer, 0, got).toString('base64');
  }

  #mkdir(path: ByteString, mode: number): ByteString {
    const end = resolvePath(this.#tree, path, false);
    if (end.name === '' || end.inode !== undefined) throw new FsError('EEXIST');
    this.#forgotten(this.#vfs.mkdir(this.#caller, end.parent, end.name, mode & 0o7777));
    return path;
  }

  /** The first directory that was made, or null. */
  #mkdirs(path: ByteString, mode: number): ByteString | null {
    const parts = path.split('/').filter((part) => part !== '');
    let created: ByteString | null = null;
    for (let count = 1; count <= parts.length; count++) {
      const prefix = (path.startsWith('/') ? '/' : '') + parts.slice(0, count).join('/');
      const end = resolvePath(this.#tree, prefix, true);
      if (end.inode === undefined) {
        this.#forgotten(this.#vfs.mkdir(this.#caller, end.parent, end.name, mode & 0o7777));
        created ??= prefix;
      } else if (end.inode.type !== FileType.DIRECTORY) {
        throw new FsError(count === parts.length ? 'EEXIST' : 'ENOTDIR');
      }
    }
    return created;
  }

  #rm(path: ByteString, recursive: boolean, force: boolean): { more: boolean } {
    const end = resolvePath(this.#tree, path, false);
    if (end.inode === undefined) {
      if (force) return { more: false };
      throw new FsError('ENOENT');
    }
    if (end.name === '') throw new FsError('EBUSY');
    if (end.inode.type !== FileType.DIRECTORY) this.#vfs.unlink(end.parent, end.name);
    else if (!recursive) throw new FsError('EISDIR', { message: 'is a directory: give recursive' });
    else return { more: this.#rmTree(end.parent, end.name, end.inode.ino, { left: REMOVED_MAX }) };
    return { more: false };
  }

  /** Removes a part of the tree, so that neither the owner nor the log's room is taken for long; true: there is more. */
  #rmTree(parent: number, name: ByteString, ino: number, budget: { left: number }): boolean {
    const fh = this.#vfs.opendir(ino);
    try {
      this.#vfs.readdir(ino, fh, 0, (entry) => {
        if (budget.left <= 0) return false;
        if (entry.type === FileType.DIRECTORY) return !this.#rmTree(ino, entry.name, entry.ino, budget);
        this.#vfs.unlink(ino, entry.name);
        budget.left -= 1;
        return true;
      });
    } finally {
      this.#vfs.releasedir(fh);
    }
    if (budget.left <= 0) return true;
    this.#vfs.rmdir(parent, name);
    budget.left -= 1;
    return false;
  }
}

function owner(uid: number, gid: number): { uid?: number; gid?: number } {
  return { ...(uid === -1 ? {} : { uid }), ...(gid === -1 ? {} : { gid }) };
}

function times(atimeNs: string, mtimeNs: string): { atime: Timespec; mtime: Timespec } {
  return { atime: timespec(atimeNs), mtime: timespec(mtimeNs) };
}

interface Timespec {
  sec: number;
  nsec: number;
}

function timespec(text: string): Timespec {
  const ns = BigInt(text);
  const nsec = ((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  return { sec: Number((ns - nsec) / 1_000_000_000n), nsec: Number(nsec) };
}

function nsText(sec: number, nsec: number): string {
  return String(BigInt(sec) * 1_000_000_000n + BigInt(nsec));
}

function statRecord(inode: Inode): StatRecord {
  return {
    ino: inode.ino,
    mode: fullMode(inode),
    nlink: inode.nlink,
    uid: inode.uid,
    gid: inode.gid,
    rdev: inode.rdev,
    size: inode.length,
    blocks: inode.type === FileType.FILE ? Math.ceil(Math.min(inode.length, inode.storedBytesMax) / 512) : 8,
    atimeNs: nsText(inode.atime, inode.atimensec),
    mtimeNs: nsText(inode.mtime, inode.mtimensec),
    ctimeNs: nsText(inode.ctime, inode.ctimensec),
  };
}
