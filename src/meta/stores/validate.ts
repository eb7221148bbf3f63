import { VolumeError } from '../../base/errors.js';
import { INDEX_BYTES_MAX, MIB } from '../../base/limits.js';
import { FileType, ROOT_INO } from '../inode.js';
import { IMAGE_FORMAT, SCHEMA_SQL, TABLE_COLUMNS } from './schema.js';
import { type Setting, parseSetting } from './setting.js';
import type { Database, SqlJsStatic } from './sql.js';

/** What an image says about itself. */
export interface ImageInfo {
  setting: Setting;
  /** `vol_meta`. */
  meta: Readonly<Record<string, string>>;
}

const MAGIC = 'SQLite format 3\0';

/**
 * Opens an image of ours that came from outside, after checking that it is one: size, header, integrity, exactly our
 * schema (no trigger, view, virtual table or expression can be in it), names and lists of the right form, a setting that
 * we can follow. The caller closes the database.
 *
 * @throws VolumeError `corrupt`, or `unsupported` when it is newer than this program
 */
export function openImage(sql: SqlJsStatic, bytes: Uint8Array): ImageInfo & { db: Database } {
  return openChecked(sql, bytes, (db) => {
    const meta = readMeta(db);
    checkSchema(db);
    checkIntegrity(db);
    checkRows(db);
    return { db, meta, setting: readSetting(db) };
  });
}

/** {@link openImage} for those who only want to know. */
export function validateImage(sql: SqlJsStatic, bytes: Uint8Array): ImageInfo {
  const { db, setting, meta } = openImage(sql, bytes);
  db.close();
  return { setting, meta };
}

/** Columns that JuiceFS's tables may lack, or have as NULL, because older clients did not know them. */
const OPTIONAL_COLUMNS = new Set([
  'jfs_node.rdev',
  'jfs_node.parent',
  'jfs_node.access_acl_id',
  'jfs_node.default_acl_id',
  'jfs_node.tier_id',
  'jfs_node.atimensec',
  'jfs_node.mtimensec',
  'jfs_node.ctimensec',
]);

const REQUIRED_TABLES = [
  'jfs_setting',
  'jfs_counter',
  'jfs_edge',
  'jfs_node',
  'jfs_symlink',
  'jfs_xattr',
  'jfs_chunk',
  'jfs_chunk_ref',
];

/**
 * Opens an index that JuiceFS wrote. Its rows are to be copied into a schema of ours, so other tables and indexes do not
 * matter; what could run code of the file's author is refused.
 *
 * @throws VolumeError `corrupt` or `unsupported`
 */
export function openForeignIndex(sql: SqlJsStatic, bytes: Uint8Array): { db: Database; setting: Setting } {
  return openChecked(sql, bytes, (db) => {
    refuseActiveSchema(db);
    for (const table of REQUIRED_TABLES) {
      if (columnsOf(db, table).length === 0) throw corrupt(`it has no table ${table}: is it a JuiceFS volume?`);
    }
    for (const table of Object.keys(TABLE_COLUMNS)) checkForeignTable(db, table);
    checkIntegrity(db);
    return { db, setting: readSetting(db) };
  });
}

function openChecked<T>(sql: SqlJsStatic, bytes: Uint8Array, check: (db: Database) => T): T {
  checkHeader(bytes);
  const db = new sql.Database(bytes);
  try {
    db.run('PRAGMA trusted_schema = OFF');
    db.run('PRAGMA cell_size_check = ON');
    return check(db);
  } catch (cause) {
    db.close();
    if (cause instanceof VolumeError) throw cause;
    throw corrupt(cause instanceof Error ? cause.message : String(cause), cause);
  }
}

