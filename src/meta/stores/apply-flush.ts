import { type ByteString, nameToBytes } from '../../base/bytes.js';
import { VolumeError } from '../../base/errors.js';
import type { FileType, NodeRow } from '../inode.js';
import { TRASH_BEGIN } from './apply-usage.js';
import type { PendingEdge, PendingInode } from './apply-pending.js';
import type { Database, Statement } from './sql.js';

/** Of an inode that the database has: what the sums need. */
export interface KnownNode {
  type: FileType;
  length: number;
}

/** An entry that the database has and that is about to go or to be replaced. */
export interface OldEdge {
  id: number;
  parent: number;
  ino: number;
  type: FileType;
}

const NODE_UPSERT = `INSERT OR REPLACE INTO jfs_node (inode, type, flags, mode, uid, gid, atime, mtime, ctime, atimensec,
  mtimensec, ctimensec, nlink, length, rdev, parent, access_acl_id, default_acl_id, tier_id)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;

/** The statements by which {@link IndexApplier} reads and writes rows, each prepared once, on first use. */
export class FlushStatements {
  readonly #db: Database;
  readonly #statements = new Map<string, Statement>();
  readonly #decoder = new TextDecoder('utf-8', { fatal: true });

  /** No inode in the database has a higher number, but for the trash's. */
  #maxIno: number;

  constructor(db: Database) {
    this.#db = db;
    const max = db.exec(`SELECT max(inode) FROM jfs_node WHERE inode < ${TRASH_BEGIN}`)[0]?.values[0]?.[0];
    this.#maxIno = typeof max === 'number' ? max : 0;
  }

  free(): void {
    for (const statement of this.#statements.values()) statement.free();
    this.#statements.clear();
  }

  #prepare(sql: string): Statement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) this.#statements.set(sql, (statement = this.#db.prepare(sql)));
    return statement;
  }

  /** The entries in the database that have the name of a pending one. One query for each directory. */
  oldEdges(edges: ReadonlyMap<number, ReadonlyMap<ByteString, unknown>>): OldEdge[] {
    const found: OldEdge[] = [];
    const select = this.#prepare(
      `SELECT e.id, e.inode, e.type FROM json_each(?2) j CROSS JOIN jfs_edge e ON e.parent = ?1 AND e.name = unhex(j.value)`,
    );
    for (const [parent, entries] of edges) {
      if (!this.#hasEntries(parent)) continue;
      const names = Array.from(entries.keys(), (name) => Buffer.from(name, 'latin1').toString('hex'));
      select.bind([parent, JSON.stringify(names)]);
      while (select.step()) {
        const [id, ino, type] = select.get() as [number, number, FileType];
        found.push({ id, parent, ino, type });
      }
      select.reset();
    }
    return found;
  }

  #hasEntries(parent: number): boolean {
    const select = this.#prepare('SELECT 1 FROM jfs_edge WHERE parent = ? LIMIT 1');
    select.bind([parent]);
    const found = select.step();
    select.reset();
    return found;
  }

  /** The inodes in the database that a flush is about. */
  knownNodes(
    inodes: ReadonlyMap<number, PendingInode>,
    edges: ReadonlyMap<number, ReadonlyMap<ByteString, PendingEdge | null>>,
    old: readonly OldEdge[],
  ): Map<number, KnownNode> {
    const asked = new Set<number>(inodes.keys());
    for (const entries of edges.values()) for (const edge of entries.values()) if (edge !== null) asked.add(edge.ino);
    for (const edge of old) asked.add(edge.ino);
    const known = new Map<number, KnownNode>();
    // Most of what a log creates has a number beyond all that are there.
    const inBase = [...asked].filter((ino) => ino <= this.#maxIno);
    if (inBase.length === 0) return known;
    const select = this.#prepare(
      'SELECT n.inode, n.type, n.length FROM json_each(?) j CROSS JOIN jfs_node n ON n.inode = j.value',
    );
    select.bind([JSON.stringify(inBase)]);
    while (select.step()) {
      const [ino, type, length] = select.get() as [number, FileType, number];
      known.set(ino, { type, length });
    }
    select.reset();
    return known;
  }

  deleteEdge(id: number): void {
    this.#prepare('DELETE FROM jfs_edge WHERE id = ?').run([id]);
  }

  insertEdge(id: number, parent: number, name: ByteString, ino: number, type: FileType): void {
    this.#prepare('INSERT OR REPLACE INTO jfs_edge (id, parent, name, inode, type) VALUES (?, ?, ?, ?, ?)').run([
      id,
      parent,
      nameToBytes(name),
      ino,
      type,
    ]);
  }

  /** No entry gets an id that another one had. */
  raiseEdgeSequence(id: number): void {
    const sequence = this.#db.exec("SELECT seq FROM sqlite_sequence WHERE name = 'jfs_edge'")[0];
    if (sequence === undefined) this.#db.run("INSERT INTO sqlite_sequence VALUES ('jfs_edge', ?)", [id]);
    else this.#db.run("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'jfs_edge'", [id]);
  }

  /** Directories that have an entry for the inode; entries in the trash are only told of. */
  parentsOf(ino: number): { directories: number[]; inTrash: boolean } {
    const select = this.#prepare('SELECT parent FROM jfs_edge WHERE inode = ?');
    const directories: number[] = [];
    let inTrash = false;
    select.bind([ino]);
    while (select.step()) {
      const parent = select.get()[0] as number;
      if (Number.isSafeInteger(parent)) directories.push(parent);
      else inTrash = true;
    }
    select.reset();
    return { directories, inTrash };
  }

  putNode(n: NodeRow): void {
    if (n.ino > this.#maxIno) this.#maxIno = n.ino;
    this.#prepare(NODE_UPSERT).run([
      n.ino,
      n.type,
      n.flags,
      n.mode,
      n.uid,
      n.gid,
      micros(n.atime, n.atimensec),
      micros(n.mtime, n.mtimensec),
      micros(n.ctime, n.ctimensec),
      n.atimensec % 1000,
      n.mtimensec % 1000,
      n.ctimensec % 1000,
      n.nlink,
      n.length,
      n.rdev,
      n.parent,
      n.accessAcl,
      n.defaultAcl,
      n.tier,
    ]);
  }

  updateWritten(ino: number, length: number, sec: number, nsec: number): void {
    this.#prepare(
      'UPDATE jfs_node SET length = ?1, mtime = ?2, ctime = ?2, mtimensec = ?3, ctimensec = ?3 WHERE inode = ?4',
    ).run([length, micros(sec, nsec), nsec % 1000, ino]);
  }

  deleteNode(ino: number): void {
    this.#prepare('DELETE FROM jfs_node WHERE inode = ?').run([ino]);
  }

  newDirectory(ino: number): void {
    this.#prepare('INSERT OR REPLACE INTO jfs_dir_stats VALUES (?, 0, 0, 0)').run([ino]);
  }

  /** What belongs to an inode besides its row and its chunks. */
  deleteRest(ino: number, isDirectory: boolean): void {
    this.#prepare('DELETE FROM jfs_symlink WHERE inode = ?').run([ino]);
    this.#prepare('DELETE FROM jfs_xattr WHERE inode = ?').run([ino]);
    if (isDirectory) this.#prepare('DELETE FROM jfs_dir_stats WHERE inode = ?').run([ino]);
  }

  putSymlink(ino: number, target: Uint8Array): void {
    this.#prepare('INSERT OR REPLACE INTO jfs_symlink VALUES (?, ?)').run([ino, target]);
  }

  putXattrs(ino: number, xattrs: ReadonlyMap<ByteString, Uint8Array | null>): void {
    for (const [name, value] of xattrs) {
      const text = this.#xattrName(name);
      if (value === null) {
        this.#prepare('DELETE FROM jfs_xattr WHERE inode = ? AND name = ?').run([ino, text]);
        continue;
      }
      this.#prepare(
        'INSERT INTO jfs_xattr (inode, name, value) VALUES (?1, ?2, ?3) ON CONFLICT (inode, name) DO UPDATE SET value = ?3',
      ).run([ino, text, value]);
    }
  }

  /** The format has these names as TEXT. */
  #xattrName(name: ByteString): string {
    try {
      return this.#decoder.decode(nameToBytes(name));
    } catch (cause) {
      throw new VolumeError('corrupt', 'the name of an extended attribute is not UTF-8', { cause });
    }
  }

  /** The stored list of a chunk. */
  chunk(ino: number, indx: number): Uint8Array | undefined {
    const select = this.#prepare('SELECT CAST(slices AS BLOB) FROM jfs_chunk WHERE inode = ? AND indx = ?');
    select.bind([ino, indx]);
    const list = select.step() ? (select.get()[0] as Uint8Array) : undefined;
    select.reset();
    return list;
  }

  putChunk(ino: number, indx: number, list: Uint8Array, stored: boolean): void {
    if (list.length === 0) {
      if (stored) this.#prepare('DELETE FROM jfs_chunk WHERE inode = ? AND indx = ?').run([ino, indx]);
    } else if (stored) {
      this.#prepare('UPDATE jfs_chunk SET slices = ? WHERE inode = ? AND indx = ?').run([list, ino, indx]);
    } else {
      this.#prepare('INSERT INTO jfs_chunk (inode, indx, slices) VALUES (?, ?, ?)').run([ino, indx, list]);
    }
  }

  /** Removes an inode's chunks and answers their lists. */
  takeChunks(ino: number): Uint8Array[] {
    const select = this.#prepare('SELECT CAST(slices AS BLOB) FROM jfs_chunk WHERE inode = ?');
    const lists: Uint8Array[] = [];
    select.bind([ino]);
    while (select.step()) lists.push(select.get()[0] as Uint8Array);
    select.reset();
    if (lists.length > 0) this.#prepare('DELETE FROM jfs_chunk WHERE inode = ?').run([ino]);
    return lists;
  }
}

/** Microseconds since 1970. As text where a number is not exact: the column's affinity makes it an integer again. */
function micros(sec: number, nsec: number): number | string {
  const value = sec * 1_000_000 + Math.floor(nsec / 1000);
  if (Number.isSafeInteger(value)) return value;
  return String(BigInt(sec) * 1_000_000n + BigInt(Math.floor(nsec / 1000)));
}
