import { existsSync, linkSync, rmSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { VolumeError } from '../base/errors.js';
import { serializeSetting } from '../meta/stores/setting.js';
import { type Database, loadSqlJs } from '../meta/stores/sql.js';
import { openImage } from '../meta/stores/validate.js';
import { syncDirectory, writeDurably } from './durable-file.js';

/** Where JuiceFS finds the objects: its own `Storage` and `Bucket`, and the `Name` that precedes every key. */
export interface JuicefsPlace {
  storage: 'file' | 's3' | 'gs' | 'wasb';
  bucket: string;
  name: string;
}

export interface ExportOptions {
  /** A published image. */
  image: Uint8Array;
  /** The file to write. */
  out: string;
  place: JuicefsPlace;
  /** A freshly claimed range: a client that writes takes its inode and slice numbers from it, and from nowhere else. */
  ids: { firstId: number; endId: number };
}

/**
 * Writes a version's index as a plain SQLite file that JuiceFS opens as it is. It is guarded: every slice has one more
 * reference than it needs and new numbers come from a range of their own, so that a writable mount of it, whatever it
 * deletes or compacts, leaves the blocks of all versions alone. No secret is in it.
 *
 * @throws VolumeError `exists` when there is such a file, or the journal of one that a client would replay over ours;
 * `corrupt` when the image is damaged
 */
export async function exportIndex(options: ExportOptions): Promise<{ bytes: number }> {
  const out = resolve(options.out);
  for (const path of [out, `${out}-wal`, `${out}-shm`, `${out}-journal`]) {
    if (existsSync(path)) throw new VolumeError('exists', `${path} exists: it is not overwritten`);
  }
  const { db, setting } = openImage(await loadSqlJs(), options.image);
  let exported: Uint8Array;
  try {
    const { name, storage, bucket } = options.place;
    db.run("UPDATE jfs_setting SET value = ? WHERE name = 'format'", [
      serializeSetting({ ...setting, name }, { storage, bucket }),
    ]);
    guard(db, options.ids);
    exported = db.export();
  } finally {
    db.close();
  }
  writeNew(out, exported);
  return { bytes: exported.length };
}

function guard(db: Database, ids: ExportOptions['ids']): void {
  if (ids.endId <= ids.firstId) throw new VolumeError('invalid', 'an export needs a range of ids');
  db.run('UPDATE jfs_chunk_ref SET refs = refs + 1');
  for (const name of ['nextInode', 'nextChunk']) {
    db.run('INSERT OR REPLACE INTO jfs_counter VALUES (?, ?)', [name, ids.firstId]);
  }
  // Checksums are for us alone, and JuiceFS would not keep them up to date.
  db.run('DELETE FROM vol_granule');
}

/** The whole file or none; an existing one is left alone. */
function writeNew(path: string, bytes: Uint8Array): void {
  const temporary = `${path}.${process.pid}.new`;
  try {
    writeDurably(temporary, bytes);
    linkSync(temporary, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    throw new VolumeError('exists', `${path} exists: it is not overwritten`, { cause: error });
  } finally {
    rmSync(temporary, { force: true });
  }
  syncDirectory(dirname(path));
}

/**
 * A bucket's URL and a family in it, in JuiceFS's terms. Only the bucket itself goes into `Bucket`; a prefix inside it
 * becomes the beginning of the name.
 *
 * @throws VolumeError `unsupported` when JuiceFS has no such storage
 */
export function juicefsPlace(
  bucketUrl: string,
  family: string,
  options: { region?: string; endpoint?: string } = {},
): JuicefsPlace {
  const url = new URL(bucketUrl);
  if (url.protocol === 'file:') {
    // JuiceFS joins directory and name as they are: without the slash it looks in a sibling.
    return { storage: 'file', bucket: `${fileURLToPath(url).replace(/\/+$/, '')}/`, name: family };
  }
  const prefix = decodeURIComponent(url.pathname).replace(/^\/+|\/+$/g, '');
  const name = prefix === '' ? family : `${prefix}/${family}`;
  switch (url.protocol) {
    case 's3:':
      return { storage: 's3', bucket: s3Bucket(url.host, options), name };
    case 'gs:':
      return { storage: 'gs', bucket: `gs://${url.host}`, name };
    case 'wasb:':
    case 'wasbs:': {
      const container = url.username === '' ? url.host : url.username;
      return { storage: 'wasb', bucket: `https://${container}.core.windows.net`, name };
    }
    default:
      throw new VolumeError('unsupported', `JuiceFS has no storage for ${url.protocol}//`);
  }
}

function s3Bucket(bucket: string, options: { region?: string; endpoint?: string }): string {
  if (options.endpoint !== undefined) return `${options.endpoint.replace(/\/+$/, '')}/${bucket}`;
  return `https://${bucket}.s3.${options.region ?? 'us-east-1'}.amazonaws.com`;
}
