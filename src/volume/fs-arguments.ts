import { constants } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { bytesToName, nameToBytes, utf8ToName, type ByteString } from '../base/bytes.js';
import { FsError } from '../base/errors.js';
import { OPEN_FLAGS } from '../mount/fs-protocol.js';
import type { FileData, TimeLike, VolumePath } from './fs-types.js';

const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_TRUNC, O_APPEND } = OPEN_FLAGS;

const FLAGS_BY_NAME: Record<string, number> = {
  r: O_RDONLY,
  rs: O_RDONLY,
  'r+': O_RDWR,
  'rs+': O_RDWR,
  w: O_WRONLY | O_CREAT | O_TRUNC,
  wx: O_WRONLY | O_CREAT | O_TRUNC | O_EXCL,
  'w+': O_RDWR | O_CREAT | O_TRUNC,
  'wx+': O_RDWR | O_CREAT | O_TRUNC | O_EXCL,
  a: O_WRONLY | O_CREAT | O_APPEND,
  ax: O_WRONLY | O_CREAT | O_APPEND | O_EXCL,
  'a+': O_RDWR | O_CREAT | O_APPEND,
  'ax+': O_RDWR | O_CREAT | O_APPEND | O_EXCL,
};

/** Linux's open(2) flags of node's text or of this system's numbers. @throws FsError EINVAL */
export function openFlags(flag: string | number): number {
  if (typeof flag === 'string') {
    const flags = FLAGS_BY_NAME[flag];
    if (flags === undefined) throw new FsError('EINVAL', { message: `'${flag}' is not a flag`, syscall: 'open' });
    return flags;
  }
  let flags = flag & (constants.O_WRONLY | constants.O_RDWR);
  for (const name of ['O_CREAT', 'O_EXCL', 'O_TRUNC', 'O_APPEND', 'O_DIRECTORY', 'O_NOFOLLOW'] as const) {
    if ((flag & constants[name]) !== 0) flags |= OPEN_FLAGS[name];
  }
  return flags;
}

/** A path as bytes. @throws FsError EINVAL for one with a NUL, ENOENT for an empty one */
export function pathName(path: VolumePath, syscall: string): ByteString {
  const name =
    typeof path === 'string'
      ? utf8ToName(path)
      : path instanceof URL
        ? utf8ToName(fileURLToPath(path))
        : bytesToName(path);
  if (name.includes('\0')) throw new FsError('EINVAL', { message: 'the path has a NUL byte', syscall });
  if (name === '') throw new FsError('ENOENT', { message: 'the path is empty', syscall });
  return name;
}

export function nameIn(name: ByteString, encoding: string | null | undefined): string | Buffer {
  const bytes = Buffer.from(nameToBytes(name));
  return encoding === 'buffer' ? bytes : bytes.toString((encoding ?? 'utf8') as BufferEncoding);
}

/** Permission bits; text is octal, as node has it. */
export function modeBits(mode: number | string | null | undefined, fallback: number): number {
  if (mode === undefined || mode === null) return fallback;
  const bits = typeof mode === 'string' && /^[0-7]+$/.test(mode) ? Number.parseInt(mode, 8) : mode;
  if (typeof bits !== 'number' || !Number.isInteger(bits) || bits < 0) {
    throw new FsError('EINVAL', { message: `${String(mode)} is not a mode` });
  }
  return bits & 0o7777;
}

/** The bits for something that is created: what this process's umask leaves. */
export function maskedMode(mode: number | string | null | undefined, fallback: number): number {
  return modeBits(mode, fallback) & ~process.umask();
}

/** Nanoseconds since 1970 as text. A number is seconds, as node has it; it is exact to the microsecond. */
export function timeText(time: TimeLike): string {
  if (time instanceof Date) return String(BigInt(time.getTime()) * 1_000_000n);
  const seconds = typeof time === 'string' ? Number(time) : time;
  if (!Number.isFinite(seconds)) throw new FsError('EINVAL', { message: `${String(time)} is not a time` });
  const whole = Math.floor(seconds);
  return String(BigInt(whole) * 1_000_000_000n + BigInt(Math.round((seconds - whole) * 1e6)) * 1000n);
}

export function viewBytes(view: NodeJS.ArrayBufferView): Buffer {
  return Buffer.from(view.buffer, view.byteOffset, view.byteLength);
}

/** Data in pieces of at most `limit` bytes; of a text or a view without copying it. */
export async function* dataPieces(
  data: FileData,
  encoding: BufferEncoding | null | undefined,
  limit: number,
): AsyncGenerator<Buffer> {
  if (typeof data !== 'string' && !ArrayBuffer.isView(data)) {
    for await (const part of data) yield* dataPieces(part, encoding, limit);
    return;
  }
  const bytes = typeof data === 'string' ? Buffer.from(data, encoding ?? 'utf8') : viewBytes(data);
  for (let at = 0; at < bytes.length; at += limit) yield bytes.subarray(at, at + limit);
}
