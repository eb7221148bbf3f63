import type { ByteString } from '../base/bytes.js';
import type { ChunkMap } from './chunk-map.js';
import type { Directory } from './directory.js';
import { chargedBytes, FileType, type NodeRow } from './inode.js';

/** The columns that {@link NodeRow} has for its times, by what they are the time of. */
export type TimeName = 'atime' | 'mtime' | 'ctime';

/**
 * An inode in memory. The columns of its row may be changed only through the namespace, or right before a call of
 * `changed` or `wrote`, which does the accounting. An object is the inode's only one as long as it is held (`opens`) or
 * dirty, and for the system call that looked it up; do not keep it longer without `hold`.
 */
export class Inode implements NodeRow {
  readonly ino: number;
  readonly type: FileType;
  flags = 0;
  mode = 0;
  uid = 0;
  gid = 0;
  rdev = 0;
  nlink = 0;
  length = 0;
  parent = 0;
  atime = 0;
  atimensec = 0;
  mtime = 0;
  mtimensec = 0;
  ctime = 0;
  ctimensec = 0;
  accessAcl = 0;
  defaultAcl = 0;
  tier = 0;

  /** Open handles, counted by `hold` and `drop`. */
  opens = 0;
  /** How often the kernel was told of it and has not forgotten it, counted by `looked` and `forget`. */
  lookups = 0;
  /** Bytes that are accounted for it at present. */
  charged = 0;
  /** Number of the latest use, by the namespace's count of uses. */
  usedAt = 0;
  /** The database has rows of it, so what is not in memory must be asked there. */
  stored: boolean;
  /** No more bytes of the file than this are stored, as far as was looked: what is above it for `length` is holes. */
  storedBytesMax = Infinity;
  /** Waits to be written behind. */
  dirty = false;
  /** The node is gone; the object is a leftover in somebody's hands. */
  dead = false;

  /** Chunks in memory by index; what is missing here may be in the database. */
  chunks: Map<number, ChunkMap> | undefined = undefined;
  directory: Directory | undefined = undefined;
  target: Uint8Array | undefined = undefined;
  targetDirty = false;
  /** All of them, null = it has none, undefined = not known yet. */
  xattrs: Map<ByteString, Uint8Array> | null | undefined = undefined;
  dirtyXattrs: Set<ByteString> | undefined = undefined;

  constructor(ino: number, type: FileType, stored: boolean) {
    this.ino = ino;
    this.type = type;
    this.stored = stored;
  }

  get isDirectory(): boolean {
    return this.type === FileType.DIRECTORY;
  }

  get held(): boolean {
    return this.opens > 0 || this.lookups > 0;
  }

  /**
   * The chunk maps of a file that nobody has open and that is written behind are as well in the database: they take as
   * much memory as all the rest of it.
   */
  letChunksGo(): void {
    if (this.opens === 0 && !this.dirty && this.stored) this.chunks = undefined;
  }

  /** What the format charges for it now. */
  get chargeableBytes(): number {
    return chargedBytes(this.type, this.length);
  }
}
