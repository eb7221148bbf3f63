import { type FileType, FileType as Type, ROOT_INO, chargedBytes } from '../inode.js';
import type { Database, Statement } from './sql.js';

interface DirDelta {
  length: number;
  space: number;
  count: number;
}

/**
 * The sums that the format keeps beside the rows: `dir_stats` (each directory's direct entries) and the counters
 * usedSpace and totalInodes. Changes are collected and written once, as differences.
 */
export class UsageDeltas {
  readonly #db: Database;
  readonly #dirs = new Map<number, DirDelta>();
  #space = 0;
  #inodes = 0;

  constructor(db: Database) {
    this.#db = db;
  }

  /** An inode appeared (`sign` 1) or went (-1); the root is not charged. */
  inode(ino: number, type: FileType, length: number, sign: 1 | -1): void {
    if (ino === ROOT_INO) return;
    this.#space += sign * chargedBytes(type, length);
    this.#inodes += sign;
  }

  /** An entry of `parent` that leads to such an inode appeared or went. */
  entry(parent: number, type: FileType, length: number, sign: 1 | -1): void {
    const isFile = type === Type.FILE;
    this.#add(parent, isFile ? sign * length : 0, sign * chargedBytes(type, length), sign);
  }

  /** A file that an entry of `parent` leads to changed its length. */
  resized(parent: number, before: number, after: number): void {
    this.#add(parent, after - before, chargedBytes(Type.FILE, after) - chargedBytes(Type.FILE, before), 0);
  }

  #add(parent: number, length: number, space: number, count: number): void {
    const delta = this.#dirs.get(parent);
    if (delta === undefined) {
      this.#dirs.set(parent, { length, space, count });
      return;
    }
    delta.length += length;
    delta.space += space;
    delta.count += count;
  }

  /** Writes what was collected. Directories that are gone are passed over; one without a row is counted afresh. */
  write(): void {
    const update = this.#db.prepare(
      'UPDATE jfs_dir_stats SET data_length = data_length + ?, used_space = used_space + ?, used_inodes = used_inodes + ? WHERE inode = ?',
    );
    for (const [parent, { length, space, count }] of this.#dirs) {
      if (length === 0 && space === 0 && count === 0) continue;
      update.run([length, space, count, parent]);
      if (this.#db.getRowsModified() === 0) recountDirectory(this.#db, parent);
    }
    update.free();
    this.#dirs.clear();
    addToCounter(this.#db, 'usedSpace', this.#space);
    addToCounter(this.#db, 'totalInodes', this.#inodes);
    this.#space = 0;
    this.#inodes = 0;
  }
}

const CHARGED = 'CASE WHEN n.type = 1 AND n.length > 0 THEN (n.length + 4095) / 4096 * 4096 ELSE 4096 END';

/** `dir_stats` of one directory from its entries; nothing when there is no such directory. */
function recountDirectory(db: Database, ino: number): void {
  recount(db, 'd.inode = ?', [ino]);
}

/** `dir_stats` of every directory but the trash itself, from the entries. */
export function recountAllDirectories(db: Database): void {
  db.run('DELETE FROM jfs_dir_stats');
  // The trash's own inode has no row; its hourly directories have.
  recount(db, 'd.inode <> 9223372032828243968', []);
}

function recount(db: Database, where: string, params: number[]): void {
  db.run(
    `INSERT OR REPLACE INTO jfs_dir_stats (inode, data_length, used_space, used_inodes)
     SELECT d.inode, coalesce(sum(CASE WHEN n.type = 1 THEN n.length ELSE 0 END), 0),
            coalesce(sum(CASE WHEN n.inode IS NULL THEN 0 ELSE ${CHARGED} END), 0), count(n.inode)
     FROM jfs_node d LEFT JOIN jfs_edge e ON e.parent = d.inode LEFT JOIN jfs_node n ON n.inode = e.inode
     WHERE d.type = 2 AND ${where} GROUP BY d.inode`,
    params,
  );
}

/** usedSpace and totalInodes from the inodes. */
export function recountUsage(db: Database): void {
  const from = `FROM jfs_node n WHERE n.inode NOT IN (${ROOT_INO}, 9223372032828243968)`;
  db.run(`INSERT OR REPLACE INTO jfs_counter SELECT 'usedSpace', coalesce(sum(${CHARGED}), 0) ${from}`);
  db.run(`INSERT OR REPLACE INTO jfs_counter SELECT 'totalInodes', count(*) ${from}`);
}

/**
 * A file with entries in the trash changed its length. Trash directories have inode numbers beyond what a number holds,
 * so their rows are found by SQLite itself.
 */
export function prepareTrashResize(db: Database): Statement {
  const links = '(SELECT count(*) FROM jfs_edge e WHERE e.inode = ?1 AND e.parent = jfs_dir_stats.inode)';
  return db.prepare(
    `UPDATE jfs_dir_stats SET data_length = data_length + ?2 * ${links}, used_space = used_space + ?3 * ${links}
     WHERE inode > ${TRASH_BEGIN} AND inode IN (SELECT parent FROM jfs_edge WHERE inode = ?1)`,
  );
}

/** Every inode number from here on is the trash's or reserved. As SQL text: it does not fit a number. */
export const TRASH_BEGIN = '9223372032559808512';

export function addToCounter(db: Database, name: string, delta: number): void {
  db.run('INSERT INTO jfs_counter VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = value + ?2', [name, delta]);
}

/** The counter is at least this from now on. */
export function raiseCounter(db: Database, name: string, value: number): void {
  db.run('INSERT INTO jfs_counter VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = max(value, ?2)', [
    name,
    value,
  ]);
}

export function readCounter(db: Database, name: string): number {
  const value = db.exec('SELECT value FROM jfs_counter WHERE name = ?', [name])[0]?.values[0]?.[0];
  return typeof value === 'number' ? value : 0;
}