/** A SQLite file of the size that its header says. */
function checkHeader(bytes: Uint8Array): void {
  if (bytes.length > INDEX_BYTES_MAX) {
    const [is, max] = [bytes.length, INDEX_BYTES_MAX].map((n) => `${Math.round(n / MIB)} MiB`);
    throw new VolumeError('unsupported', `the index has ${is}; at most ${max} can be opened`);
  }
  if (bytes.length < 512 || Buffer.from(bytes.subarray(0, 16)).toString('latin1') !== MAGIC) {
    throw corrupt('it is not a SQLite file');
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const pageBytes = view.getUint16(16) === 1 ? 65_536 : view.getUint16(16);
  // The page count in the header is valid when these two agree; old versions of SQLite did not write it.
  const countIsValid = view.getUint32(24) === view.getUint32(92) && view.getUint32(28) > 0;
  const expected = countIsValid ? view.getUint32(28) * pageBytes : bytes.length - (bytes.length % pageBytes);
  if (bytes.length !== expected) throw corrupt(`it has ${bytes.length} bytes instead of ${expected}: it is truncated`);
}

function checkSchema(db: Database): void {
  const expected = new Map(SCHEMA_SQL.map((sql) => [nameOf(sql), sql]));
  for (const [type, name, sql] of rows(db, 'SELECT type, name, sql FROM sqlite_schema')) {
    // SQLite's own: the table of sequences and the indexes of keys have names that nobody else can use.
    if (String(name).startsWith('sqlite_')) continue;
    if (expected.get(String(name)) !== sql)
      throw corrupt(`it holds a ${String(type)} that does not belong: ${String(name)}`);
    expected.delete(String(name));
  }
  const [missing] = expected.keys();
  if (missing !== undefined) throw corrupt(`it lacks ${missing}`);
}

function nameOf(sql: string): string {
  return /^CREATE (?:UNIQUE )?(?:TABLE|INDEX) (\w+)/.exec(sql)?.[1] ?? '';
}

function refuseActiveSchema(db: Database): void {
  for (const [type, name, sql] of rows(db, 'SELECT type, name, sql FROM sqlite_schema')) {
    const what = `${String(type)} ${String(name)}`;
    if (type === 'trigger' || type === 'view') {
      throw new VolumeError('unsupported', `the index holds a ${what}: remove it, then import again`);
    }
    if (typeof sql === 'string' && /^\s*CREATE\s+VIRTUAL/i.test(sql)) {
      throw new VolumeError('unsupported', `the index holds a virtual ${what}: remove it, then import again`);
    }
    if (type === 'index' && rows(db, 'SELECT 1 FROM pragma_index_xinfo(?) WHERE cid = -2', [name]).length > 0) {
      throw new VolumeError('unsupported', `the index holds an expression (${what}): remove it, then import again`);
    }
  }
}

function checkForeignTable(db: Database, table: string): void {
  const columns = columnsOf(db, table);
  if (columns.length === 0) return;
  const names = new Set(columns.map((column) => column.name));
  for (const column of TABLE_COLUMNS[table] ?? []) {
    if (!names.has(column) && !OPTIONAL_COLUMNS.has(`${table}.${column}`)) {
      throw corrupt(`its table ${table} has no column ${column}`);
    }
  }
  const generated = columns.find((column) => column.hidden > 0);
  if (generated !== undefined) {
    const what = `${table}.${generated.name}`;
    throw new VolumeError('unsupported', `the index computes a column (${what}): remove it, then import again`);
  }
}

/** The columns of a table, lower case; none when there is no such table. */
export function columnsOf(db: Database, table: string): { name: string; hidden: number }[] {
  return rows(db, 'SELECT lower(name), hidden FROM pragma_table_xinfo(?)', [table]).map(([name, hidden]) => ({
    name: String(name),
    hidden: Number(hidden),
  }));
}

function checkIntegrity(db: Database): void {
  const said = rows(db, 'PRAGMA quick_check(1)').map(([text]) => String(text));
  if (said[0] !== 'ok') throw corrupt(said.join('; '));
}

/** The forms on which everything that reads an image relies. */
function checkRows(db: Database): void {
  const badName = `typeof(name) <> 'blob' OR length(name) NOT BETWEEN 1 AND 255 OR instr(name, x'2f') > 0
    OR instr(name, x'00') > 0 OR name IN (x'2e', x'2e2e')`;
  const checks: [what: string, query: string][] = [
    ['an entry with a wrong name', `SELECT id FROM jfs_edge WHERE ${badName}`],
    ['an inode of no known type', 'SELECT inode FROM jfs_node WHERE type NOT BETWEEN 1 AND 7'],
    ['an inode with text for a number', "SELECT inode FROM jfs_node WHERE typeof(length) <> 'integer' OR length < 0"],
    ['a broken slice list', "SELECT id FROM jfs_chunk WHERE typeof(slices) <> 'blob' OR length(slices) % 24 <> 0"],
    ['a link without target', "SELECT inode FROM jfs_symlink WHERE typeof(target) <> 'blob'"],
    [
      'an attribute of a wrong form',
      "SELECT id FROM jfs_xattr WHERE typeof(name) <> 'text' OR typeof(value) <> 'blob'",
    ],
    ['broken checksums', "SELECT chunkid FROM vol_granule WHERE typeof(crcs) <> 'blob' OR length(crcs) % 4 <> 0"],
  ];
  for (const [what, query] of checks) {
    const [found] = rows(db, `${query} LIMIT 1`);
    if (found !== undefined) throw corrupt(`it has ${what} (${String(found[0])})`);
  }
  const root = rows(db, 'SELECT type FROM jfs_node WHERE inode = ?', [ROOT_INO])[0]?.[0];
  if (root !== FileType.DIRECTORY) throw corrupt('it has no root directory');
}

function readMeta(db: Database): Record<string, string> {
  const hasTable = columnsOf(db, 'vol_meta').length > 0;
  if (!hasTable) throw corrupt('it lacks vol_meta: a JuiceFS volume is adopted with import-index');
  const meta = Object.fromEntries(rows(db, 'SELECT name, value FROM vol_meta')) as Record<string, string>;
  const format = Number(meta['format']);
  if (!Number.isSafeInteger(format) || format < 1) throw corrupt('it does not say its format');
  if (format > IMAGE_FORMAT) {
    throw new VolumeError(
      'unsupported',
      `the index has format ${format}, this program knows ${IMAGE_FORMAT}: update forkfs`,
    );
  }
  return meta;
}

export function readSetting(db: Database): Setting {
  const text = rows(db, "SELECT CAST(value AS TEXT) FROM jfs_setting WHERE name = 'format'")[0]?.[0];
  if (typeof text !== 'string') throw corrupt('it has no setting');
  return parseSetting(text);
}

function rows(db: Database, query: string, params: unknown[] = []): unknown[][] {
  return db.exec(query, params as string[])[0]?.values ?? [];
}

function corrupt(why: string, cause?: unknown): VolumeError {
  return new VolumeError('corrupt', `the index is damaged: ${why}`, { cause });
}
