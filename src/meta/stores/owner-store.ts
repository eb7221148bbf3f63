import { nameToBytes, type ByteString } from '../../base/bytes.js';
import type { Inode } from '../cached-inode.js';
import { Entry } from '../directory.js';
import { FileType, ROOT_INO } from '../inode.js';
import { inodeOfValues, NODE_COLUMNS, nodeValues } from './node-columns.js';
import { createTables } from './schema.js';
import type { BindParams, Database, SqlJsStatic, SqlValue, Statement } from './sql.js';

/** Bytes of database pages that SQLite keeps beside the file in memory, in KiB. */
const PAGE_CACHE_KIB = 16 * 1024;

/** Other directories' rows that are passed by for one that is wanted, rather than looking for each. */
const ROWS_PASSED_PER_ROW = 8;

const NODE = NODE_COLUMNS.join(', ');

/**
 * The SQL is here, each statement prepared at its first use and kept. xattr names are bytes here and text in the table: the
 * casts keep them as they are, even those that are not UTF-8.
 */
const SQL = {
  node: `SELECT ${NODE} FROM jfs_node WHERE inode = ?`,
  putNode: `INSERT OR REPLACE INTO jfs_node (${NODE}) VALUES (${NODE_COLUMNS.map(() => '?').join(', ')})`,
  deleteNode: 'DELETE FROM jfs_node WHERE inode = ?',
  entry: 'SELECT id, inode, type FROM jfs_edge WHERE parent = ? AND name = ?',
  entryIds: 'SELECT json_group_array(id) FROM jfs_edge WHERE parent = ?',
  // The sign keeps SQLite from walking through the whole directory by the index of names.
  entriesBetween:
    'SELECT id, CAST(name AS BLOB), inode, type FROM jfs_edge WHERE id BETWEEN ? AND ? AND +parent = ? ORDER BY id',
  countEntries: 'SELECT count(*) FROM jfs_edge WHERE parent = ?',
  putEntry: 'INSERT OR REPLACE INTO jfs_edge (id, parent, name, inode, type) VALUES (?, ?, ?, ?, ?)',
  deleteEntry: 'DELETE FROM jfs_edge WHERE id = ?',
  lastEntry: 'SELECT ifnull(max(id), 0) FROM jfs_edge',
  sequence: "SELECT ifnull(max(seq), 0) FROM sqlite_sequence WHERE name = 'jfs_edge'",
  target: 'SELECT CAST(target AS BLOB) FROM jfs_symlink WHERE inode = ?',
  putTarget: 'INSERT OR REPLACE INTO jfs_symlink (inode, target) VALUES (?, ?)',
  deleteTarget: 'DELETE FROM jfs_symlink WHERE inode = ?',
  xattrs: 'SELECT CAST(name AS BLOB), CAST(value AS BLOB) FROM jfs_xattr WHERE inode = ? ORDER BY id',
  putXattr:
    'INSERT INTO jfs_xattr (inode, name, value) VALUES (?, CAST(? AS TEXT), ?) ' +
    'ON CONFLICT (inode, name) DO UPDATE SET value = excluded.value',
  deleteXattr: 'DELETE FROM jfs_xattr WHERE inode = ? AND name = CAST(? AS TEXT)',
  deleteXattrs: 'DELETE FROM jfs_xattr WHERE inode = ?',
  chunk: 'SELECT CAST(slices AS BLOB) FROM jfs_chunk WHERE inode = ? AND indx = ?',
  chunkIndexes: 'SELECT indx FROM jfs_chunk WHERE inode = ? ORDER BY indx',
  putChunk:
    'INSERT INTO jfs_chunk (inode, indx, slices) VALUES (?, ?, ?) ' +
    'ON CONFLICT (inode, indx) DO UPDATE SET slices = excluded.slices',
  deleteChunk: 'DELETE FROM jfs_chunk WHERE inode = ? AND indx = ?',
  deleteChunks: 'DELETE FROM jfs_chunk WHERE inode = ?',
  granules: 'SELECT crcs FROM vol_granule WHERE chunkid = ? AND indx = ?',
  putGranules: 'INSERT OR REPLACE INTO vol_granule (chunkid, indx, crcs) VALUES (?, ?, ?)',
  slice: 'SELECT size FROM jfs_chunk_ref WHERE chunkid = ?',
  putSlice:
    'INSERT INTO jfs_chunk_ref (chunkid, size, refs) VALUES (?, ?, 0) ' +
    'ON CONFLICT (chunkid) DO UPDATE SET size = excluded.size',
  putCounter: 'INSERT OR REPLACE INTO jfs_counter (name, value) VALUES (?, ?)',
  counter: 'SELECT value FROM jfs_counter WHERE name = ?',
} as const;

