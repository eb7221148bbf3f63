import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Database, SqlJsStatic } from 'sql.js';

import { FileType, type NodeRow } from '../../dist/meta/inode.js';
import { recountAllDirectories, recountUsage } from '../../dist/meta/stores/apply-usage.js';
import { createSchema } from '../../dist/meta/stores/schema.js';
import { newSetting } from '../../dist/meta/stores/setting.js';
import { loadSqlJs } from '../../dist/meta/stores/sql.js';
import { IndexApplier } from '../../dist/meta/stores/sqlite-apply.js';
import { all, decode, naiveOverlay, record } from './sqlite-helpers.ts';

const test = suite<{ sql: SqlJsStatic }>('sqlite apply');

test.before(async (context) => {
  context.sql = await loadSqlJs();
});

const SETTING = newSetting({ name: 'family', uuid: '00000000-0000-0000-0000-000000000000' });
const BLOCK = SETTING.blockBytes;

function empty(sql: SqlJsStatic): Database {
  const db = new sql.Database();
  createSchema(db, SETTING, { timeMs: 0 });
  return db;
}

function apply(db: Database, change: (to: IndexApplier) => void, flushOperations?: number): void {
  const applier = new IndexApplier(db, {
    overlay: naiveOverlay,
    blockBytes: BLOCK,
    ...(flushOperations === undefined ? {} : { flushOperations }),
  });
  change(applier);
  applier.finish();
}

function node(ino: number, fields: Partial<NodeRow> = {}): NodeRow {
  return {
    ino,
    type: FileType.FILE,
    flags: 0,
    mode: 0o644,
    uid: 0,
    gid: 0,
    rdev: 0,
    nlink: 1,
    length: 0,
    parent: 1,
    atime: 0,
    atimensec: 0,
    mtime: 0,
    mtimensec: 0,
    ctime: 0,
    ctimensec: 0,
    accessAcl: 0,
    defaultAcl: 0,
    tier: 0,
    ...fields,
  };
}

const directory = (ino: number, parent = 1, nlink = 2): NodeRow =>
  node(ino, { type: FileType.DIRECTORY, mode: 0o755, parent, nlink, length: 4096 });

/** A file of one piece, in a pack of which it is a part. */
function file(to: IndexApplier, ino: number, name: string, pack: number, off: number, len: number, parent = 1): void {
  to.putNode(node(ino, { parent }));
  to.putEdge(ino, parent, name, ino, FileType.FILE);
  write(to, ino, 0, pack, off, len, len);
}

function write(
  to: IndexApplier,
  ino: number,
  pos: number,
  pack: number,
  off: number,
  len: number,
  length: number,
): void {
  to.write({ ino, indx: 0, pos, pack, off, len, length, sec: 7, nsec: 1_234_567 });
}

/** The sums in the index are what a recount gives. */
function assertExact(db: Database): void {
  const sums = (): unknown => [
    all(db, 'SELECT * FROM jfs_dir_stats ORDER BY inode'),
    all(db, "SELECT * FROM jfs_counter WHERE name IN ('usedSpace', 'totalInodes') ORDER BY name"),
  ];
  const before = sums();
  recountAllDirectories(db);
  recountUsage(db);
  assert.equal(before, sums());
  const refs = new Map<number, number>();
  for (const [list] of all(db, 'SELECT slices FROM jfs_chunk')) {
    for (const { id } of decode(list as Uint8Array)) refs.set(id, (refs.get(id) ?? 0) + 1);
  }
  assert.equal(new Map(all(db, 'SELECT chunkid, refs FROM jfs_chunk_ref') as [number, number][]), refs);
  assert.equal(all(db, 'SELECT 1 FROM vol_granule WHERE chunkid NOT IN (SELECT chunkid FROM jfs_chunk_ref)'), []);
}

test('writes files, their data, and exact sums', ({ sql }) => {
  const db = empty(sql);
  apply(db, (to) => {
    to.putNode(directory(10));
    to.putEdge(1, 1, 'dir', 10, FileType.DIRECTORY);
    file(to, 11, 'a', 100, 0, 5000, 10);
    file(to, 12, 'b\xff', 100, 5000, 10);
    to.seal(100, 5010);
    to.uploaded(100, 5010, new Uint32Array([0xdeadbeef]));
  });
  assert.equal(all(db, 'SELECT inode, length, mtime, mtimensec FROM jfs_node WHERE inode > 1 ORDER BY inode'), [
    [10, 4096, 0, 0],
    [11, 5000, 7_001_234, 567],
    [12, 10, 7_001_234, 567],
  ]);
  assert.equal(all(db, 'SELECT * FROM jfs_dir_stats ORDER BY inode'), [
    [1, 10, 8192, 2],
    [10, 5000, 8192, 1],
  ]);
  assert.equal(all(db, 'SELECT * FROM jfs_chunk_ref'), [[100, 5010, 2]]);
  assert.equal(all(db, 'SELECT chunkid, indx, hex(crcs) FROM vol_granule'), [[100, 0, 'EFBEADDE']]);
  assert.equal(all(db, 'SELECT hex(name) FROM jfs_edge WHERE inode = 12'), [['62FF']]);
  assert.equal(all(db, "SELECT value FROM jfs_counter WHERE name IN ('nextInode', 'nextChunk') ORDER BY name"), [
    [101],
    [13],
  ]);
  assertExact(db);
});

