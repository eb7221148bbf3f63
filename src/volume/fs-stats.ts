import { FileType } from '../meta/inode.js';
import type { StatRecord } from '../mount/fs-protocol.js';

const S_IFMT = 0o170000;
const MODE_OF_TYPE: Record<number, number> = {
  [FileType.FILE]: 0o100000,
  [FileType.DIRECTORY]: 0o040000,
  [FileType.SYMLINK]: 0o120000,
  [FileType.FIFO]: 0o010000,
  [FileType.BLOCK]: 0o060000,
  [FileType.CHAR]: 0o020000,
  [FileType.SOCKET]: 0o140000,
};
const BLOCK_BYTES = 4096;

/** The questions that node's Stats and Dirent answer about a type. */
class Typed {
  readonly #format: number;

  constructor(format: number) {
    this.#format = format;
  }
  isFile(): boolean {
    return this.#format === 0o100000;
  }
  isDirectory(): boolean {
    return this.#format === 0o040000;
  }
  isSymbolicLink(): boolean {
    return this.#format === 0o120000;
  }
  isFIFO(): boolean {
    return this.#format === 0o010000;
  }
  isBlockDevice(): boolean {
    return this.#format === 0o060000;
  }
  isCharacterDevice(): boolean {
    return this.#format === 0o020000;
  }
  isSocket(): boolean {
    return this.#format === 0o140000;
  }
}

/** Rounded as node rounds it: the seconds and the rest one by one. */
function msOf(ns: string): number {
  const rest = Number(BigInt(ns) % 1_000_000_000n);
  const nsec = rest < 0 ? rest + 1e9 : rest;
  const sec = Number((BigInt(ns) - BigInt(nsec)) / 1_000_000_000n);
  return sec * 1e3 + nsec / 1e6;
}

/** The shape of node's Stats. The format keeps no time of birth: it is shown as the ctime, as Linux does without one. */
export class VolumeStats extends Typed {
  readonly dev: number = 0;
  readonly ino: number;
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdev: number;
  readonly size: number;
  readonly blksize: number = BLOCK_BYTES;
  readonly blocks: number;
  readonly atimeMs: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  readonly birthtimeMs: number;

  constructor(record: StatRecord) {
    super(record.mode & S_IFMT);
    this.ino = record.ino;
    this.mode = record.mode;
    this.nlink = record.nlink;
    this.uid = record.uid;
    this.gid = record.gid;
    this.rdev = record.rdev;
    this.size = record.size;
    this.blocks = record.blocks;
    this.atimeMs = msOf(record.atimeNs);
    this.mtimeMs = msOf(record.mtimeNs);
    this.ctimeMs = msOf(record.ctimeNs);
    this.birthtimeMs = this.ctimeMs;
  }
  get atime(): Date {
    return new Date(this.atimeMs);
  }
  get mtime(): Date {
    return new Date(this.mtimeMs);
  }
  get ctime(): Date {
    return new Date(this.ctimeMs);
  }
  get birthtime(): Date {
    return new Date(this.birthtimeMs);
  }
}

/** The same with `{ bigint: true }`: every number a bigint, and times to the nanosecond. */
export class VolumeBigIntStats extends Typed {
  readonly dev = 0n;
  readonly ino: bigint;
  readonly mode: bigint;
  readonly nlink: bigint;
  readonly uid: bigint;
  readonly gid: bigint;
  readonly rdev: bigint;
  readonly size: bigint;
  readonly blksize: bigint = BigInt(BLOCK_BYTES);
  readonly blocks: bigint;
  readonly atimeNs: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  readonly birthtimeNs: bigint;

  constructor(record: StatRecord) {
    super(record.mode & S_IFMT);
    this.ino = BigInt(record.ino);
    this.mode = BigInt(record.mode);
    this.nlink = BigInt(record.nlink);
    this.uid = BigInt(record.uid);
    this.gid = BigInt(record.gid);
    this.rdev = BigInt(record.rdev);
    this.size = BigInt(record.size);
    this.blocks = BigInt(record.blocks);
    this.atimeNs = BigInt(record.atimeNs);
    this.mtimeNs = BigInt(record.mtimeNs);
    this.ctimeNs = BigInt(record.ctimeNs);
    this.birthtimeNs = this.ctimeNs;
  }
  get atimeMs(): bigint {
    return this.atimeNs / 1_000_000n;
  }
  get mtimeMs(): bigint {
    return this.mtimeNs / 1_000_000n;
  }
  get ctimeMs(): bigint {
    return this.ctimeNs / 1_000_000n;
  }
  get birthtimeMs(): bigint {
    return this.ctimeMs;
  }
  get atime(): Date {
    return new Date(Number(this.atimeMs));
  }
  get mtime(): Date {
    return new Date(Number(this.mtimeMs));
  }
  get ctime(): Date {
    return new Date(Number(this.ctimeMs));
  }
  get birthtime(): Date {
    return this.ctime;
  }
}

/** The shape of node's Dirent. */
export class VolumeDirent<Name extends string | Buffer = string> extends Typed {
  readonly name: Name;
  readonly parentPath: string;

  /** `type` is JuiceFS's code. */
  constructor(name: Name, parentPath: string, type: number) {
    super(MODE_OF_TYPE[type] ?? 0);
    this.name = name;
    this.parentPath = parentPath;
  }
}
