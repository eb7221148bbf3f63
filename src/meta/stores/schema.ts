import { FileType, ROOT_INO } from '../inode.js';
import { type Setting, serializeSetting } from './setting.js';
import type { Database, SqlJsStatic } from './sql.js';

/** Version of our own additions to the schema (`vol_*`), stored in `vol_meta` as `format`. */
export const IMAGE_FORMAT = 1;

/** A column as it stands between the parentheses of CREATE TABLE. Plain: JuiceFS's ORM parses this text. */
type Columns = readonly string[];

const AUTO_ID = 'id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL';

/** Every table that JuiceFS 1.4 makes; the order and the names are its own. */
const JUICEFS_TABLES: Readonly<Record<string, Columns>> = {
  jfs_setting: ['name TEXT PRIMARY KEY NOT NULL', 'value TEXT NOT NULL'],
  jfs_counter: ['name TEXT PRIMARY KEY NOT NULL', 'value INTEGER NOT NULL'],
  jfs_edge: [
    AUTO_ID,
    'parent INTEGER NOT NULL',
    'name BLOB NOT NULL',
    'inode INTEGER NOT NULL',
    'type INTEGER NOT NULL',
  ],
  jfs_node: [
    'inode INTEGER PRIMARY KEY NOT NULL',
    'type INTEGER NOT NULL',
    'flags INTEGER NOT NULL',
    'mode INTEGER NOT NULL',
    'uid INTEGER NOT NULL',
    'gid INTEGER NOT NULL',
    'atime INTEGER NOT NULL',
    'mtime INTEGER NOT NULL',
    'ctime INTEGER NOT NULL',
    'atimensec INTEGER DEFAULT 0 NOT NULL',
    'mtimensec INTEGER DEFAULT 0 NOT NULL',
    'ctimensec INTEGER DEFAULT 0 NOT NULL',
    'nlink INTEGER NOT NULL',
    'length INTEGER NOT NULL',
    'rdev INTEGER NULL',
    'parent INTEGER NULL',
    'access_acl_id INTEGER NULL',
    'default_acl_id INTEGER NULL',
    'tier_id INTEGER NULL',
  ],
  jfs_symlink: ['inode INTEGER PRIMARY KEY NOT NULL', 'target BLOB NOT NULL'],
  jfs_xattr: [AUTO_ID, 'inode INTEGER NOT NULL', 'name TEXT NOT NULL', 'value BLOB NOT NULL'],
  jfs_chunk: [AUTO_ID, 'inode INTEGER NOT NULL', 'indx INTEGER NOT NULL', 'slices BLOB NOT NULL'],
  jfs_chunk_ref: ['chunkid INTEGER PRIMARY KEY NOT NULL', 'size INTEGER NOT NULL', 'refs INTEGER NOT NULL'],
  jfs_delslices: ['chunkid INTEGER PRIMARY KEY NOT NULL', 'deleted INTEGER NOT NULL', 'slices BLOB NOT NULL'],
  jfs_session2: ['sid INTEGER PRIMARY KEY NOT NULL', 'expire INTEGER NOT NULL', 'info BLOB NULL'],
  jfs_sustained: [AUTO_ID, 'sid INTEGER NOT NULL', 'inode INTEGER NOT NULL'],
  jfs_delfile: ['inode INTEGER PRIMARY KEY NOT NULL', 'length INTEGER NOT NULL', 'expire INTEGER NOT NULL'],
  jfs_flock: [
    AUTO_ID,
    'inode INTEGER NOT NULL',
    'sid INTEGER NOT NULL',
    'owner INTEGER NOT NULL',
    'ltype INTEGER NOT NULL',
  ],
  jfs_plock: [
    AUTO_ID,
    'inode INTEGER NOT NULL',
    'sid INTEGER NOT NULL',
    'owner INTEGER NOT NULL',
    'records BLOB NOT NULL',
  ],
  jfs_dir_quota: [
    'inode INTEGER PRIMARY KEY NOT NULL',
    'max_space INTEGER NOT NULL',
    'max_inodes INTEGER NOT NULL',
    'used_space INTEGER NOT NULL',
    'used_inodes INTEGER NOT NULL',
  ],
  jfs_user_group_quota: [
    'qtype INTEGER NOT NULL',
    'qkey INTEGER NOT NULL',
    'max_space INTEGER NOT NULL',
    'max_inodes INTEGER NOT NULL',
    'used_space INTEGER NOT NULL',
    'used_inodes INTEGER NOT NULL',
    'PRIMARY KEY (qtype, qkey)',
  ],
  jfs_dir_stats: [
    'inode INTEGER PRIMARY KEY NOT NULL',
    'data_length INTEGER NOT NULL',
    'used_space INTEGER NOT NULL',
    'used_inodes INTEGER NOT NULL',
  ],
  jfs_detached_node: ['inode INTEGER PRIMARY KEY NOT NULL', 'added INTEGER NOT NULL'],
  jfs_acl: [
    AUTO_ID,
    'owner INTEGER NULL',
    '"group" INTEGER NULL',
    'mask INTEGER NULL',
    'other INTEGER NULL',
    'named_users BLOB NULL',
    'named_groups BLOB NULL',
  ],
  jfs_delegation_token: [AUTO_ID, 'token BLOB NULL'],
  jfs_change_log: [AUTO_ID, 'entry TEXT NOT NULL'],
};