test('gives every record of a pack the size that its SEAL record says, also beyond a flush', ({ sql }) => {
  const db = empty(sql);
  apply(
    db,
    (to) => {
      for (let i = 0; i < 10; i++) {
        file(to, 10 + i, `f${i}`, 50, i * 100, 100);
        to.recordEnd();
      }
      to.share(10, 0, 100, 50, 0, 300, 50);
      to.seal(50, 1000);
      to.recordEnd();
      write(to, 11, 0, 51, 0, 100, 100);
      to.seal(51, 100);
    },
    3,
  );
  const lists = all(db, 'SELECT slices FROM jfs_chunk ORDER BY inode').map(([list]) => decode(list as Uint8Array));
  assert.equal(lists.length, 10);
  for (const { id, size } of lists.flat()) assert.is(size, id === 50 ? 1000 : 100);
  assert.equal(all(db, 'SELECT chunkid, refs FROM jfs_chunk_ref ORDER BY chunkid'), [
    [50, 10],
    [51, 1],
  ]);
  assertExact(db);
});

test('refuses a pack without size', ({ sql }) => {
  const db = empty(sql);
  assert.throws(
    () => apply(db, (to) => file(to, 10, 'f', 50, 0, 100)),
    (error: { kind?: string }) => error.kind === 'corrupt',
  );
});

test('drops a slice with its checksums when nothing names it any more', ({ sql }) => {
  const db = empty(sql);
  apply(db, (to) => {
    file(to, 10, 'a', 50, 0, 100);
    file(to, 11, 'b', 51, 0, 100);
    to.uploaded(50, 100, new Uint32Array([1]));
    to.uploaded(51, 100, new Uint32Array([2]));
  });
  apply(db, (to) => {
    write(to, 10, 0, 52, 0, 100, 100);
    to.uploaded(52, 100, new Uint32Array([3]));
    to.deleteEdge(1, 'b');
    to.deleteNode(11);
  });
  assert.equal(all(db, 'SELECT chunkid, refs FROM jfs_chunk_ref'), [[52, 1]]);
  assert.equal(all(db, 'SELECT chunkid FROM vol_granule'), [[52]]);
  assert.equal(all(db, 'SELECT inode FROM jfs_node'), [[1], [10]]);
  assertExact(db);
});

test('keeps zeros that were punched over stored data', ({ sql }) => {
  const db = empty(sql);
  apply(db, (to) => {
    file(to, 10, 'a', 50, 0, 1000);
    to.seal(50, 1000);
  });
  apply(db, (to) => {
    to.putNode(node(10, { length: 600 }));
    to.zero(10, 0, 600, 400);
    to.zero(10, 0, 100, 100);
  });
  const [[list]] = all(db, 'SELECT slices FROM jfs_chunk') as [[Uint8Array]];
  assert.equal(Buffer.from(list), Buffer.concat([record(0, 50, 1000, 0, 100), record(200, 50, 1000, 200, 400)]));
  assert.equal(all(db, 'SELECT refs FROM jfs_chunk_ref'), [[2]]);
  assertExact(db);
  apply(db, (to) => to.zero(10, 0, 0, 600));
  assert.equal(all(db, 'SELECT * FROM jfs_chunk'), []);
  assertExact(db);
});

test('leaves out what has no links, with everything that belongs to it', ({ sql }) => {
  const db = empty(sql);
  const steps = (to: IndexApplier): void => {
    file(to, 10, 'a', 50, 0, 100);
    to.putXattr(10, 'user.x', new Uint8Array([1]));
    to.recordEnd();
    to.deleteEdge(1, 'a');
    to.putNode(node(10, { nlink: 0, length: 100 }));
    to.recordEnd();
    write(to, 10, 100, 51, 0, 10, 110);
    to.seal(50, 100);
    to.seal(51, 10);
    // An orphan from before the log: nothing of it is there.
    to.putXattr(99, 'user.x', new Uint8Array([1]));
    write(to, 98, 0, 51, 0, 10, 10);
  };
  apply(db, steps, 1);
  for (const table of ['jfs_edge', 'jfs_xattr', 'jfs_chunk', 'jfs_chunk_ref', 'vol_granule']) {
    assert.equal(all(db, `SELECT * FROM ${table}`), [], table);
  }
  assert.equal(all(db, 'SELECT inode FROM jfs_node'), [[1]]);
  assertExact(db);
});