/**
 * The database behind the namespace. It begins as the version's index image and is only a cache from then on: what is
 * durable is in the log, so it has no journal and one transaction that never ends, and keeps no counts of references
 * (the index builder does).
 */
export class OwnerStore {
  readonly #db: Database;
  readonly #statements = new Map<keyof typeof SQL, Statement>();
  readonly #writable: boolean;

  /** `image` null: an empty volume with nothing but a root directory. */
  constructor(sql: SqlJsStatic, image: Uint8Array | null, options: { writable: boolean }) {
    this.#db = image === null ? new sql.Database() : new sql.Database(image);
    this.#writable = options.writable;
    this.#configure();
    if (image === null) {
      createTables(this.#db);
      this.#db.run(
        `INSERT INTO jfs_node (${NODE}) VALUES (?, 2, 0, 511, 0, 0, 0, 0, 0, 0, 0, 0, 2, 4096, 0, 1, 0, 0, 0)`,
        [ROOT_INO],
      );
    }
    if (this.#writable) this.#dropIndexOfInodes();
    this.#db.run(
      'CREATE TABLE IF NOT EXISTS vol_granule (chunkid INTEGER, indx INTEGER, crcs BLOB, PRIMARY KEY (chunkid, indx)) WITHOUT ROWID',
    );
    if (this.#writable) this.#db.run('BEGIN');
  }

  node(ino: number): Inode | undefined {
    const row = this.#row('node', [ino]);
    return row === undefined ? undefined : inodeOfValues(row);
  }

  putNode(inode: Inode): void {
    this.#run('putNode', nodeValues(inode));
  }

  /** Deletes all rows of an inode but its entries. */
  deleteNode(inode: Inode): void {
    this.#run('deleteNode', [inode.ino]);
    if (inode.type === FileType.FILE) this.#run('deleteChunks', [inode.ino]);
    if (inode.type === FileType.SYMLINK) this.#run('deleteTarget', [inode.ino]);
    if (inode.xattrs !== null || inode.dirtyXattrs !== undefined) this.#run('deleteXattrs', [inode.ino]);
  }

  entry(parent: number, name: ByteString): Entry | undefined {
    const row = this.#row('entry', [parent, nameToBytes(name)]);
    if (row === undefined) return undefined;
    return new Entry(row[0] as number, name, row[1] as number, row[2] as FileType, true);
  }

  /** Ids of all entries of a directory, ascending. */
  entryIds(parent: number): Float64Array {
    // One text is read four times faster than as many rows.
    const ids = JSON.parse(this.#row('entryIds', [parent])?.[0] as string) as number[];
    return Float64Array.from(ids).toSorted();
  }

  /** The entries of a directory with these ids, which ascend; one that is not there is left out. */
  entriesOf(parent: number, ids: Float64Array): Entry[] {
    const [first, last] = [ids[0], ids.at(-1)];
    const entries: Entry[] = [];
    if (first === undefined || last === undefined) return entries;
    if (last - first < ids.length * ROWS_PASSED_PER_ROW) this.#entriesBetween(entries, parent, first, last);
    else for (const id of ids) this.#entriesBetween(entries, parent, id, id);
    return entries;
  }

  countEntries(parent: number): number {
    return this.#row('countEntries', [parent])?.[0] as number;
  }

  putEntry(parent: number, entry: Entry): void {
    this.#run('putEntry', [entry.id, parent, nameToBytes(entry.name), entry.ino, entry.type]);
  }

  deleteEntry(id: number): void {
    this.#run('deleteEntry', [id]);
  }

  /** The highest id that an entry has or ever had. */
  lastEntryId(): number {
    const last = this.#row('lastEntry', [])?.[0] as number;
    // The table is there only where some table was made with AUTOINCREMENT.
    const [counted] = this.#db.exec("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'");
    if (counted === undefined) return last;
    return Math.max(last, this.#row('sequence', [])?.[0] as number);
  }

  target(ino: number): Uint8Array | undefined {
    return this.#row('target', [ino])?.[0] as Uint8Array | undefined;
  }

  putTarget(ino: number, target: Uint8Array): void {
    this.#run('putTarget', [ino, target]);
  }

  /** null: it has none. */
  xattrs(ino: number): Map<ByteString, Uint8Array> | null {
    const statement = this.#statement('xattrs');
    let found: Map<ByteString, Uint8Array> | null = null;
    statement.bind([ino]);
    while (statement.step()) {
      const row = statement.get();
      found ??= new Map();
      found.set(nameOf(row[0] as Uint8Array), row[1] as Uint8Array);
    }
    statement.reset();
    return found;
  }

  putXattr(ino: number, name: ByteString, value: Uint8Array): void {
    this.#run('putXattr', [ino, nameToBytes(name), value]);
  }

  deleteXattr(ino: number, name: ByteString): void {
    this.#run('deleteXattr', [ino, nameToBytes(name)]);
  }

  /** Slice records of a chunk; undefined: no row, which reads as zeros. */
  chunk(ino: number, indx: number): Uint8Array | undefined {
    return this.#row('chunk', [ino, indx])?.[0] as Uint8Array | undefined;
  }

  chunkIndexes(ino: number): number[] {
    const statement = this.#statement('chunkIndexes');
    const indexes: number[] = [];
    statement.bind([ino]);
    while (statement.step()) indexes.push(statement.get()[0] as number);
    statement.reset();
    return indexes;
  }

  putChunk(ino: number, indx: number, slices: Uint8Array): void {
    if (slices.length === 0) this.#run('deleteChunk', [ino, indx]);
    else this.#run('putChunk', [ino, indx, slices]);
  }

  granules(id: number, indx: number): Uint32Array | undefined {
    const bytes = this.#row('granules', [id, indx])?.[0] as Uint8Array | undefined;
    // A copy of its own, so that the words are aligned.
    return bytes === undefined ? undefined : new Uint32Array(bytes.slice().buffer, 0, bytes.length >>> 2);
  }

  putGranules(id: number, indx: number, crcs: Uint32Array): void {
    this.#run('putGranules', [id, indx, new Uint8Array(crcs.buffer, crcs.byteOffset, crcs.byteLength)]);
  }

  sliceSize(id: number): number | undefined {
    return this.#row('slice', [id])?.[0] as number | undefined;
  }

  putSlice(id: number, sizeBytes: number): void {
    this.#run('putSlice', [id, sizeBytes]);
  }

  /** A row of `jfs_counter`; 0 when it is not there. */
  counter(name: string): number {
    return (this.#row('counter', [name])?.[0] as number | undefined) ?? 0;
  }

  putCounter(name: string, value: number): void {
    this.#run('putCounter', [name, value]);
  }

  /** The database as the bytes of a file. */
  export(): Uint8Array {
    if (this.#writable) this.#db.run('COMMIT');
    // export() closes and opens the database again: statements and pragmas are gone afterwards.
    this.#statements.clear();
    const image = this.#db.export();
    this.#configure();
    if (this.#writable) this.#db.run('BEGIN');
    return image;
  }

  close(): void {
    this.#statements.clear();
    this.#db.close();
  }

  #configure(): void {
    for (const pragma of [
      'journal_mode = OFF',
      'synchronous = OFF',
      'locking_mode = EXCLUSIVE',
      'temp_store = MEMORY',
    ]) {
      this.#db.run(`PRAGMA ${pragma}`);
    }
    this.#db.run(`PRAGMA cache_size = -${PAGE_CACHE_KIB}`);
  }

  /** Nobody here asks which entries an inode has, and keeping that index up makes each new entry a sixth dearer. */
  #dropIndexOfInodes(): void {
    const found = this.#db.exec(
      "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = 'jfs_edge' AND sql NOT LIKE '%UNIQUE%'",
    );
    for (const [name] of found[0]?.values ?? []) this.#db.run(`DROP INDEX "${String(name).replaceAll('"', '""')}"`);
  }

  #entriesBetween(entries: Entry[], parent: number, first: number, last: number): void {
    const statement = this.#statement('entriesBetween');
    statement.bind([first, last, parent]);
    while (statement.step()) {
      const row = statement.get();
      const name = nameOf(row[1] as Uint8Array);
      entries.push(new Entry(row[0] as number, name, row[2] as number, row[3] as FileType, true));
    }
    statement.reset();
  }

  #statement(name: keyof typeof SQL): Statement {
    let statement = this.#statements.get(name);
    if (statement === undefined) {
      statement = this.#db.prepare(SQL[name]);
      this.#statements.set(name, statement);
    }
    return statement;
  }

  /** Binds, steps and resets, which also gives back the memory of the bound values. */
  #run(name: keyof typeof SQL, values: BindParams): void {
    this.#statement(name).run(values);
  }

  #row(name: keyof typeof SQL, values: BindParams): SqlValue[] | undefined {
    const statement = this.#statement(name);
    statement.bind(values);
    const row = statement.step() ? statement.get() : undefined;
    statement.reset();
    return row;
  }
}

/** A name, which is at most 255 bytes long: for such, this is several times faster than a Buffer. */
function nameOf(bytes: Uint8Array): ByteString {
  return String.fromCharCode.apply(null, bytes as unknown as number[]);
}
