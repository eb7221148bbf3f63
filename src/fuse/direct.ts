import { execFile, spawnSync } from 'node:child_process';
import { readdirSync, realpathSync, statSync } from 'node:fs';
import { promisify } from 'node:util';
import { errnoName } from '../base/errno.js';
import { VolumeError } from '../base/errors.js';
import { FUSE_READ_BYTES_MAX } from '../base/limits.js';
import { close, recvFd, socketpair } from '../base/libc.js';
import { fuseFacts, HELPER } from './facts.js';
import { mountFailure, mountPointFailure } from './mount-failure.js';
import { liftDirtyLimit, mountAt } from './mounts.js';

const execFileAsync = promisify(execFile);

/** The descriptor of fusermount3's end of the socket, in its own numbering. */
const CHILD_SOCKET = 3;

export interface DirectMountOptions {
  /** An empty directory. */
  mountPath: string;
  /** The source that the list of mounts shows. */
  fsname: string;
  readOnly?: boolean;
  /** May other users reach the mount? The kernel checks permissions in any case. */
  allowOther?: boolean;
  /** The session will ask for the kernel's write-back cache: it gets room for it, where this process may give it. */
  kernelWriteback?: boolean;
}

/** Options of the kernel and of fusermount3, as one argument. */
export function mountOptions(options: DirectMountOptions): string {
  // A comma would start another option.
  const fsname = options.fsname.replace(/[\\,]/g, (c) => `\\${c}`);
  const list = [
    `fsname=${fsname}`,
    'subtype=forkfs',
    'nosuid',
    'nodev',
    'default_permissions',
    `max_read=${FUSE_READ_BYTES_MAX}`,
    options.readOnly === true ? 'ro' : 'rw',
  ];
  if (options.allowOther === true) list.push('allow_other');
  return list.join(',');
}

/**
 * Mounts through fusermount3, which opens the device, mounts, and hands the descriptor over a socket: it works for root
 * and, as that program is setuid, for everybody. From now on the kernel's requests can be read from `fd`, and whoever
 * touches the mount waits for the answers.
 * @throws VolumeError `unsupported` or `denied` with the remedy; `busy`, `invalid`, `not-found` for the mount point
 */
export function mountDirect(options: DirectMountOptions): { fd: number; mountPath: string } {
  const mountPath = checkMountPoint(options.mountPath);
  const pair = socketpair();
  if (typeof pair === 'number') throw new VolumeError('io', `cannot make a socket: ${errnoName(-pair)}`);
  const [ours, theirs] = pair;
  try {
    const helper = spawnSync(HELPER, ['-o', mountOptions(options), '--', mountPath], {
      stdio: ['ignore', 'ignore', 'pipe', theirs],
      env: { ...process.env, _FUSE_COMMFD: String(CHILD_SOCKET) },
      encoding: 'utf8',
    });
    const said = (helper.stderr ?? '').trim();
    if (helper.error !== undefined || helper.status !== 0) {
      throw mountFailure(fuseFacts(), { said, allowOther: options.allowOther === true, cause: helper.error });
    }
    const fd = recvFd(ours);
    if (fd < 0) throw new VolumeError('io', `${HELPER} sent no descriptor: ${errnoName(-fd)}; ${said}`);
    const entry = options.kernelWriteback === true ? mountAt(mountPath) : undefined;
    if (entry !== undefined) liftDirtyLimit(entry);
    return { fd, mountPath };
  } finally {
    close(ours);
    close(theirs);
  }
}

/** The canonical path of a directory that can be mounted upon. */
function checkMountPoint(path: string): string {
  try {
    const mountPath = realpathSync(path);
    if (mountAt(mountPath) !== undefined) throw mountPointFailure('mounted', mountPath);
    if (!statSync(mountPath).isDirectory()) throw mountPointFailure('not-a-directory', mountPath);
    if (readdirSync(mountPath).length > 0) throw mountPointFailure('not-empty', mountPath);
    return mountPath;
  } catch (error) {
    if (error instanceof VolumeError) throw error;
    throw mountPointFailure((error as NodeJS.ErrnoException).code ?? 'EIO', path, error);
  }
}

/**
 * Takes the mount out of the tree. In good order the kernel writes back first, so whoever serves the mount must still
 * answer; `lazy` works also while it is in use or dead, and its users go on until they let go.
 * @throws VolumeError `busy`
 */
export async function unmountDirect(mountPath: string, options: { lazy?: boolean } = {}): Promise<void> {
  try {
    await execFileAsync(HELPER, [...(options.lazy === true ? ['-u', '-z'] : ['-u']), '--', mountPath]);
  } catch (error) {
    if (mountAt(mountPath) === undefined) return;
    const said = (error as { stderr?: string }).stderr?.trim() ?? String(error);
    throw new VolumeError('busy', `cannot unmount ${mountPath}: ${said}`, { cause: error });
  }
}
