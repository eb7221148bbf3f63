import type { ByteString } from '../base/bytes.js';
import type { Dentry } from '../meta/inode.js';
import type { Inode } from '../meta/namespace.js';
import type { Ticket } from '../chunk/messages.js';

/** The answer will come from elsewhere, through the request's ticket. */
export const PENDING = -1;

export interface Caller {
  uid: number;
  gid: number;
  pid: number;
}

/** What SETATTR changes; absent = unchanged. 'now' is the time of the call. */
export interface AttrChange {
  mode?: number;
  uid?: number;
  gid?: number;
  size?: number;
  atime?: { sec: number; nsec: number } | 'now';
  mtime?: { sec: number; nsec: number } | 'now';
  ctime?: { sec: number; nsec: number };
}

export interface StatfsResult {
  blockSize: number;
  blocks: number;
  blocksFree: number;
  blocksAvailable: number;
  files: number;
  filesFree: number;
  nameMax: number;
}

/**
 * The file system as the transports see it: methods are system calls on inode numbers, synchronous, and throw `FsError`.
 * A few may answer PENDING: then the data plane or another thread answers the ticket. Permission checks are the
 * kernel's (`default_permissions`); the vfs checks what the kernel cannot (read-only, names, types, limits).
 *
 * Before a call that changes anything the transport asks `room(bytes)`; with 'ok' the call cannot run out of log.
 */
export interface VfsOps {
  readonly readOnly: boolean;

  /** Is there room in the log for a change with this many bytes of payload? 'wait': ask again when woken. Throws ENOSPC, EIO. */
  room(payloadBytes: number): 'ok' | 'wait';

  lookup(parent: number, name: ByteString): Inode | undefined;
  forget(ino: number, nlookup: number): void;
  getattr(ino: number): Inode;
  setattr(caller: Caller, ino: number, change: AttrChange, fh?: number): Inode;
  readlink(ino: number): Uint8Array;
  /** `mode` carries the type bits (S_IFMT) and is already masked with the umask by the kernel unless DONT_MASK was asked. */
  mknod(caller: Caller, parent: number, name: ByteString, mode: number, rdev: number): Inode;
  mkdir(caller: Caller, parent: number, name: ByteString, mode: number): Inode;
  symlink(caller: Caller, parent: number, name: ByteString, target: Uint8Array): Inode;
  link(ino: number, parent: number, name: ByteString): Inode;
  unlink(parent: number, name: ByteString): void;
  rmdir(parent: number, name: ByteString): void;
  /** flags: RENAME_NOREPLACE 1, RENAME_EXCHANGE 2 */
  rename(parent: number, name: ByteString, newParent: number, newName: ByteString, flags: number): void;

  /** `flags` are open(2)'s. Returns the file handle. O_TRUNC is done here when present. */
  open(ino: number, flags: number): number;
  create(caller: Caller, parent: number, name: ByteString, mode: number, flags: number): { inode: Inode; fh: number };
  /** Fills `out` from `at`; returns the bytes read (short only at the end of the file), or PENDING. */
  read(ino: number, fh: number, offset: number, size: number, out: Uint8Array, at: number, ticket: Ticket): number;
  /**
   * Takes all of `data` (which the caller may reuse afterwards). `killPriv`: clear set-id bits, as the kernel asked.
   * `keepTimes`: the kernel held the write back and keeps mtime and ctime itself.
   */
  write(ino: number, fh: number, offset: number, data: Uint8Array, killPriv: boolean, keepTimes?: boolean): void;
  /** 0 when nothing is owed, else PENDING. */
  flush(ino: number, fh: number, ticket: Ticket): number;
  fsync(ino: number, fh: number, dataOnly: boolean, ticket: Ticket): number;
  release(fh: number): void;
  /** Does a close owe an answer that waits (`writeback: false`)? If not, FLUSH may be answered ENOSYS for ever. */
  readonly flushOwes: boolean;

  opendir(ino: number): number;
  /** Visits entries with id > cookie in order of id until `visit` returns false. `.` and `..` are the transport's own. */
  readdir(ino: number, fh: number, cookie: number, visit: (entry: Dentry) => boolean): void;
  releasedir(fh: number): void;
  fsyncdir(ino: number, ticket: Ticket): number;

  /** undefined: no such attribute; the kernel asks for `security.capability` of each written file, so a miss is no exception. */
  getxattr(ino: number, name: ByteString): Uint8Array | undefined;
  listxattr(ino: number): ByteString[];
  /** flags: XATTR_CREATE 1, XATTR_REPLACE 2 */
  setxattr(ino: number, name: ByteString, value: Uint8Array, flags: number): void;
  removexattr(ino: number, name: ByteString): void;

  statfs(): StatfsResult;
  fallocate(ino: number, fh: number, mode: number, offset: number, length: number): void;
  /** whence: SEEK_DATA 3, SEEK_HOLE 4 */
  lseek(ino: number, fh: number, offset: number, whence: number): number;
  /** Shares slices instead of copying bytes; returns the bytes copied. */
  copyFileRange(inoIn: number, offsetIn: number, inoOut: number, offsetOut: number, length: number): number;
}