test('follows renames, replaced entries and hard links in the sums', ({ sql }) => {
  const db = empty(sql);
  apply(db, (to) => {
    to.putNode(directory(10));
    to.putEdge(1, 1, 'dir', 10, FileType.DIRECTORY);
    file(to, 11, 'a', 50, 0, 5000);
    to.putEdge(20, 10, 'link', 11, FileType.FILE);
    to.putNode(node(11, { nlink: 2, parent: 0, length: 5000 }));
    file(to, 12, 'b', 50, 5000, 100);
    to.seal(50, 5100);
  });
  assertExact(db);
  apply(db, (to) => {
    // b replaces a; the file behind a grows through its other name.
    to.deleteEdge(1, 'b');
    to.putEdge(21, 1, 'a', 12, FileType.FILE);
    to.putNode(node(11, { nlink: 1, parent: 0, length: 5000 }));
    write(to, 11, 5000, 51, 0, 9000, 14_000);
    to.seal(51, 9000);
  });
  assert.equal(all(db, 'SELECT * FROM jfs_dir_stats ORDER BY inode'), [
    [1, 100, 8192, 2],
    [10, 14_000, 16_384, 1],
  ]);
  assertExact(db);
});

test('holds numbers up to 2^53 and times far from now', ({ sql }) => {
  const db = empty(sql);
  const ino = Number.MAX_SAFE_INTEGER - 5;
  apply(db, (to) => {
    to.putNode(node(ino, { atime: -1, atimensec: 999_999_999, mtime: 2 ** 34 - 1, mtimensec: 123_456_789 }));
    to.putEdge(Number.MAX_SAFE_INTEGER - 7, 1, 'far', ino, FileType.FILE);
    to.share(ino, 2 ** 26, 0, ino, 5, 0, 5);
  });
  const text =
    'SELECT CAST(inode AS TEXT), CAST(atime AS TEXT), atimensec, CAST(mtime AS TEXT), mtimensec, typeof(mtime)';
  assert.equal(all(db, `${text} FROM jfs_node WHERE inode > 1`), [
    [String(ino), '-1', 999, '17179869183123456', 789, 'integer'],
  ]);
  assert.equal(all(db, 'SELECT inode, indx FROM jfs_chunk'), [[ino, 2 ** 26]]);
  apply(db, (to) => {
    to.deleteEdge(1, 'far');
    to.deleteNode(ino);
  });
  assert.equal(all(db, 'SELECT inode FROM jfs_node'), [[1]]);
  assert.equal(all(db, "SELECT seq = 9007199254740984 FROM sqlite_sequence WHERE name = 'jfs_edge'"), [[1]]);
  assert.equal(all(db, "SELECT value = 9007199254740987 FROM jfs_counter WHERE name = 'nextInode'"), [[1]]);
  assertExact(db);
});

test('charges the trash of an adopted volume when a file with a link there changes', ({ sql }) => {
  const db = empty(sql);
  db.run(
    `INSERT INTO jfs_node SELECT 9223372032828243969, 2, 0, 365, 0, 0, 0, 0, 0, 0, 0, 0, 2, 4096, 0, 9223372032828243968, 0, 0, 0`,
  );
  db.run("INSERT INTO jfs_edge VALUES (500, 9223372032828243969, x'31', 10, 1)");
  db.run('INSERT INTO jfs_dir_stats VALUES (9223372032828243969, 0, 4096, 1)');
  db.run("UPDATE jfs_counter SET value = value + 8192 WHERE name = 'usedSpace'");
  db.run("UPDATE jfs_counter SET value = value + 2 WHERE name = 'totalInodes'");
  db.run('INSERT INTO jfs_node SELECT 10, 1, 0, 420, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0');
  db.run("INSERT INTO jfs_edge VALUES (501, 1, x'61', 10, 1)");
  db.run('UPDATE jfs_dir_stats SET used_space = 4096, used_inodes = 1 WHERE inode = 1');
  assertExact(db);
  apply(db, (to) => {
    write(to, 10, 0, 50, 0, 5000, 5000);
    to.seal(50, 5000);
  });
  assertExact(db);
});

test('counts a directory that has no sums yet', ({ sql }) => {
  const db = empty(sql);
  db.run('DELETE FROM jfs_dir_stats');
  apply(db, (to) => {
    file(to, 10, 'a', 50, 0, 5000);
    to.seal(50, 5000);
  });
  assertExact(db);
});

test.run();
