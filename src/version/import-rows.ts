import { VolumeError } from '../base/errors.js';
import { eachSlice } from '../meta/stores/apply-pending.js';
import { TRASH_BEGIN, raiseCounter, readCounter } from '../meta/stores/apply-usage.js';
import { TABLE_COLUMNS } from '../meta/stores/schema.js';
import type { Database } from '../meta/stores/sql.js';

/** Tables whose rows come along. Sessions, locks, quotas, tokens and change logs belong to clients of the old index. */
const COPIED_TABLES = [
  'jfs_counter',
  'jfs_node',
  'jfs_edge',
  'jfs_symlink',
  'jfs_xattr',
  'jfs_chunk',
  'jfs_delslices',
  'jfs_acl',
];

/** JuiceFS turns lists into TEXT when it appends to them; some tools write names that way. */
const STORED_AS: Readonly<Record<string, string>> = {
  'jfs_edge.name': 'BLOB',
  'jfs_symlink.target': 'BLOB',
  'jfs_xattr.name': 'TEXT',
  'jfs_xattr.value': 'BLOB',
  'jfs_chunk.slices': 'BLOB',
  'jfs_delslices.slices': 'BLOB',
};

/** Bytes of an entry of a delayed deletion: slice id u64, size u32. */
const DELAYED_SLICE_BYTES = 12;

/** Copies rows from the attached `source`, inside SQLite: some of the numbers do not fit JavaScript's. */
export function copyTables(db: Database, sourceColumns: (table: string) => string[]): void {
  for (const table of COPIED_TABLES) {
    const there = new Set(sourceColumns(table));
    if (there.size === 0) continue;
    const columns = TABLE_COLUMNS[table] ?? [];
    const values = columns.map((column) => (there.has(column) ? expression(table, column) : '0'));
    db.run(
      `INSERT INTO ${table} (${columns.map(quoted).join(', ')}) SELECT ${values.join(', ')} FROM source.${table} ORDER BY rowid`,
    );
  }
}

function expression(table: string, column: string): string {
  const type = STORED_AS[`${table}.${column}`];
  // An empty value can have become NULL on its way through a dump.
  if (type !== undefined) return `coalesce(CAST(${quoted(column)} AS ${type}), CAST('' AS ${type}))`;
  return table === 'jfs_node' ? `coalesce(${quoted(column)}, 0)` : quoted(column);
}

function quoted(column: string): string {
  return `"${column}"`;
}

/** Removes what neither the root nor the trash leads to, and entries that lead nowhere; answers what that was. */
export function dropUnreachable(db: Database): string[] {
  db.run('CREATE TEMP TABLE reached (inode INTEGER PRIMARY KEY)');
  db.run(
    `INSERT INTO reached WITH RECURSIVE tree(inode) AS (
       SELECT inode FROM jfs_node WHERE inode IN (1, 9223372032828243968)
       UNION SELECT e.inode FROM tree t CROSS JOIN jfs_edge e ON e.parent = t.inode CROSS JOIN jfs_node n ON n.inode = e.inode
     ) SELECT inode FROM tree`,
  );
  const notes: string[] = [];
  const drop = (table: string, column: string, what: string): void => {
    db.run(`DELETE FROM ${table} WHERE ${column} NOT IN (SELECT inode FROM reached)`);
    const count = db.getRowsModified();
    if (count > 0) notes.push(`${count} ${what} were left behind: nothing leads to them`);
  };
  drop('jfs_node', 'inode', 'deleted files');
  drop('jfs_edge', 'inode', 'entries without inode');
  drop('jfs_edge', 'parent', 'entries of deleted directories');
  drop('jfs_chunk', 'inode', 'chunks of deleted files');
  drop('jfs_symlink', 'inode', 'targets of deleted links');
  drop('jfs_xattr', 'inode', 'attributes of deleted files');
  db.run('DROP TABLE reached');
  return notes;
}

