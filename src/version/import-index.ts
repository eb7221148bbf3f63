import { existsSync, readFileSync, statSync } from 'node:fs';

import { type Clock, systemClock } from '../base/clock.js';
import { VolumeError, toVolumeError } from '../base/errors.js';
import { INDEX_BYTES_MAX } from '../base/limits.js';
import { recountAllDirectories, recountUsage } from '../meta/stores/apply-usage.js';
import { IMAGE_FORMAT, createTables } from '../meta/stores/schema.js';
import { type Setting, refuseWriting, serializeSetting } from '../meta/stores/setting.js';
import { type Database, loadSqlJs } from '../meta/stores/sql.js';
import { columnsOf, openForeignIndex, validateImage } from '../meta/stores/validate.js';
import { copyTables, dropUnreachable, recountLinks, recountRefs, settleCounters } from './import-rows.js';
import { foldWal } from './sqlite-wal.js';

/** What {@link importIndex} made of a JuiceFS index. */
export interface ImportedIndex {
  /** Our first image of the volume. */
  image: Uint8Array;
  setting: Setting;
  /** Prefix of its objects in the bucket: the family. */
  name: string;
  uuid: string;
  blockBytes: number;
  hashPrefix: boolean;
  /** As the format counts them. */
  inodes: number;
  usedBytes: number;
  slices: number;
  /** No inode or slice of the volume has a higher number: ranges up to it are taken. */
  lastId: number;
  /** A slice whose block 0 must be in the bucket, for a check that it is the right one; null when there is no data. */
  sample: { id: number; sizeBytes: number } | null;
  /** What was left behind, as sentences for people. */
  notes: string[];
}

/** A pre-1.0 client refreshed its row every minute. */
const LEGACY_SESSION_SECONDS = 300;

/**
 * Reads a JuiceFS sqlite index and makes the first image of the same volume as ours; no object is touched, and the file
 * is only read. Sums, link counts and references are counted afresh. Sessions, locks, quotas and what no directory
 * reaches any more (open-but-deleted files, deletions and clones under way) stay behind; the trash comes along as it is.
 *
 * @throws VolumeError `busy` when a client has the volume mounted, `not-found`, `corrupt`, `unsupported`
 */
export async function importIndex(path: string, options: { clock?: Clock } = {}): Promise<ImportedIndex> {
  const clock = options.clock ?? systemClock;
  const sql = await loadSqlJs();
  const { db: source, setting } = openForeignIndex(sql, readWhole(path));
  const db = new sql.Database();
  try {
    refuseWriting(setting);
    refuseLive(source, clock.nowMs() / 1000);
    createTables(db);
    const file = (source as Database & { filename: string }).filename;
    db.run(`ATTACH '${file}' AS source`);
    copyTables(db, (table) => columnsOf(source, table).map((column) => column.name));
    db.run('DETACH source');
    const notes = dropUnreachable(db);
    const imported = finish(db, setting);
    const image = db.export();
    validateImage(sql, image);
    return { ...imported, image, notes: [...quotaNotes(source), ...notes] };
  } catch (error) {
    if (error instanceof VolumeError) throw error;
    // Rows that do not fit the schema, such as two entries of one name.
    throw new VolumeError('corrupt', `the index is damaged: ${(error as Error).message}`, { cause: error });
  } finally {
    db.close();
    source.close();
  }
}

function readWhole(path: string): Uint8Array {
  try {
    return readIndex(path);
  } catch (error) {
    throw toVolumeError(error);
  }
}

/** The file with what stands in its write-ahead log. */
function readIndex(path: string): Uint8Array {
  if (!existsSync(path)) throw new VolumeError('not-found', `there is no index ${path}`);
  if (statSync(path).size > INDEX_BYTES_MAX) throw new VolumeError('unsupported', `${path} is too large to be opened`);
  const journal = `${path}-journal`;
  if (existsSync(journal) && statSync(journal).size > 0) {
    throw new VolumeError(
      'busy',
      `${journal} says that a write was cut short: open the index with sqlite3 once, then go on`,
    );
  }
  const database = readFileSync(path);
  const wal = `${path}-wal`;
  return existsSync(wal) ? foldWal(database, readFileSync(wal)) : database;
}

function refuseLive(source: Database, nowSec: number): void {
  const live: string[] = [];
  if (columnsOf(source, 'jfs_session2').length > 0) {
    const query = 'SELECT sid, CAST(info AS TEXT) FROM jfs_session2 WHERE expire > ?';
    for (const [sid, info] of source.exec(query, [nowSec])[0]?.values ?? []) live.push(describeSession(sid, info));
  }
  if (columnsOf(source, 'jfs_session').some((column) => column.name === 'heartbeat')) {
    const query = 'SELECT sid, CAST(info AS TEXT) FROM jfs_session WHERE heartbeat > ?';
    const since = nowSec - LEGACY_SESSION_SECONDS;
    for (const [sid, info] of source.exec(query, [since])[0]?.values ?? []) live.push(describeSession(sid, info));
  }
  if (live.length === 0) return;
  throw new VolumeError('busy', `the volume is mounted: ${live.join('; ')}. Unmount it, or wait until it has expired`);
}

function describeSession(sid: unknown, info: unknown): string {
  const session = `session ${String(sid)}`;
  try {
    const { HostName, MountPoint } = JSON.parse(String(info)) as Record<string, unknown>;
    return `${session} on ${String(HostName)} at ${String(MountPoint)}`;
  } catch {
    return session;
  }
}

function finish(db: Database, found: Setting): Omit<ImportedIndex, 'image' | 'notes'> {
  recountLinks(db);
  const { slices, sample, lastSlice } = recountRefs(db);
  recountAllDirectories(db);
  recountUsage(db);
  const { lastInode, inodes, usedBytes } = settleCounters(db, lastSlice);
  // Usage by user and group is not kept up to date by us.
  const setting = { ...found, json: { ...found.json, UserGroupQuota: false, DirStats: true } };
  db.run("INSERT OR REPLACE INTO jfs_setting VALUES ('format', ?)", [serializeSetting(setting)]);
  db.run("INSERT INTO vol_meta VALUES ('format', ?), ('adopted', ?)", [String(IMAGE_FORMAT), setting.uuid]);
  const { name, uuid, blockBytes, hashPrefix } = setting;
  const lastId = Math.max(lastInode, lastSlice);
  return { setting, name, uuid, blockBytes, hashPrefix, inodes, usedBytes, slices, lastId, sample };
}

function quotaNotes(source: Database): string[] {
  return ['jfs_dir_quota', 'jfs_user_group_quota'].flatMap((table) => {
    if (columnsOf(source, table).length === 0) return [];
    const count = source.exec(`SELECT count(*) FROM ${table}`)[0]?.values[0]?.[0] as number;
    return count === 0 ? [] : [`${count} quotas were left behind (${table}): forkfs has none`];
  });
}
