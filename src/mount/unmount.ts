import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { VolumeError } from '../base/errors.js';

function fusermount(args: string[]): Promise<{ ok: boolean; said: string }> {
  return new Promise((resolve) => {
    execFile('fusermount3', args, { encoding: 'utf8' }, (error, _stdout, stderr) => {
      resolve({ ok: error === null, said: stderr.trim() || (error?.message ?? '') });
    });
  });
}

/**
 * Unmounts in good order: the kernel writes back what it holds first.
 * @throws VolumeError `busy` that names the processes which still use the mount
 */
export async function unmount(mountPath: string): Promise<void> {
  const { ok, said } = await fusermount(['-u', '--', mountPath]);
  if (ok || !isMounted(mountPath)) return;
  const users = await usersOf(mountPath);
  const who = users.length === 0 ? '' : ` by ${users.join(', ')}`;
  throw new VolumeError('busy', `${mountPath} is in use${who}; close what is open there and try again (${said})`);
}

/** Takes the mount out of the tree at once; processes that use it go on until they close it or the session ends. */
export async function detachMount(mountPath: string): Promise<void> {
  await fusermount(['-u', '-z', '-q', '--', mountPath]);
}

/** Is there a mount at this path? Asks the kernel's list, so that a dead mount does not hang the question. */
export function isMounted(path: string): boolean {
  const listed = path.replace(/[ \t\n\\]/g, (c) => `\\${c.charCodeAt(0).toString(8).padStart(3, '0')}`);
  return readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .some((line) => line.split(' ')[1] === listed);
}

/** "PID (name)" of each process of which we may know that its folder, program or an open file is below the path. */
async function usersOf(mountPath: string): Promise<string[]> {
  const users: string[] = [];
  const isBelow = (target: string): boolean => target === mountPath || target.startsWith(`${mountPath}/`);
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid) || !linksOf(pid).some(isBelow)) continue;
    users.push(`${pid} (${nameOf(pid)})`);
  }
  return users;
}

function linksOf(pid: string): string[] {
  const links = [`/proc/${pid}/cwd`, `/proc/${pid}/root`, `/proc/${pid}/exe`];
  try {
    for (const fd of readdirSync(`/proc/${pid}/fd`)) links.push(`/proc/${pid}/fd/${fd}`);
  } catch {
    // Another user's process, or one that has just ended: we may not look, so we do not name it.
  }
  const targets = links.flatMap((link) => {
    try {
      return [readlinkSync(link)];
    } catch {
      return [];
    }
  });
  try {
    for (const line of readFileSync(`/proc/${pid}/maps`, 'latin1').split('\n')) {
      const path = line.indexOf('/');
      if (path > 0) targets.push(line.slice(path));
    }
  } catch {
    // As above.
  }
  return targets;
}

function nameOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return 'ended';
  }
}
