import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { nameToBytes } from '../base/bytes.js';
import { pathName } from './fs-arguments.js';
import type { VolumeFs, VolumePath } from './fs-types.js';

/** Calls of node:fs/promises whose first argument is their only path. */
// prettier-ignore
const ONE_PATH = [
  'readFile', 'writeFile', 'appendFile', 'readdir', 'stat', 'lstat', 'access', 'rm', 'unlink', 'rmdir', 'readlink', 'truncate',
  'utimes', 'lutimes', 'chmod', 'chown', 'open',
] as const;

/** `volume.fs` of a mounted volume: node:fs on the mount path. Results, also file handles, are node's own. */
export function mountedFs(mountPath: string): VolumeFs {
  const calls: Record<string, (...args: never[]) => Promise<unknown>> = {
    mkdir: async (path: VolumePath, options?: { recursive?: boolean }) => {
      const created = await fs.mkdir(inside(mountPath, path, 'mkdir'), options);
      return created?.slice(mountPath.length);
    },
    rename: (from: VolumePath, to: VolumePath) =>
      fs.rename(inside(mountPath, from, 'rename'), inside(mountPath, to, 'rename')),
    link: (existing: VolumePath, path: VolumePath) =>
      fs.link(inside(mountPath, existing, 'link'), inside(mountPath, path, 'link')),
    symlink: (target: VolumePath, path: VolumePath) =>
      fs.symlink(target instanceof Uint8Array ? Buffer.from(target) : target, inside(mountPath, path, 'symlink')),
  };
  for (const name of ONE_PATH) {
    const call = fs[name] as (...args: unknown[]) => Promise<unknown>;
    calls[name] = async (path: VolumePath, ...rest: never[]) => call(inside(mountPath, path, name), ...rest);
  }
  return calls as unknown as VolumeFs;
}

/** The path below the mount; `..` ends at the root of the volume, as in a volume without a mount. */
function inside(mountPath: string, path: VolumePath, syscall: string): Buffer | string {
  const name = pathName(path, syscall);
  const below = join('/', name);
  // Text stays text, so that errors and directory entries show their paths as such.
  if (typeof path === 'string') return mountPath + join('/', path);
  return Buffer.concat([Buffer.from(mountPath), nameToBytes(below)]);
}