/** Link counts from the entries. Trash directories keep 2, whatever is in them. */
export function recountLinks(db: Database): void {
  db.run(
    `UPDATE jfs_node SET nlink = c.links FROM (
       SELECT n.inode, (SELECT count(*) FROM jfs_edge e WHERE e.inode = n.inode) AS links FROM jfs_node n WHERE n.type <> 2
     ) c WHERE c.inode = jfs_node.inode AND c.links <> jfs_node.nlink`,
  );
  db.run(
    `UPDATE jfs_node SET nlink = c.links FROM (
       SELECT d.inode, 2 + (SELECT count(*) FROM jfs_edge e WHERE e.parent = d.inode AND e.type = 2) AS links
       FROM jfs_node d WHERE d.type = 2 AND d.inode < ${TRASH_BEGIN}
     ) c WHERE c.inode = jfs_node.inode AND c.links <> jfs_node.nlink`,
  );
}

interface SliceUse {
  refs: number;
  size: number;
}

export interface RefCount {
  slices: number;
  lastSlice: number;
  sample: { id: number; sizeBytes: number } | null;
}

/** `jfs_chunk_ref` from the chunk lists and the delayed deletions. */
export function recountRefs(db: Database): RefCount {
  const uses = new Map<number, SliceUse>();
  const use = (id: number, size: number): void => {
    if (!Number.isSafeInteger(id)) throw new VolumeError('unsupported', `slice ids beyond 2^53 are in use (${id})`);
    const found = uses.get(id);
    if (found === undefined) uses.set(id, { refs: 1, size });
    else found.refs++;
  };
  let sample: RefCount['sample'] = null;
  eachBlob(db, 'SELECT slices FROM jfs_chunk', (list) =>
    eachSlice(list, (id, size) => {
      use(id, size);
      sample = { id, sizeBytes: size };
    }),
  );
  eachBlob(db, 'SELECT slices FROM jfs_delslices', (list) => {
    const view = new DataView(list.buffer, list.byteOffset, list.byteLength);
    for (let at = 0; at + DELAYED_SLICE_BYTES <= list.length; at += DELAYED_SLICE_BYTES) {
      use(view.getUint32(at) * 2 ** 32 + view.getUint32(at + 4), view.getUint32(at + 8));
    }
  });
  const insert = db.prepare('INSERT INTO jfs_chunk_ref VALUES (?, ?, ?)');
  let lastSlice = 0;
  for (const [id, { size, refs }] of uses) {
    insert.run([id, size, refs]);
    if (id > lastSlice) lastSlice = id;
  }
  insert.free();
  return { slices: uses.size, lastSlice, sample };
}

function eachBlob(db: Database, query: string, visit: (blob: Uint8Array) => void): void {
  const select = db.prepare(query);
  while (select.step()) visit(select.get()[0] as Uint8Array);
  select.free();
}

/** The counters that are not recounted elsewhere: numbers above everything in use, no session left. */
export function settleCounters(
  db: Database,
  lastSlice: number,
): { lastInode: number; inodes: number; usedBytes: number } {
  const last = db.exec(`SELECT max(inode) FROM jfs_node WHERE inode < ${TRASH_BEGIN}`)[0]?.values[0]?.[0] as number;
  if (!Number.isSafeInteger(last))
    throw new VolumeError('unsupported', `inode numbers beyond 2^53 are in use (${last})`);
  raiseCounter(db, 'nextInode', last + 1);
  raiseCounter(db, 'nextChunk', lastSlice + 1);
  for (const name of ['nextSession', 'nextCleanupSlices']) raiseCounter(db, name, 0);
  return {
    // Numbers below the counters may have been handed out: blocks of them can be in the bucket.
    lastInode: Math.max(readCounter(db, 'nextInode'), readCounter(db, 'nextChunk')) - 1,
    inodes: readCounter(db, 'totalInodes'),
    usedBytes: readCounter(db, 'usedSpace'),
  };
}
