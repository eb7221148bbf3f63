// needs: mount
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { link, mkdir, open, rename, symlink, truncate, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

import { VolumeError } from '../../dist/base/errors.js';
import { newSetting, serializeSetting } from '../../dist/meta/stores/setting.js';
import { loadSqlJs } from '../../dist/meta/stores/sql.js';
import { validateImage } from '../../dist/meta/stores/validate.js';
import { importIndex } from '../../dist/version/import-index.js';
import { all } from '../meta/sqlite-helpers.ts';
import { QUIET_MOUNT, checkWithJuicefs, juicefs, makeJuicefsVolume, run, whyNoJuicefs } from '../oracle/juicefs.ts';
import { exportIndex, juicefsPlace } from '../../dist/version/export-index.js';
import { imageManifest } from './image-manifest.ts';

const test = suite<{ dir: string; index: string; bucket: string }>('index import');

test.before.each((context) => {
  context.dir = mkdtempSync(join(tmpdir(), 'forkfs-import-'));
  context.index = join(context.dir, 'vol.db');
  context.bucket = join(context.dir, 'objects');
});

test.after.each(({ dir }) => rmSync(dir, { recursive: true, force: true }));

const kind = (expected: string, says: RegExp) => (error: unknown) =>
  error instanceof VolumeError && error.kind === expected && says.test(error.message);

async function rejects(promise: Promise<unknown>, check: (error: unknown) => boolean): Promise<void> {
  try {
    await promise;
  } catch (error) {
    if (!check(error)) throw error;
    return;
  }
  assert.unreachable('it was accepted');
}

/** Runs SQL on a file with a real SQLite. */
async function sqlite(path: string, script: string, after = ''): Promise<void> {
  const program = `import sqlite3, sys, os\ndb = sqlite3.connect(sys.argv[1])\ndb.executescript(sys.argv[2])\ndb.commit()\n${after}`;
  const ended = await run('python3', ['-c', program, path, script]);
  if (ended.code !== 0) throw new Error(ended.stderr);
}

for (const [what, flags] of Object.entries<string[]>({
  plain: [],
  'with hash prefix and small blocks': ['--hash-prefix', '--block-size', '256'],
  'without trash': ['--trash-days', '0'],
  'in WAL mode': ['--journal', 'WAL'],
})) {
  test(`adopts a hand-made volume, ${what}`, async ({ index, bucket, dir }) => {
    const expected = join(dir, 'expected.tsv');
    await makeJuicefsVolume(['--index', index, '--bucket', bucket, '--name', 'demo', '--manifest', expected, ...flags]);
    const before = readFileSync(index);
    const imported = await importIndex(index);
    assert.is(await imageManifest(imported.image, bucket), readFileSync(expected, 'utf8'));
    assert.is(imported.name, 'demo');
    assert.is(imported.hashPrefix, flags.includes('--hash-prefix'));
    assert.is(imported.blockBytes, flags.includes('256') ? 2 ** 18 : 2 ** 22);
    assert.equal(imported.notes, []);
    assert.ok(imported.lastId >= 13);
    assert.equal(readFileSync(index), before);

    const sql = await loadSqlJs();
    const { setting, meta } = validateImage(sql, imported.image);
    assert.is(meta['adopted'], imported.uuid);
    assert.is(setting.json['Bucket'], '');
    // Sums are counted afresh, and the volume's own were right.
    const [db, old] = [new sql.Database(imported.image), new sql.Database(before)];
    for (const query of [
      'SELECT CAST(inode AS TEXT), data_length, used_space, used_inodes FROM jfs_dir_stats ORDER BY inode',
      'SELECT * FROM jfs_chunk_ref ORDER BY chunkid',
      "SELECT * FROM jfs_counter WHERE name IN ('usedSpace', 'totalInodes') ORDER BY name",
      'SELECT CAST(inode AS TEXT), nlink, CAST(parent AS TEXT) FROM jfs_node ORDER BY inode',
      'SELECT CAST(parent AS TEXT), name, inode FROM jfs_edge ORDER BY id',
    ]) {
      assert.equal(all(db, query), all(old, query), query);
    }
  });
}

test('leaves behind what nothing leads to, and counts again what was wrong', async ({ index, bucket }) => {
  await makeJuicefsVolume(['--index', index, '--bucket', bucket, '--name', 'demo', '--trash-days', '0']);
  const clean = await importIndex(index);
  await sqlite(
    index,
    `INSERT INTO jfs_node SELECT 900, type, flags, mode, uid, gid, atime, mtime, ctime, 0, 0, 0, 0, length, rdev, 1, 0, 0, 0
       FROM jfs_node WHERE inode = 6;
     INSERT INTO jfs_sustained (sid, inode) VALUES (7, 900);
     INSERT INTO jfs_session2 VALUES (7, 1000, NULL);
     INSERT INTO jfs_chunk (inode, indx, slices) SELECT 900, 0, slices FROM jfs_chunk WHERE inode = 6;
     INSERT INTO jfs_delfile VALUES (901, 300000, 1000);
     INSERT INTO jfs_chunk (inode, indx, slices) SELECT 901, 0, slices FROM jfs_chunk WHERE inode = 6;
     INSERT INTO jfs_xattr (inode, name, value) VALUES (901, 'user.x', x'00');
     INSERT INTO jfs_edge (parent, name, inode, type) VALUES (1, x'6c6f7374', 902, 1);
     INSERT INTO jfs_flock (inode, sid, owner, ltype) VALUES (3, 7, -1, 87);
     INSERT INTO jfs_dir_quota VALUES (2, 1, 1, 1, 1);
     UPDATE jfs_dir_stats SET data_length = 5;
     UPDATE jfs_counter SET value = 1 WHERE name IN ('usedSpace', 'totalInodes', 'nextInode', 'nextChunk');
     UPDATE jfs_chunk_ref SET refs = 9;
     UPDATE jfs_chunk SET slices = CAST(slices AS TEXT);
     UPDATE jfs_node SET nlink = 7 WHERE inode IN (1, 3);`,
  );
  const imported = await importIndex(index);
  const sql = await loadSqlJs();
  const [db, expected] = [new sql.Database(imported.image), new sql.Database(clean.image)];
  for (const table of [
    'jfs_node',
    'jfs_edge',
    'jfs_xattr',
    'jfs_chunk',
    'jfs_chunk_ref',
    'jfs_dir_stats',
    'jfs_symlink',
  ]) {
    assert.equal(all(db, `SELECT * FROM ${table}`), all(expected, `SELECT * FROM ${table}`), table);
  }
  for (const table of ['jfs_session2', 'jfs_sustained', 'jfs_delfile', 'jfs_flock', 'jfs_dir_quota']) {
    assert.equal(all(db, `SELECT * FROM ${table}`), [], table);
  }
  assert.is(imported.usedBytes, clean.usedBytes);
  assert.is(imported.inodes, clean.inodes);
  assert.is(imported.notes.length, 5);
});

test('reads what stands in the write-ahead log', async ({ index, bucket }) => {
  await makeJuicefsVolume(['--index', index, '--bucket', bucket, '--name', 'demo', '--journal', 'WAL']);
  await sqlite(
    index,
    'PRAGMA wal_autocheckpoint = 0; UPDATE jfs_node SET uid = 4711 WHERE inode = 8; BEGIN; UPDATE jfs_node SET uid = 1 WHERE inode = 9;',
    // Ends without closing, as a killed client does: the log stays.
    'db.execute("PRAGMA wal_autocheckpoint = 0")\ndb.execute("UPDATE jfs_node SET gid = 5 WHERE inode = 8")\ndb.commit()\nos._exit(0)',
  );
  assert.ok(existsSync(`${index}-wal`));
  const imported = await importIndex(index);
  const sql = await loadSqlJs();
  assert.equal(all(new sql.Database(imported.image), 'SELECT uid, gid FROM jfs_node WHERE inode = 8'), [[4711, 5]]);
});

test('refuses a volume that a client has mounted', async ({ index, bucket }) => {
  await makeJuicefsVolume(['--index', index, '--bucket', bucket]);
  const info = JSON.stringify({ HostName: 'elsewhere', MountPoint: '/mnt/jfs' });
  await sqlite(index, `INSERT INTO jfs_session2 VALUES (3, 1000, '${info}')`);
  const at = (ms: number) => ({ clock: { nowMs: () => ms, monotonicMs: () => 0 } });
  await rejects(importIndex(index, at(999_000)), kind('busy', /elsewhere.*\/mnt\/jfs/));
  await importIndex(index, at(1_001_000));
});

test('refuses what could run the code of whoever wrote the file, and what is not a volume', async ({
  index,
  bucket,
}) => {
  await makeJuicefsVolume(['--index', index, '--bucket', bucket]);
  const good = readFileSync(index);
  for (const [script, says] of [
    ['CREATE TRIGGER t AFTER INSERT ON jfs_node BEGIN DELETE FROM jfs_node; END', /trigger t/],
    ['CREATE VIEW v AS SELECT 1', /view v/],
    ["CREATE INDEX i ON jfs_node (abs('1'))", /index i/],
    ['CREATE VIRTUAL TABLE f USING fts3(a)', /virtual/],
    ['ALTER TABLE jfs_node ADD COLUMN g AS (uid + 1)', /jfs_node.g/],
  ] as const) {
    writeFileSync(index, good);
    await sqlite(index, script);
    await rejects(importIndex(index), kind('unsupported', says));
  }
  for (const script of ['DROP TABLE jfs_edge', 'ALTER TABLE jfs_chunk DROP COLUMN slices', 'DELETE FROM jfs_setting']) {
    writeFileSync(index, good);
    await sqlite(index, script.includes('DROP COLUMN') ? `DROP INDEX UQE_jfs_chunk_chunk; ${script}` : script);
    await rejects(importIndex(index), kind('corrupt', /./));
  }
  writeFileSync(index, good.subarray(0, good.length - 4096));
  await rejects(importIndex(index), kind('corrupt', /truncated/));
  writeFileSync(index, Buffer.from(good).fill(0xa5, 8192, 30_000));
  await rejects(importIndex(index), kind('corrupt', /./));
  writeFileSync(index, 'not a database, and short');
  await rejects(importIndex(index), kind('corrupt', /SQLite/));
  await rejects(importIndex(join(bucket, 'nothing')), kind('not-found', /nothing/));
});

test('refuses volumes that need what is not there', async ({ index, bucket }) => {
  await makeJuicefsVolume(['--index', index, '--bucket', bucket]);
  const base = JSON.parse(serializeSetting(newSetting({ name: 'demo', uuid: 'u' }))) as object;
  for (const [fields, says] of [
    [{ MetaVersion: 2 }, /version 2/],
    [{ MinClientVersion: '1.5.0' }, /1\.5\.0/],
    [{ EncryptKey: 'x' }, /encrypted/],
    [{ Shards: 4 }, /4 buckets/],
    [{ Compression: 'lz4' }, /lz4/],
    [{ ChangeLog: true }, /change log/],
  ] as const) {
    const setting = JSON.stringify({ ...base, ...fields });
    await sqlite(index, `UPDATE jfs_setting SET value = '${setting}'`);
    await rejects(importIndex(index), kind('unsupported', says));
  }
  for (const fields of [{ BlockSize: 0 }, { BlockSize: '4096' }, { Name: '' }, { MinClientVersion: 'soon' }]) {
    await sqlite(index, `UPDATE jfs_setting SET value = '${JSON.stringify({ ...base, ...fields })}'`);
    await rejects(importIndex(index), kind('corrupt', /./));
  }
});

const withJuicefs = whyNoJuicefs() === undefined ? test : test.skip;

/** A volume made by juicefs itself, with the defaults of its `format`: a trash, and the news in a write-ahead log. */
async function writeWithJuicefs(index: string, bucket: string, mountPoint: string, log: string): Promise<void> {
  const url = `sqlite3://${index}`;
  const formatted = await juicefs(['format', url, 'theirs', '--storage', 'file', '--bucket', `${bucket}/`]);
  assert.is(formatted.code, 0, formatted.stderr);
  mkdirSync(mountPoint);
  const mounted = await juicefs(['mount', url, mountPoint, ...QUIET_MOUNT, '--log', log]);
  assert.is(mounted.code, 0, mounted.stderr);
  try {
    const at = (name: string): string => join(mountPoint, name);
    await mkdir(at('d/e'), { recursive: true });
    await writeFile(at('d/small'), 'small');
    await writeFile(at('big'), Buffer.alloc(6 * 2 ** 20, 'big file '));
    const file = await open(at('big'), 'r+');
    await file.write(Buffer.alloc(100_000, 'x'), 0, 100_000, 3_000_000);
    await file.sync();
    await file.write(Buffer.alloc(10, 'y'), 0, 10, 2 ** 26 + 5);
    await file.close();
    await truncate(at('d/small'), 3);
    await truncate(at('d/small'), 5000);
    await link(at('big'), at('d/hard'));
    await symlink('../big', at('d/e/link'));
    await writeFile(at('gone'), 'into the trash');
    await unlink(at('gone'));
    await rename(at('d/e'), at('moved'));
    await rejects(importIndex(index), kind('busy', /mounted.*theirs-mnt/));
  } finally {
    const ended = await juicefs(['umount', mountPoint]);
    assert.is(ended.code, 0, ended.stderr);
  }
}

withJuicefs('adopts a volume that juicefs wrote, and shows it to juicefs again', async ({ index, bucket, dir }) => {
  await writeWithJuicefs(index, bucket, join(dir, 'theirs-mnt'), join(dir, 'log'));
  const imported = await importIndex(index);
  const mountPoint = join(dir, 'mnt');
  const before = await checkWithJuicefs({ index, bucket, mountPoint, flags: ['--no-stat'] });
  assert.ok(before.good, before.log);
  assert.is(await imageManifest(imported.image, bucket), before.manifest);
  const out = join(dir, 'export.db');
  const ids = { firstId: 5 * 2 ** 26, endId: 6 * 2 ** 26 };
  await exportIndex({ image: imported.image, out, ids, place: juicefsPlace(`file://${bucket}`, imported.name) });
  const after = await checkWithJuicefs({ index: out, bucket, mountPoint });
  assert.ok(after.good, after.log);
  assert.is(after.manifest, before.manifest);
});

test.run();
