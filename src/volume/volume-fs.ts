import { nameToText, type ByteString } from '../base/bytes.js';
import { FsError } from '../base/errors.js';
import { FileType } from '../meta/inode.js';
import type { DaemonClient } from '../mount/client.js';
import { systemError } from '../mount/fs-errors.js';
import { FS_DATA_BYTES_MAX, OPEN_FLAGS, type DirentRecord } from '../mount/fs-protocol.js';
import { dataPieces, maskedMode, modeBits, nameIn, openFlags, pathName, timeText, viewBytes } from './fs-arguments.js';
import { RpcFileHandle, type FsCall } from './fs-handle.js';
import { VolumeBigIntStats, VolumeDirent, VolumeStats } from './fs-stats.js';
import type {
  FileData,
  ReadFileOptions,
  TimeLike,
  VolumeFileHandle,
  VolumeFs,
  VolumePath,
  WriteFileOptions,
} from './fs-types.js';

interface ReaddirOptions {
  encoding?: BufferEncoding | 'buffer';
  withFileTypes?: boolean;
  recursive?: boolean;
}

/** The file system of a volume that is open without a mount: every call goes to its daemon. */
export class RpcFs {
  readonly #call: FsCall;

  constructor(call: FsCall) {
    this.#call = call;
  }

  async readFile(path: VolumePath, options?: ReadFileOptions | BufferEncoding | null): Promise<string | Buffer> {
    const { encoding, flag, signal } = asOptions(options);
    const whole = await this.#readAll(path, flag ?? 'r', signal);
    return encoding ? whole.toString(encoding) : whole;
  }

