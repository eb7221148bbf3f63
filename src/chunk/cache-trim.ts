import type { Dirent } from 'node:fs';
import { lstat, readdir, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { CacheUsage } from './cache-usage.js';

/** A temporary file this old belongs to nobody any more. */
const TEMPORARY_AGE_MS = 3_600_000;
/** Files that are looked at or deleted at one time. */
const AT_ONCE = 32;

interface CacheFile {
  path: string;
  bytes: number;
  usedMs: number;
  isTemporary: boolean;
}

/**
 * Counts the files of a cache folder and deletes those that were not used for longest, until at most `bytesMax` are left;
 * answers the bytes that are. Call it under the cache's lock. It is well if others delete at the same time.
 */
export async function trimCache(directory: string, bytesMax: number, nowMs: number): Promise<number> {
  const files: CacheFile[] = [];
  await collect(directory, files);
  let total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  const old = files.filter(({ isTemporary, usedMs }) => isTemporary && nowMs - usedMs > TEMPORARY_AGE_MS);
  const byUse = files.filter(({ isTemporary }) => !isTemporary).toSorted((a, b) => a.usedMs - b.usedMs);
  let goal = total;
  const victims: CacheFile[] = [];
  for (const file of [...old, ...byUse]) {
    if (goal <= bytesMax && !file.isTemporary) break;
    victims.push(file);
    goal -= file.bytes;
  }
  for (let at = 0; at < victims.length; at += AT_ONCE) {
    const some = victims.slice(at, at + AT_ONCE);
    const gone = await Promise.all(some.map(({ path }) => removed(path)));
    for (const [i, { bytes }] of some.entries()) if (gone[i] === true) total -= bytes;
  }
  if (victims.length > 0) await removeEmpty(directory, true);
  return total;
}

async function collect(directory: string, files: CacheFile[]): Promise<void> {
  const entries = await entriesOf(directory);
  for (let at = 0; at < entries.length; at += AT_ONCE) {
    const some = entries
      .slice(at, at + AT_ONCE)
      .filter((entry) => entry.isFile() && !CacheUsage.isUsageFile(entry.name));
    const found = await Promise.all(some.map((entry) => lstat(join(directory, entry.name)).catch(() => undefined)));
    for (const [i, stats] of found.entries()) {
      const name = some[i]!.name;
      if (stats === undefined) continue;
      files.push({
        path: join(directory, name),
        bytes: stats.size,
        usedMs: stats.mtimeMs,
        isTemporary: name.endsWith('.tmp'),
      });
    }
  }
  for (const entry of entries) if (entry.isDirectory()) await collect(join(directory, entry.name), files);
}

/** Folders without anything in them; nobody makes files in them while we have the lock. */
async function removeEmpty(directory: string, isRoot: boolean): Promise<void> {
  for (const entry of await entriesOf(directory)) {
    if (entry.isDirectory()) await removeEmpty(join(directory, entry.name), false);
  }
  if (!isRoot) await rmdir(directory).catch(() => undefined);
}

async function entriesOf(directory: string): Promise<Dirent[]> {
  try {
    return await readdir(directory, { withFileTypes: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** A file that cannot be deleted still counts. */
async function removed(path: string): Promise<boolean> {
  try {
    await rm(path, { force: true });
    return true;
  } catch {
    return false;
  }
}
