import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from './file-error.js';
import { isTemporaryName } from './keys.js';
import type { ObjectEntry } from './object-store.js';

/** Files whose sizes are asked for at one time. */
const STATS_AT_ONCE = 64;

interface Found {
  name: string;
  /** The name as its keys begin: a folder's ends in a slash. */
  order: Buffer;
  isDirectory: boolean;
}

/**
 * Objects below a root whose keys start with `prefix`, in bytewise order, one folder at a time. What is made or deleted
 * meanwhile may be in it or not.
 */
export async function* listFiles(root: string, prefix: string, signal?: AbortSignal): AsyncGenerator<ObjectEntry> {
  const slash = prefix.lastIndexOf('/') + 1;
  yield* listFolder(root, prefix.slice(0, slash), prefix.slice(slash), signal);
}

/** `path` is empty or ends in a slash; names in the folder must start with `start`. */
async function* listFolder(
  root: string,
  path: string,
  start: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<ObjectEntry> {
  signal?.throwIfAborted();
  const found = await readFolder(join(root, path), start);
  for (let at = 0; at < found.length; at += STATS_AT_ONCE) {
    const some = found.slice(at, at + STATS_AT_ONCE);
    const sizes = await Promise.all(some.map((entry) => sizeOf(join(root, path, entry.name), entry.isDirectory)));
    for (const [i, { name, isDirectory }] of some.entries()) {
      const sizeBytes = sizes[i];
      if (isDirectory) yield* listFolder(root, `${path}${name}/`, '', signal);
      else if (sizeBytes !== undefined) yield { key: path + name, sizeBytes };
    }
  }
}

async function readFolder(directory: string, start: string): Promise<Found[]> {
  let entries: Dirent<Buffer>[];
  try {
    entries = await readdir(directory, { withFileTypes: true, encoding: 'buffer' });
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw error;
  }
  const found: Found[] = [];
  for (const entry of entries) {
    const name = entry.name.toString('utf8');
    // A name that is not UTF-8 is no key, so no object of ours.
    if (!name.startsWith(start) || isTemporaryName(name) || !Buffer.from(name, 'utf8').equals(entry.name)) continue;
    const isDirectory = entry.isDirectory() || (!entry.isFile() && (await isFolder(join(directory, name))));
    found.push({ name, order: Buffer.from(isDirectory ? `${name}/` : name, 'utf8'), isDirectory });
  }
  return found.sort((a, b) => Buffer.compare(a.order, b.order));
}

/** Links to folders count as folders; so do entries whose type the file system does not tell. */
async function isFolder(path: string): Promise<boolean> {
  return (await statOrGone(path))?.isDirectory() ?? false;
}

/** Undefined for what is no file, or no longer there. */
async function sizeOf(path: string, isDirectory: boolean): Promise<number | undefined> {
  if (isDirectory) return undefined;
  const found = await statOrGone(path);
  return found?.isFile() === true ? found.size : undefined;
}

async function statOrGone(path: string): Promise<(Awaited<ReturnType<typeof stat>> & { size: number }) | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP') return undefined;
    throw error;
  }
}