  async #readAll(path: VolumePath, flag: string | number, signal: AbortSignal | undefined): Promise<Buffer> {
    if (openFlags(flag) === OPEN_FLAGS.O_RDONLY) {
      const args = { path: pathName(path, 'open') };
      const { data, more } = await this.#call('readFile', args, signal === undefined ? {} : { signal });
      if (!more) return Buffer.from(data, 'base64');
    }
    await using file = await this.open(path, flag);
    return await file.readFile();
  }

  async writeFile(path: VolumePath, data: FileData, options?: WriteFileOptions | BufferEncoding | null): Promise<void> {
    const { encoding, flag, mode, flush, signal } = asOptions(options);
    const flags = openFlags(flag ?? 'w');
    const isSmall = ArrayBuffer.isView(data) || typeof data === 'string';
    if (isSmall && flush !== true && byteLength(data, encoding) <= FS_DATA_BYTES_MAX) {
      const bytes = typeof data === 'string' ? Buffer.from(data, encoding ?? 'utf8') : viewBytes(data);
      const args = {
        path: pathName(path, 'open'),
        data: bytes.toString('base64'),
        flags,
        mode: maskedMode(mode, 0o666),
      };
      await this.#call('writeFile', args, signal === undefined ? {} : { signal });
      return;
    }
    await using file = await this.open(path, flags, mode ?? 0o666);
    for await (const piece of dataPieces(data, encoding, FS_DATA_BYTES_MAX)) {
      signal?.throwIfAborted();
      await file.write(piece);
    }
    if (flush === true) await file.sync();
  }

  appendFile(path: VolumePath, data: FileData, options?: WriteFileOptions | BufferEncoding | null): Promise<void> {
    return this.writeFile(path, data, { flag: 'a', ...asOptions(options) });
  }

  async mkdir(
    path: VolumePath,
    options?: { recursive?: boolean; mode?: number | string } | number | null,
  ): Promise<string | undefined> {
    const given = typeof options === 'number' ? { mode: options } : (options ?? {});
    const args = {
      path: pathName(path, 'mkdir'),
      recursive: given.recursive === true,
      mode: maskedMode(given.mode, 0o777),
    };
    const { created } = await this.#call('mkdir', args);
    return args.recursive && created !== null ? `/${nameToText(created).replace(/^\/+/, '')}` : undefined;
  }

  async readdir(path: VolumePath, options?: ReaddirOptions | BufferEncoding | 'buffer' | null): Promise<unknown[]> {
    const given: ReaddirOptions = typeof options === 'string' ? { encoding: options } : (options ?? {});
    const top = pathName(path, 'scandir');
    const found: unknown[] = [];
    for await (const { entry, below } of this.#walk(top, '', given.recursive === true)) {
      const name = nameIn(given.withFileTypes ? entry.name : below + entry.name, given.encoding);
      const parent = nameToText(below === '' ? top : `${top.replace(/\/$/, '')}/${below.slice(0, -1)}`);
      found.push(given.withFileTypes ? new VolumeDirent(name, parent, entry.type) : name);
    }
    return found;
  }

  async *#walk(
    top: ByteString,
    below: ByteString,
    isRecursive: boolean,
  ): AsyncGenerator<{ entry: DirentRecord; below: ByteString }> {
    const { entries } = await this.#call('readdir', { path: below === '' ? top : `${top}/${below.slice(0, -1)}` });
    for (const entry of entries) {
      yield { entry, below };
      if (isRecursive && entry.type === FileType.DIRECTORY) yield* this.#walk(top, `${below}${entry.name}/`, true);
    }
  }

  async stat(path: VolumePath, options?: { bigint?: boolean }): Promise<VolumeStats | VolumeBigIntStats> {
    const record = await this.#call('stat', { path: pathName(path, 'stat') });
    return options?.bigint ? new VolumeBigIntStats(record) : new VolumeStats(record);
  }

  async lstat(path: VolumePath, options?: { bigint?: boolean }): Promise<VolumeStats | VolumeBigIntStats> {
    const record = await this.#call('lstat', { path: pathName(path, 'lstat') });
    return options?.bigint ? new VolumeBigIntStats(record) : new VolumeStats(record);
  }

  async access(path: VolumePath): Promise<void> {
    const name = pathName(path, 'access');
    try {
      await this.#call('stat', { path: name });
    } catch (error) {
      throw error instanceof FsError ? systemError(error, 'access', nameToText(name)) : error;
    }
  }

  async rename(from: VolumePath, to: VolumePath): Promise<void> {
    await this.#call('rename', { from: pathName(from, 'rename'), to: pathName(to, 'rename') });
  }

  async rm(path: VolumePath, options: { force?: boolean; recursive?: boolean } = {}): Promise<void> {
    const args = { path: pathName(path, 'rm'), recursive: options.recursive === true, force: options.force === true };
    while ((await this.#call('rm', args)).more);
  }

  async unlink(path: VolumePath): Promise<void> {
    await this.#call('unlink', { path: pathName(path, 'unlink') });
  }

  async rmdir(path: VolumePath): Promise<void> {
    await this.#call('rmdir', { path: pathName(path, 'rmdir') });
  }

  async symlink(target: VolumePath, path: VolumePath): Promise<void> {
    await this.#call('symlink', { target: pathName(target, 'symlink'), path: pathName(path, 'symlink') });
  }

  async readlink(
    path: VolumePath,
    options?: { encoding?: BufferEncoding | 'buffer' } | BufferEncoding | 'buffer' | null,
  ): Promise<string | Buffer> {
    const { target } = await this.#call('readlink', { path: pathName(path, 'readlink') });
    return nameIn(target, typeof options === 'string' ? options : options?.encoding);
  }

  async link(existing: VolumePath, path: VolumePath): Promise<void> {
    await this.#call('link', { existing: pathName(existing, 'link'), path: pathName(path, 'link') });
  }

  async truncate(path: VolumePath, length = 0): Promise<void> {
    await this.#call('truncate', { path: pathName(path, 'truncate'), length: Math.max(0, length) });
  }

  async utimes(path: VolumePath, atime: TimeLike, mtime: TimeLike): Promise<void> {
    const args = { path: pathName(path, 'utimes'), atimeNs: timeText(atime), mtimeNs: timeText(mtime) };
    await this.#call('utimes', args);
  }

  async lutimes(path: VolumePath, atime: TimeLike, mtime: TimeLike): Promise<void> {
    const args = { path: pathName(path, 'lutimes'), atimeNs: timeText(atime), mtimeNs: timeText(mtime) };
    await this.#call('lutimes', args);
  }

  async chmod(path: VolumePath, mode: number | string): Promise<void> {
    await this.#call('chmod', { path: pathName(path, 'chmod'), mode: modeBits(mode, 0) });
  }

  async chown(path: VolumePath, uid: number, gid: number): Promise<void> {
    await this.#call('chown', { path: pathName(path, 'chown'), uid, gid });
  }

  async open(path: VolumePath, flag: string | number = 'r', mode?: number | string): Promise<VolumeFileHandle> {
    const flags = openFlags(flag);
    const { fd } = await this.#call('open', { path: pathName(path, 'open'), flags, mode: maskedMode(mode, 0o666) });
    return new RpcFileHandle(this.#call, fd, flags);
  }
}

/** `volume.fs` of a volume that is open without a mount. */
export function rpcFs(client: Pick<DaemonClient, 'call'>): VolumeFs {
  return new RpcFs((op, args, options) => client.call('fs', { op, args }, options)) as unknown as VolumeFs;
}

/** `volume.fs` of a volume that is neither mounted nor open: every call is an error that says so. */
export function closedFs(explain: () => Error): VolumeFs {
  return new RpcFs(() => Promise.reject(explain())) as unknown as VolumeFs;
}

function asOptions<T extends { encoding?: BufferEncoding | null }>(options: T | BufferEncoding | null | undefined): T {
  return (typeof options === 'string' ? { encoding: options } : (options ?? {})) as T;
}

function byteLength(data: string | NodeJS.ArrayBufferView, encoding: BufferEncoding | null | undefined): number {
  return typeof data === 'string' ? Buffer.byteLength(data, encoding ?? 'utf8') : data.byteLength;
}
