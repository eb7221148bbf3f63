import type { VolumeBigIntStats, VolumeDirent, VolumeStats } from './fs-stats.js';

/** A path in the volume, from its root; a leading slash changes nothing. Bytes for names that are not UTF-8. */
export type VolumePath = string | Uint8Array | URL;
export type TimeLike = number | string | Date;
export type FileData =
  | string
  | NodeJS.ArrayBufferView
  | Iterable<string | NodeJS.ArrayBufferView>
  | AsyncIterable<string | NodeJS.ArrayBufferView>;

export interface ReadFileOptions {
  encoding?: BufferEncoding | null;
  flag?: string | number;
  signal?: AbortSignal;
}
export interface WriteFileOptions {
  encoding?: BufferEncoding | null;
  mode?: number | string;
  flag?: string | number;
  /** fsync before it is closed. */
  flush?: boolean;
  signal?: AbortSignal;
}

/** The shape of node's `FileHandle`, without streams and file locks. */
export interface VolumeFileHandle extends AsyncDisposable {
  readonly fd: number;
  read<T extends NodeJS.ArrayBufferView>(
    buffer: T,
    offset?: number | null,
    length?: number | null,
    position?: number | bigint | null,
  ): Promise<{ bytesRead: number; buffer: T }>;
  write<T extends NodeJS.ArrayBufferView>(
    buffer: T,
    offset?: number | null,
    length?: number | null,
    position?: number | null,
  ): Promise<{ bytesWritten: number; buffer: T }>;
  write(
    text: string,
    position?: number | null,
    encoding?: BufferEncoding | null,
  ): Promise<{ bytesWritten: number; buffer: string }>;
  /** From the current position to the end. */
  readFile(options?: { encoding?: null } | null): Promise<Buffer>;
  readFile(options: { encoding: BufferEncoding } | BufferEncoding): Promise<string>;
  writeFile(data: FileData, options?: { encoding?: BufferEncoding | null } | BufferEncoding | null): Promise<void>;
  appendFile(data: FileData, options?: { encoding?: BufferEncoding | null } | BufferEncoding | null): Promise<void>;
  stat(options?: { bigint?: false }): Promise<VolumeStats>;
  stat(options: { bigint: true }): Promise<VolumeBigIntStats>;
  truncate(length?: number): Promise<void>;
  utimes(atime: TimeLike, mtime: TimeLike): Promise<void>;
  chmod(mode: number | string): Promise<void>;
  chown(uid: number, gid: number): Promise<void>;
  sync(): Promise<void>;
  datasync(): Promise<void>;
  close(): Promise<void>;
}

/** A volume by calls, shaped like `node:fs/promises`; the errors have node's `code`, `errno`, `syscall` and `path`. */
export interface VolumeFs {
  readFile(path: VolumePath, options?: (ReadFileOptions & { encoding?: null }) | null): Promise<Buffer>;
  readFile(
    path: VolumePath,
    options: (ReadFileOptions & { encoding: BufferEncoding }) | BufferEncoding,
  ): Promise<string>;
  writeFile(path: VolumePath, data: FileData, options?: WriteFileOptions | BufferEncoding | null): Promise<void>;
  appendFile(path: VolumePath, data: FileData, options?: WriteFileOptions | BufferEncoding | null): Promise<void>;
  mkdir(
    path: VolumePath,
    options?: { recursive?: boolean; mode?: number | string } | number | null,
  ): Promise<string | undefined>;
  readdir(path: VolumePath, options?: { encoding?: BufferEncoding; withFileTypes?: false; recursive?: boolean } | BufferEncoding | null): Promise<string[]>; // prettier-ignore
  readdir(path: VolumePath, options: { encoding: 'buffer'; withFileTypes?: false; recursive?: boolean } | 'buffer'): Promise<Buffer[]>; // prettier-ignore
  readdir(path: VolumePath, options: { encoding?: BufferEncoding; withFileTypes: true; recursive?: boolean }): Promise<VolumeDirent[]>; // prettier-ignore
  readdir(path: VolumePath, options: { encoding: 'buffer'; withFileTypes: true; recursive?: boolean }): Promise<VolumeDirent<Buffer>[]>; // prettier-ignore
  stat(path: VolumePath, options?: { bigint?: false }): Promise<VolumeStats>;
  stat(path: VolumePath, options: { bigint: true }): Promise<VolumeBigIntStats>;
  lstat(path: VolumePath, options?: { bigint?: false }): Promise<VolumeStats>;
  lstat(path: VolumePath, options: { bigint: true }): Promise<VolumeBigIntStats>;
  /** Is it there? Permissions are not asked. */
  access(path: VolumePath, mode?: number): Promise<void>;
  rename(from: VolumePath, to: VolumePath): Promise<void>;
  rm(path: VolumePath, options?: { force?: boolean; recursive?: boolean }): Promise<void>;
  unlink(path: VolumePath): Promise<void>;
  rmdir(path: VolumePath): Promise<void>;
  symlink(target: VolumePath, path: VolumePath, type?: string | null): Promise<void>;
  readlink(path: VolumePath, options?: { encoding?: BufferEncoding } | BufferEncoding | null): Promise<string>;
  readlink(path: VolumePath, options: { encoding: 'buffer' } | 'buffer'): Promise<Buffer>;
  link(existing: VolumePath, path: VolumePath): Promise<void>;
  truncate(path: VolumePath, length?: number): Promise<void>;
  utimes(path: VolumePath, atime: TimeLike, mtime: TimeLike): Promise<void>;
  lutimes(path: VolumePath, atime: TimeLike, mtime: TimeLike): Promise<void>;
  chmod(path: VolumePath, mode: number | string): Promise<void>;
  chown(path: VolumePath, uid: number, gid: number): Promise<void>;
  open(path: VolumePath, flags?: string | number, mode?: number | string): Promise<VolumeFileHandle>;
}
