import { getSystemErrorMap } from 'node:util';
import { nameToText, type ByteString } from '../base/bytes.js';
import { FsError } from '../base/errors.js';
import type { FsOp } from './fs-protocol.js';

/** What node says as `syscall` where it is not the name of our call. */
const SYSCALLS: Partial<Record<FsOp, string>> = {
  readFile: 'open',
  writeFile: 'open',
  appendFile: 'open',
  readdir: 'scandir',
  truncate: 'open',
  utimes: 'utime',
  lutimes: 'lutime',
  futimes: 'futime',
};

/** Of a call that does several things: the errors of what follows the opening, which have no path. */
const LATER: Partial<Record<FsOp, { syscall: string; codes: readonly string[] }>> = {
  readFile: { syscall: 'read', codes: ['EIO', 'EISDIR'] },
  writeFile: { syscall: 'write', codes: ['EIO', 'EFBIG'] },
  appendFile: { syscall: 'write', codes: ['EIO', 'EFBIG'] },
};

/** An error of the vfs, which knows no paths, in the shape that node:fs gives it. */
export function fsErrorOf(error: FsError, op: FsOp, args: unknown): FsError {
  const { code } = error;
  const later = LATER[op];
  if (later?.codes.includes(code)) return systemError(error, later.syscall);
  const paths = args as Partial<Record<'from' | 'existing' | 'target' | 'path', ByteString>>;
  const path = paths.from ?? paths.existing ?? paths.target ?? paths.path;
  return systemError(error, SYSCALLS[op] ?? op, path === undefined ? undefined : nameToText(path));
}

/** The same error as if this system call had failed on this path. */
export function systemError(error: FsError, syscall: string, path?: string): FsError {
  const message = getSystemErrorMap().get(error.errno)?.[1];
  return new FsError(error.code, {
    syscall,
    cause: error,
    ...(message === undefined ? {} : { message }),
    ...(path === undefined ? {} : { path }),
  });
}
