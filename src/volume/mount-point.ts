import {
  accessSync,
  constants,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmdirSync,
  statSync,
} from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { toVolumeError, VolumeError } from '../base/errors.js';

export interface MountPoint {
  /** Without links and dots, as the kernel lists it. */
  path: string;
  /** Undoes what was made for it; for a mount that failed. */
  remove(): void;
}

/**
 * Finds out, before anything is started, that a volume can be mounted here, and makes the directory when it is not there.
 * @throws VolumeError `busy` for a mount point or a directory that is not empty, `invalid` for what is no directory, `denied`
 */
export function prepareMountPoint(mountPath: string): MountPoint {
  let created: string | undefined;
  try {
    created = mkdirSync(mountPath, { recursive: true });
    if (!statSync(mountPath).isDirectory()) throw notDirectory(mountPath);
  } catch (error) {
    throw mountPointError(error, mountPath);
  }
  const path = realpathSync(mountPath);
  if (mountPoints().has(path)) {
    throw new VolumeError('busy', `mountPath: something is mounted at ${path}; unmount it or choose another path`);
  }
  let entries: string[];
  try {
    entries = readdirSync(path);
  } catch (error) {
    throw mountPointError(error, path);
  }
  if (entries.length > 0) {
    throw new VolumeError(
      'busy',
      `mountPath: ${path} is not empty, and a mount would hide what is there; choose another`,
    );
  }
  return { path, remove: () => removeUpTo(path, created) };
}

function mountPointError(error: unknown, path: string): VolumeError {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'ENOTCONN':
    case 'ECONNABORTED':
      return new VolumeError('busy', `mountPath: a dead mount is at ${path}; remove it with: fusermount3 -u ${path}`, {
        cause: error,
      });
    case 'EEXIST':
    case 'ENOTDIR':
      return new VolumeError('invalid', `mountPath: ${path} is not a directory`, { cause: error });
    case 'ENOENT':
      // Node's word for a folder that cannot be made because the file system is read-only.
      return new VolumeError('denied', `mountPath: ${path} cannot be made there; choose another`, { cause: error });
    default:
      return toVolumeError(error, 'mountPath');
  }
}

function notDirectory(path: string): Error {
  return Object.assign(new Error('not a directory'), { code: 'ENOTDIR', path });
}

/** Directories from `path` up to the first one that was created, as long as they are empty. */
function removeUpTo(path: string, created: string | undefined): void {
  if (created === undefined) return;
  const top = resolve(created);
  for (let at = path; at.startsWith(top); at = dirname(at)) {
    try {
      rmdirSync(at);
    } catch {
      // Somebody uses it by now: it is theirs.
      return;
    }
  }
}

/** Where things are mounted in this namespace; empty where there is no /proc. */
export function mountPoints(): Set<string> {
  let table: string;
  try {
    table = readFileSync('/proc/self/mountinfo', 'utf8');
  } catch {
    return new Set();
  }
  const unescape = (text: string): string =>
    text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
  const paths = table.split('\n').map((line) => line.split(' ')[4]);
  return new Set(paths.filter((path) => path !== undefined).map(unescape));
}

/**
 * Makes sure that a folder of ours is there and writable, and not inside of the mount, which would wait for itself.
 * @throws VolumeError `invalid` or `denied`, naming the option
 */
export function prepareFolder(option: string, folder: string, mountPath: string | undefined): void {
  if (mountPath !== undefined && isBelow(canonical(folder), mountPath)) {
    throw new VolumeError(
      'invalid',
      `${option}: ${folder} is below the mount ${mountPath}; choose a folder outside of it`,
    );
  }
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' || code === 'ENOTDIR') {
      throw new VolumeError('invalid', `${option}: ${folder} is not a directory`, { cause: error });
    }
    const refusal = `${option}: ${folder} cannot be written; choose another folder`;
    // ENOENT: node's word for a folder that cannot be made because the file system is read-only.
    if (code === 'ENOENT') throw new VolumeError('denied', refusal, { cause: error });
    throw toVolumeError(error, refusal);
  }
}

function isBelow(path: string, top: string): boolean {
  const way = relative(top, path);
  return way === '' || !(way === '..' || way.startsWith('../'));
}

/** Without links, as far as the path exists. */
function canonical(path: string): string {
  const rest: string[] = [];
  for (let at = resolve(path); ; at = dirname(at)) {
    try {
      return join(realpathSync(at), ...rest);
    } catch {
      if (at === dirname(at)) return resolve(path);
      rest.unshift(at.slice(dirname(at).length).replace(/^\//, ''));
    }
  }
}
