import type { ByteString } from '../base/bytes.js';

/**
 * The calls of the in-process file system: `call('fs', { op, args })` on the control channel, answered from the vfs.
 *
 * - A path is a byte string from the root of the volume, with or without a leading slash; '' and '/' are the root. `.` and
 *   `..` are understood, `..` of the root is the root. An absolute link target starts at the root of the volume too.
 * - Symbolic links are followed in every component but the last; in the last where the call says so.
 * - Data is base64, at most {@link FS_DATA_BYTES_MAX} bytes in one call; the client splits what is longer.
 * - Flags are Linux's open(2) numbers ({@link OPEN_FLAGS}), modes permission bits that the client masked with its umask.
 * - Times are nanoseconds since 1970 as decimal text: they do not fit a JSON number.
 * - Errors are `FsError` records with `syscall` and `path`.
 */
export interface FsCalls {
  /** Follows. `data` is the beginning when `more` is true: open and read the file instead. */
  readFile: { args: { path: ByteString }; result: { data: Base64; more: boolean } };
  /** Follows. `flags` decide: O_TRUNC, O_APPEND, O_CREAT, O_EXCL; `mode` is for a file that is created. */
  writeFile: { args: { path: ByteString; data: Base64; flags: number; mode: number }; result: null };
  /** Follows; as writeFile with O_APPEND | O_CREAT. */
  appendFile: { args: { path: ByteString; data: Base64; mode: number }; result: null };
  /** `created` is the first directory that was made, null when all were there (only with `recursive`). */
  mkdir: { args: { path: ByteString; recursive: boolean; mode: number }; result: { created: ByteString | null } };
  /** Follows. All entries without `.` and `..`, in the order of the directory. */
  readdir: { args: { path: ByteString }; result: { entries: DirentRecord[] } };
  stat: { args: { path: ByteString }; result: StatRecord };
  /** Does not follow. */
  lstat: { args: { path: ByteString }; result: StatRecord };
  rename: { args: { from: ByteString; to: ByteString }; result: null };
  /** As node's: `force` makes a path that is not there no error, a directory needs `recursive`.
   * `more`: a part of a large tree is removed, ask again. */
  rm: { args: { path: ByteString; recursive: boolean; force: boolean }; result: { more: boolean } };
  unlink: { args: { path: ByteString }; result: null };
  rmdir: { args: { path: ByteString }; result: null };
  /** `target` is stored as it is. */
  symlink: { args: { target: ByteString; path: ByteString }; result: null };
  readlink: { args: { path: ByteString }; result: { target: ByteString } };
  /** `existing` is not followed, as link(2) has it on Linux. */
  link: { args: { existing: ByteString; path: ByteString }; result: null };
  /** Follows. */
  truncate: { args: { path: ByteString; length: number }; result: null };
  /** Follows. */
  utimes: { args: { path: ByteString; atimeNs: NsText; mtimeNs: NsText }; result: null };
  /** Does not follow. */
  lutimes: { args: { path: ByteString; atimeNs: NsText; mtimeNs: NsText }; result: null };
  /** Follows. */
  chmod: { args: { path: ByteString; mode: number }; result: null };
  /** Follows. -1 leaves an id as it is. */
  chown: { args: { path: ByteString; uid: number; gid: number }; result: null };
  /** Follows unless O_NOFOLLOW. `mode` is for a file that is created. */
  open: { args: { path: ByteString; flags: number; mode: number }; result: { fd: number } };
  /** Short only at the end of the file. The client keeps the position of a handle, so it is always given. */
  read: { args: { fd: number; position: number; length: number }; result: { data: Base64 } };
  /** All of it or an error. A descriptor opened with O_APPEND writes at the end whatever `position` says. */
  write: { args: { fd: number; position: number; data: Base64 }; result: { bytesWritten: number } };
  fstat: { args: { fd: number }; result: StatRecord };
  ftruncate: { args: { fd: number; length: number }; result: null };
  futimes: { args: { fd: number; atimeNs: NsText; mtimeNs: NsText }; result: null };
  fchmod: { args: { fd: number; mode: number }; result: null };
  fchown: { args: { fd: number; uid: number; gid: number }; result: null };
  /** Answered when the data is in the log on disk; `dataOnly` is fdatasync. */
  fsync: { args: { fd: number; dataOnly: boolean }; result: null };
  close: { args: { fd: number }; result: null };
}

export type FsOp = keyof FsCalls;
export type FsArgs<Op extends FsOp> = FsCalls[Op]['args'];
export type FsResult<Op extends FsOp> = FsCalls[Op]['result'];
/** The params of `call('fs', ...)`. */
export type FsRequest = { [Op in FsOp]: { op: Op; args: FsArgs<Op> } }[FsOp];

export type Base64 = string;
/** Nanoseconds since 1970, decimal, `-` before 1970. */
export type NsText = string;

export interface DirentRecord {
  name: ByteString;
  ino: number;
  /** JuiceFS's type code, `FileType` of meta/inode.ts. */
  type: number;
}

export interface StatRecord {
  ino: number;
  /** With the type bits (S_IFMT), Linux's numbers. */
  mode: number;
  nlink: number;
  uid: number;
  gid: number;
  rdev: number;
  size: number;
  /** Of 512 bytes, as stat(2) counts. */
  blocks: number;
  atimeNs: NsText;
  mtimeNs: NsText;
  ctimeNs: NsText;
}

/** Bytes of file data in one call, before base64. */
export const FS_DATA_BYTES_MAX = 1024 * 1024;

/** Linux's numbers, whatever the system of the client. */
export const OPEN_FLAGS = {
  O_RDONLY: 0,
  O_WRONLY: 1,
  O_RDWR: 2,
  O_ACCMODE: 3,
  O_CREAT: 0o100,
  O_EXCL: 0o200,
  O_TRUNC: 0o1000,
  O_APPEND: 0o2000,
  O_DIRECTORY: 0o200000,
  O_NOFOLLOW: 0o400000,
} as const;
