/** Numbers of the FUSE kernel protocol (include/uapi/linux/fuse.h), under the names that the kernel gives them. */

export const FUSE_MAJOR = 7;
/** The oldest minor version that is served: what is needed (lseek, copy_file_range, max_pages) is all there. */
export const FUSE_MINOR_MIN = 31;
/** The newest minor version whose layouts are known here; the kernel is told the smaller of its own and this. */
export const FUSE_MINOR_MAX = 45;
export const FUSE_ROOT_ID = 1;

export const Opcode = {
  LOOKUP: 1,
  FORGET: 2,
  GETATTR: 3,
  SETATTR: 4,
  READLINK: 5,
  SYMLINK: 6,
  MKNOD: 8,
  MKDIR: 9,
  UNLINK: 10,
  RMDIR: 11,
  RENAME: 12,
  LINK: 13,
  OPEN: 14,
  READ: 15,
  WRITE: 16,
  STATFS: 17,
  RELEASE: 18,
  FSYNC: 20,
  SETXATTR: 21,
  GETXATTR: 22,
  LISTXATTR: 23,
  REMOVEXATTR: 24,
  FLUSH: 25,
  INIT: 26,
  OPENDIR: 27,
  READDIR: 28,
  RELEASEDIR: 29,
  FSYNCDIR: 30,
  GETLK: 31,
  SETLK: 32,
  SETLKW: 33,
  ACCESS: 34,
  CREATE: 35,
  INTERRUPT: 36,
  BMAP: 37,
  DESTROY: 38,
  IOCTL: 39,
  POLL: 40,
  NOTIFY_REPLY: 41,
  BATCH_FORGET: 42,
  FALLOCATE: 43,
  READDIRPLUS: 44,
  RENAME2: 45,
  LSEEK: 46,
  COPY_FILE_RANGE: 47,
  SYNCFS: 50,
  TMPFILE: 51,
  STATX: 52,
} as const;

export const InitFlag = {
  ASYNC_READ: 2 ** 0,
  ATOMIC_O_TRUNC: 2 ** 3,
  BIG_WRITES: 2 ** 5,
  AUTO_INVAL_DATA: 2 ** 12,
  DO_READDIRPLUS: 2 ** 13,
  READDIRPLUS_AUTO: 2 ** 14,
  ASYNC_DIO: 2 ** 15,
  WRITEBACK_CACHE: 2 ** 16,
  PARALLEL_DIROPS: 2 ** 18,
  MAX_PAGES: 2 ** 22,
  CACHE_SYMLINKS: 2 ** 23,
  EXPLICIT_INVAL_DATA: 2 ** 25,
  HANDLE_KILLPRIV_V2: 2 ** 28,
} as const;

/** Which fields of SETATTR count. */
export const SetattrFlag = {
  MODE: 1,
  UID: 2,
  GID: 4,
  SIZE: 8,
  ATIME: 16,
  MTIME: 32,
  FH: 64,
  ATIME_NOW: 128,
  MTIME_NOW: 256,
  CTIME: 1024,
  KILL_SUIDGID: 2048,
} as const;

/** `open_flags` of the answer to OPEN, CREATE and OPENDIR. */
export const OpenFlag = { KEEP_CACHE: 2, CACHE_DIR: 8 } as const;

/** `open_flags` of an OPEN or CREATE request. */
export const OPEN_KILL_SUIDGID = 1;
/** `write_flags` of a WRITE request. CACHE: what the kernel held back, or wrote through a mapping. */
export const WRITE_CACHE = 1;
export const WRITE_KILL_SUIDGID = 4;
/** `fsync_flags` of an FSYNC or FSYNCDIR request. */
export const FSYNC_FDATASYNC = 1;

export const NotifyCode = { INVAL_INODE: 2, INVAL_ENTRY: 3 } as const;

/** Linux open(2) flags that the file system itself acts upon. */
export const O_TRUNC = 0o1000;