const JUICEFS_INDEXES = [
  'CREATE UNIQUE INDEX UQE_jfs_edge_edge ON jfs_edge (parent, name)',
  'CREATE INDEX IDX_jfs_edge_inode ON jfs_edge (inode)',
  'CREATE UNIQUE INDEX UQE_jfs_xattr_name ON jfs_xattr (inode, name)',
  'CREATE UNIQUE INDEX UQE_jfs_chunk_chunk ON jfs_chunk (inode, indx)',
  'CREATE INDEX IDX_jfs_chunk_ref_refs ON jfs_chunk_ref (refs)',
  'CREATE UNIQUE INDEX UQE_jfs_sustained_sustained ON jfs_sustained (sid, inode)',
  'CREATE UNIQUE INDEX UQE_jfs_flock_flock ON jfs_flock (inode, sid, owner)',
  'CREATE UNIQUE INDEX UQE_jfs_plock_plock ON jfs_plock (inode, sid, owner)',
];

/**
 * Our own tables. `vol_meta`: what the image is (format, volume, family, seq, parent). `vol_granule`: for block `indx`
 * of slice `chunkid`, the CRC-32C of each granule, u32 little endian; absent for adopted blocks.
 */
const VOLUME_TABLES = [
  'CREATE TABLE vol_meta (name TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL)',
  'CREATE TABLE vol_granule (chunkid INTEGER NOT NULL, indx INTEGER NOT NULL, crcs BLOB NOT NULL, PRIMARY KEY (chunkid, indx)) WITHOUT ROWID',
];

/** Tables of the format, with their column names in order. */
export const TABLE_COLUMNS: Readonly<Record<string, readonly string[]>> = Object.fromEntries([
  ...Object.entries(JUICEFS_TABLES).map(([table, columns]) => [table, columns.filter(isColumn).map(columnName)]),
  ['vol_meta', ['name', 'value']],
  ['vol_granule', ['chunkid', 'indx', 'crcs']],
]) as Record<string, string[]>;

function isColumn(text: string): boolean {
  return !text.startsWith('PRIMARY KEY');
}

function columnName(text: string): string {
  return text.slice(0, text.indexOf(' ')).replaceAll('"', '');
}

/** The statements that make an empty index, in order; the texts that `sqlite_schema` then holds are exactly these. */
export const SCHEMA_SQL: readonly string[] = [
  ...Object.entries(JUICEFS_TABLES).map(([table, columns]) => `CREATE TABLE ${table} (${columns.join(', ')})`),
  ...JUICEFS_INDEXES,
  ...VOLUME_TABLES,
];

/** Creates every table and index, ours and JuiceFS's, in an empty database, and nothing in them. */
export function createTables(db: Database): void {
  for (const sql of SCHEMA_SQL) db.run(sql);
}

/** Who owns the root directory of a new volume, and since when. */
export interface RootOptions {
  timeMs: number;
  uid?: number;
  gid?: number;
}

/** The schema with its setting, counters, and an empty root directory. */
export function createSchema(db: Database, setting: Setting, root: RootOptions): void {
  createTables(db);
  db.run("INSERT INTO jfs_setting VALUES ('format', ?)", [serializeSetting(setting)]);
  const counters = { nextInode: 2, nextChunk: 1, nextSession: 0, usedSpace: 0, totalInodes: 0, nextCleanupSlices: 0 };
  for (const [name, value] of Object.entries(counters)) db.run('INSERT INTO jfs_counter VALUES (?, ?)', [name, value]);
  const time = Math.floor(root.timeMs * 1000);
  db.run('INSERT INTO jfs_node VALUES (?,?,0,?,?,?,?,?,?,0,0,0,2,4096,0,1,0,0,0)', [
    ROOT_INO,
    FileType.DIRECTORY,
    0o777,
    root.uid ?? 0,
    root.gid ?? 0,
    time,
    time,
    time,
  ]);
  db.run('INSERT INTO jfs_dir_stats VALUES (?, 0, 0, 0)', [ROOT_INO]);
  db.run("INSERT INTO vol_meta VALUES ('format', ?)", [String(IMAGE_FORMAT)]);
}

/** A new volume's index, before anything is in it, as the bytes of a SQLite file. */
export function emptyImage(sql: SqlJsStatic, setting: Setting, root: RootOptions): Uint8Array {
  const db = new sql.Database();
  try {
    db.run('PRAGMA page_size = 4096');
    createSchema(db, setting, root);
    return db.export();
  } finally {
    db.close();
  }
}
