import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { systemRandom } from '../base/random.js';
import { VolumeError } from '../base/errors.js';
import { LOG_FILES_MAX } from '../base/limits.js';

/**
 * Which daemons run for this user: one file each below `$XDG_STATE_HOME/forkfs/mounts`, readable by the user alone,
 * since it holds the token of the daemon's control channel.
 */
export interface RegistryEntry {
  format: 1;
  id: string;
  pid: number;
  /** Start time of the process from /proc, which tells it from a later one with the same pid. */
  pidStart: string;
  mountPath: string | null;
  socket: string;
  token: string;
  logPath: string;
  metaDir: string;
  volume: string;
  family: string;
  bucket: string;
  access: 'rw' | 'ro';
  attached: boolean;
}

export function stateHome(): string {
  const xdg = process.env['XDG_STATE_HOME'];
  return join(xdg !== undefined && xdg.startsWith('/') ? xdg : join(homedir(), '.local', 'state'), 'forkfs');
}

function mountsDirectory(): string {
  return join(stateHome(), 'mounts');
}

export function logsDirectory(): string {
  return join(stateHome(), 'logs');
}

/** Deletes the oldest logs of daemons that are gone, so that LOG_FILES_MAX stay. */
export function pruneLogs(): void {
  const directory = logsDirectory();
  const inUse = new Set(liveEntries().map((entry) => entry.logPath));
  const logs = readdirSync(directory)
    .map((name) => join(directory, name))
    .filter((path) => !inUse.has(path))
    .map((path) => ({ path, mtimeMs: statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0 }))
    .sort((a, b) => b.mtimeMs - a.mtimeMs);
  for (const { path } of logs.slice(LOG_FILES_MAX)) rmSync(path, { force: true });
}

export function newEntryId(mountPath: string | null): string {
  if (mountPath === null) return `open-${systemRandom.id(12)}`;
  return createHash('sha256').update(mountPath).digest('hex').slice(0, 24);
}

export function writeEntry(entry: RegistryEntry): void {
  mkdirSync(mountsDirectory(), { recursive: true, mode: 0o700 });
  const path = join(mountsDirectory(), `${entry.id}.json`);
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, JSON.stringify(entry), { mode: 0o600 });
  renameSync(temporary, path);
}

/** Removes the entry if it is still this daemon's. */
export function removeEntry(entry: RegistryEntry): void {
  const path = join(mountsDirectory(), `${entry.id}.json`);
  if (readEntry(path)?.pid === entry.pid) rmSync(path, { force: true });
}

function readEntry(path: string): RegistryEntry | undefined {
  try {
    const entry = JSON.parse(readFileSync(path, 'utf8')) as RegistryEntry;
    return entry.format === 1 ? entry : undefined;
  } catch (error) {
    // Being written or removed by its daemon: as good as not there.
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Entries whose daemon lives; those of dead ones are removed on the way. */
export function liveEntries(): RegistryEntry[] {
  if (!existsSync(mountsDirectory())) return [];
  const live: RegistryEntry[] = [];
  for (const name of readdirSync(mountsDirectory())) {
    if (!name.endsWith('.json')) continue;
    const path = join(mountsDirectory(), name);
    const entry = readEntry(path);
    if (entry === undefined) continue;
    if (processStart(entry.pid) === entry.pidStart) live.push(entry);
    else rmSync(path, { force: true });
  }
  return live;
}

/** When the process began, in clock ticks since boot (field 22 of /proc/PID/stat; 'up' where there is no /proc); undefined when it is gone. */
export function processStart(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // A zombie has ended, even if nobody has waited for it.
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    if (existsSync('/proc/self/stat')) return undefined;
    try {
      process.kill(pid, 0);
      return 'up';
    } catch {
      return undefined;
    }
  }
}

/**
 * The folder for control sockets: short, because a socket's path is at most 107 bytes, and private to the user.
 * @throws VolumeError `denied` when somebody else owns the folder
 */
export function socketDirectory(): string {
  const { uid } = userInfo();
  const runtime = process.env['XDG_RUNTIME_DIR'];
  const directory =
    runtime !== undefined && runtime.startsWith('/') && existsSync(runtime) && runtime.length < 60
      ? join(runtime, 'forkfs')
      : join(tmpdir().length < 60 ? tmpdir() : '/tmp', `forkfs-${uid}`);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const stat = statSync(directory);
  if (stat.uid !== uid || (stat.mode & 0o077) !== 0) {
    throw new VolumeError(
      'denied',
      `${directory} must belong to you with mode 0700; remove it or set XDG_RUNTIME_DIR to a private folder`,
    );
  }
  return directory;
}
