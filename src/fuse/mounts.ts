import { readFileSync, writeFileSync } from 'node:fs';

/** One line of the kernel's list of mounts. */
export interface MountEntry {
  path: string;
  /** Minor number of its device: for a FUSE mount the number of its connection, too. */
  minor: number;
  fsType: string;
  source: string;
  isReadOnly: boolean;
  /** Options of the mount and of its file system. */
  options: string[];
}

/** The kernel writes space, tab, newline and backslash as octal. */
function unescapeField(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

/** Parses /proc/self/mountinfo; lines that it does not understand are left out. */
export function parseMountInfo(text: string): MountEntry[] {
  const entries: MountEntry[] = [];
  for (const line of text.split('\n')) {
    const [left, right] = line.split(' - ');
    const [, , device, , path, options] = left?.split(' ') ?? [];
    const [fsType, source, superOptions] = right?.split(' ') ?? [];
    if (device === undefined || path === undefined || fsType === undefined) continue;
    entries.push({
      path: Buffer.from(unescapeField(path), 'latin1').toString('utf8'),
      minor: Number(device.split(':')[1]),
      fsType,
      source: unescapeField(source ?? ''),
      isReadOnly: options?.split(',').includes('ro') === true,
      options: [...(options?.split(',') ?? []), ...(superOptions?.split(',') ?? [])],
    });
  }
  return entries;
}

/**
 * What is mounted at exactly this path (canonical, absolute), the topmost one. It asks the kernel's list and not the
 * mount, which may be dead or not answer yet.
 */
export function mountAt(path: string): MountEntry | undefined {
  return parseMountInfo(readFileSync('/proc/self/mountinfo', 'latin1')).findLast((entry) => entry.path === path);
}

/** Number of the mount's connection in /sys/fs/fuse/connections; undefined when no FUSE mount is there. */
export function connectionOf(path: string): number | undefined {
  const entry = mountAt(path);
  return entry?.fsType.startsWith('fuse') === true ? entry.minor : undefined;
}

/**
 * Lets the kernel keep as many changed pages of this mount as of a disk. By default a FUSE mount gets 1 % of them, and
 * with the kernel's write-back cache a writer is slowed down to a third long before memory is short. Only root may; false
 * when it could not be done.
 */
export function liftDirtyLimit(entry: MountEntry, devices = '/sys/class/bdi'): boolean {
  try {
    writeFileSync(`${devices}/0:${entry.minor}/max_ratio`, '100', { flag: 'r+' });
    return true;
  } catch {
    return false;
  }
}

/**
 * Ends a connection: every request on it fails, also those that nobody would ever answer. False when that cannot be done
 * here: the connection is gone, belongs to another user, or the control file system is not mounted.
 */
export function abortConnection(connection: number, controls = '/sys/fs/fuse/connections'): boolean {
  try {
    writeFileSync(`${controls}/${connection}/abort`, '1', { flag: 'r+' });
    return true;
  } catch {
    return false;
  }
}
