import { FsError } from '../base/errors.js';
import { FS_DATA_BYTES_MAX, OPEN_FLAGS, type FsArgs, type FsOp, type FsResult } from '../mount/fs-protocol.js';
import { dataPieces, modeBits, timeText, viewBytes } from './fs-arguments.js';
import { VolumeBigIntStats, VolumeStats } from './fs-stats.js';
import type { FileData, TimeLike, VolumeFileHandle } from './fs-types.js';

/** Makes one call of the protocol; a rejection is the FsError that the daemon threw. */
export type FsCall = <Op extends FsOp>(
  op: Op,
  args: FsArgs<Op>,
  options?: { signal?: AbortSignal },
) => Promise<FsResult<Op>>;

/** What one read asks for. */
const READ_BYTES = FS_DATA_BYTES_MAX / 2;

/** An open file of the daemon. It keeps its own position, as the kernel would. */
export class RpcFileHandle implements VolumeFileHandle {
  readonly #call: FsCall;
  readonly #flags: number;
  #fd: number;
  #position = 0;

  constructor(call: FsCall, fd: number, flags: number) {
    this.#call = call;
    this.#fd = fd;
    this.#flags = flags;
  }

  /** -1 once it is closed, as node has it. */
  get fd(): number {
    return this.#fd;
  }

  async read<T extends NodeJS.ArrayBufferView>(
    buffer: T,
    offset?: number | null,
    length?: number | null,
    position?: number | bigint | null,
  ): Promise<{ bytesRead: number; buffer: T }> {
    const target = this.#part(buffer, offset, length, 'read');
    const isHere = position === null || position === undefined || Number(position) < 0;
    let at = isHere ? this.#position : Number(position);
    let bytesRead = 0;
    while (bytesRead < target.length) {
      const wanted = Math.min(READ_BYTES, target.length - bytesRead);
      const { data } = await this.#call('read', { fd: this.#open('read'), position: at, length: wanted });
      const got = target.write(data, bytesRead, 'base64');
      bytesRead += got;
      at += got;
      if (got < wanted) break;
    }
    if (isHere) this.#position = at;
    return { bytesRead, buffer };
  }

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
  async write(
    data: string | NodeJS.ArrayBufferView,
    offsetOrPosition?: number | null,
    lengthOrEncoding?: number | string | null,
    position?: number | null,
  ): Promise<{ bytesWritten: number; buffer: never }> {
    const isText = typeof data === 'string';
    const bytes = isText
      ? Buffer.from(data, (lengthOrEncoding as BufferEncoding | null | undefined) ?? 'utf8')
      : this.#part(data, offsetOrPosition, lengthOrEncoding as number | null | undefined, 'write');
    await this.#writeAt(bytes, (isText ? offsetOrPosition : position) ?? null);
    return { bytesWritten: bytes.length, buffer: data as never };
  }

  readFile(options?: { encoding?: null } | null): Promise<Buffer>;
  readFile(options: { encoding: BufferEncoding } | BufferEncoding): Promise<string>;
  async readFile(options?: { encoding?: BufferEncoding | null } | BufferEncoding | null): Promise<never> {
    const encoding = typeof options === 'string' ? options : options?.encoding;
    const pieces: Buffer[] = [];
    for (;;) {
      const { data } = await this.#call('read', {
        fd: this.#open('read'),
        position: this.#position,
        length: READ_BYTES,
      });
      const piece = Buffer.from(data, 'base64');
      this.#position += piece.length;
      if (piece.length > 0) pieces.push(piece);
      if (piece.length < READ_BYTES) break;
    }
    const whole = Buffer.concat(pieces);
    return (encoding ? whole.toString(encoding) : whole) as never;
  }

  async writeFile(
    data: FileData,
    options?: { encoding?: BufferEncoding | null } | BufferEncoding | null,
  ): Promise<void> {
    const encoding = typeof options === 'string' ? options : options?.encoding;
    for await (const piece of dataPieces(data, encoding, FS_DATA_BYTES_MAX)) await this.#writeAt(piece, null);
  }

  appendFile(data: FileData, options?: { encoding?: BufferEncoding | null } | BufferEncoding | null): Promise<void> {
    return this.writeFile(data, options);
  }

  stat(options?: { bigint?: false }): Promise<VolumeStats>;
  stat(options: { bigint: true }): Promise<VolumeBigIntStats>;
  async stat(options?: { bigint?: boolean }): Promise<never> {
    const record = await this.#call('fstat', { fd: this.#open('fstat') });
    return (options?.bigint ? new VolumeBigIntStats(record) : new VolumeStats(record)) as never;
  }

  async truncate(length = 0): Promise<void> {
    await this.#call('ftruncate', { fd: this.#open('ftruncate'), length: Math.max(0, length) });
  }

  async utimes(atime: TimeLike, mtime: TimeLike): Promise<void> {
    await this.#call('futimes', { fd: this.#open('futimes'), atimeNs: timeText(atime), mtimeNs: timeText(mtime) });
  }

  async chmod(mode: number | string): Promise<void> {
    await this.#call('fchmod', { fd: this.#open('fchmod'), mode: modeBits(mode, 0) });
  }

  async chown(uid: number, gid: number): Promise<void> {
    await this.#call('fchown', { fd: this.#open('fchown'), uid, gid });
  }

  async sync(): Promise<void> {
    await this.#call('fsync', { fd: this.#open('fsync'), dataOnly: false });
  }

  async datasync(): Promise<void> {
    await this.#call('fsync', { fd: this.#open('fdatasync'), dataOnly: true });
  }

  async close(): Promise<void> {
    const fd = this.#fd;
    if (fd === -1) return;
    this.#fd = -1;
    await this.#call('close', { fd });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #writeAt(bytes: Buffer, position: number | null): Promise<void> {
    const isHere = position === null || position < 0;
    let at = isHere ? this.#position : position;
    for (let from = 0; from < bytes.length; from += FS_DATA_BYTES_MAX) {
      const piece = bytes.subarray(from, from + FS_DATA_BYTES_MAX);
      await this.#call('write', { fd: this.#open('write'), position: at, data: piece.toString('base64') });
      at += piece.length;
    }
    if (isHere && (this.#flags & OPEN_FLAGS.O_APPEND) === 0) this.#position = at;
  }

  #open(syscall: string): number {
    if (this.#fd === -1) throw new FsError('EBADF', { message: 'the file is closed', syscall });
    return this.#fd;
  }

  #part(
    view: NodeJS.ArrayBufferView,
    offset: number | null | undefined,
    length: number | null | undefined,
    syscall: string,
  ): Buffer {
    const from = offset ?? 0;
    const bytes = length ?? view.byteLength - from;
    if (
      !Number.isInteger(from) ||
      !Number.isInteger(bytes) ||
      from < 0 ||
      bytes < 0 ||
      from + bytes > view.byteLength
    ) {
      throw new FsError('EINVAL', { message: `${from} + ${bytes} is outside of the buffer`, syscall });
    }
    return viewBytes(view).subarray(from, from + bytes);
  }
}
