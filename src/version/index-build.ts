import { createHash } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';

import { VolumeError } from '../base/errors.js';
import { INDEX_BYTES_MAX, MIB } from '../base/limits.js';
import { readLog } from '../chunk/log-reader.js';
import { emptyImage } from '../meta/stores/schema.js';
import type { RootOptions } from '../meta/stores/schema.js';
import type { Setting } from '../meta/stores/setting.js';
import { type Database, loadSqlJs } from '../meta/stores/sql.js';
import { type ApplyStats, IndexApplier } from '../meta/stores/sqlite-apply.js';
import { readSetting } from '../meta/stores/validate.js';
import { putInPlace, writeDurably } from './durable-file.js';
import { kernelOverlay } from './kernel-overlay.js';
import { LogReplay, type Replay, type UploadedPack } from './log-replay.js';

/** Plain data: it goes to another process. */
export interface BuildTask {
  /** Path of the image that the log goes on from, checked before; null: an empty volume of `setting`. */
  base: string | null;
  /** Used when there is no base. */
  setting: Setting | null;
  /** Root directory of an empty volume. */
  root?: RootOptions;
  logDirectory: string;
  segmentBytes?: number;
  fromLsn: number;
  /** Infinity: to resume. Open packs are sealed at their last size then. */
  toLsn: number;
  /** Blocks that are in the store, by what the caller knows; the log may not say it yet. */
  uploaded?: UploadedPack[];
  /** Path of the image to write; an existing file is replaced. */
  out: string;
  /** Goes into `vol_meta`. */
  meta: Record<string, string>;
}

export interface BuildResult extends ApplyStats, Replay, StoredImage {}

/** {@link BuildTask} done here: this process is busy for all that time, and `out` is not written atomically. */
export async function buildIndexHere(task: BuildTask): Promise<BuildResult> {
  const sql = await loadSqlJs();
  const db = new sql.Database(baseImage(sql, task));
  try {
    const { blockBytes } = readSetting(db);
    const applier = new IndexApplier(db, { overlay: kernelOverlay(), blockBytes });
    const replay = new LogReplay(applier, { fromLsn: task.fromLsn, toLsn: task.toLsn });
    const { logDirectory, segmentBytes, fromLsn } = task;
    const options = { fromLsn, fieldsOnly: true, ...(segmentBytes === undefined ? {} : { segmentBytes }) };
    const read = replay.run(readLog(logDirectory, options), task.uploaded);
    const stats = applier.finish();
    writeMeta(db, task.meta);
    return { ...stats, ...read, ...storeImage(task.out, db.export()) };
  } catch (error) {
    throw damagedBase(error) ?? error;
  } finally {
    db.close();
  }
}

/** sql.js throws plain errors, and only their text tells that the file is at fault. */
function damagedBase(error: unknown): VolumeError | undefined {
  if (!(error instanceof Error) || !/malformed|not a database/.test(error.message)) return undefined;
  return new VolumeError('corrupt', `the index to go on from is damaged: ${error.message}`, { cause: error });
}

function baseImage(sql: Awaited<ReturnType<typeof loadSqlJs>>, task: BuildTask): Uint8Array {
  if (task.base !== null) return readFileSync(task.base);
  if (task.setting === null) throw new VolumeError('invalid', 'an index needs a base or a setting');
  return emptyImage(sql, task.setting, task.root ?? { timeMs: 0 });
}

function writeMeta(db: Database, meta: Readonly<Record<string, string>>): void {
  for (const entry of Object.entries(meta)) db.run('INSERT OR REPLACE INTO vol_meta VALUES (?, ?)', entry);
}

export interface StoredImage {
  /** Of the image file, lower-case hex. */
  sha256: string;
  bytes: number;
}

/**
 * Writes an image whole and durably: a reader of `path` sees the old file or the new one.
 *
 * @throws VolumeError `unsupported` when it is larger than what can be opened again
 */
export function writeImage(path: string, image: Uint8Array): StoredImage {
  const temporary = `${path}.${process.pid}.new`;
  try {
    const stored = storeImage(temporary, image);
    putInPlace(temporary, path);
    return stored;
  } finally {
    rmSync(temporary, { force: true });
  }
}

function storeImage(path: string, image: Uint8Array): StoredImage {
  if (image.length > INDEX_BYTES_MAX) {
    const [is, max] = [image.length, INDEX_BYTES_MAX].map((n) => `${Math.round(n / MIB)} MiB`);
    throw new VolumeError(
      'unsupported',
      `the index would have ${is}, at most ${max} can be opened: use several volumes`,
    );
  }
  writeDurably(path, image);
  return { sha256: createHash('sha256').update(image).digest('hex'), bytes: image.length };
}
