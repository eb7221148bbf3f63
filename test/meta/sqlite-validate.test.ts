import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Database, SqlJsStatic } from 'sql.js';

import { VolumeError } from '../../dist/base/errors.js';
import { TABLE_COLUMNS, emptyImage } from '../../dist/meta/stores/schema.js';
import { newSetting, parseSetting, serializeSetting } from '../../dist/meta/stores/setting.js';
import { loadSqlJs } from '../../dist/meta/stores/sql.js';
import { openImage, validateImage } from '../../dist/meta/stores/validate.js';
import { all } from './sqlite-helpers.ts';

const SETTING = newSetting({ name: 'family', uuid: '00000000-0000-0000-0000-000000000000' });

const test = suite<{ sql: SqlJsStatic }>('sqlite validate');

test.before(async (context) => {
  context.sql = await loadSqlJs();
});

function refuses(sql: SqlJsStatic, image: Uint8Array, kind: string, says = /./): void {
  assert.throws(
    () => validateImage(sql, image),
    (error: unknown) => error instanceof VolumeError && error.kind === kind && says.test(error.message),
  );
}

function changed(sql: SqlJsStatic, change: (db: Database) => void): Uint8Array {
  const db = new sql.Database(emptyImage(sql, SETTING, { timeMs: 1_700_000_000_000 }));
  change(db);
  const image = db.export();
  db.close();
  return image;
}

test('makes an empty image that holds', ({ sql }) => {
  const image = emptyImage(sql, SETTING, { timeMs: 1_700_000_000_123.4, uid: 7, gid: 8 });
  const { db, setting, meta } = openImage(sql, image);
  assert.is(setting.name, 'family');
  assert.is(setting.blockBytes, 4 * 2 ** 20);
  assert.equal(meta, { format: '1' });
  assert.equal(all(db, 'SELECT inode, type, mode, uid, gid, mtime, nlink, length, parent FROM jfs_node'), [
    [1, 2, 0o777, 7, 8, 1_700_000_000_123_400, 2, 4096, 1],
  ]);
  for (const [table, columns] of Object.entries(TABLE_COLUMNS)) {
    assert.equal(all(db, 'SELECT name FROM pragma_table_info(?)', [table]).flat(), columns, table);
  }
  db.close();
});

test('refuses what is not our schema', ({ sql }) => {
  for (const [script, says] of [
    ['CREATE TRIGGER evil AFTER INSERT ON jfs_node BEGIN DELETE FROM jfs_edge; END', /trigger.*evil/],
    ['CREATE VIEW evil AS SELECT * FROM jfs_node', /view.*evil/],
    ['DROP TABLE jfs_symlink; CREATE VIEW jfs_symlink AS SELECT 1 AS inode, 2 AS target', /view.*jfs_symlink/],
    ['CREATE TABLE other (a)', /table.*other/],
    ['CREATE INDEX other ON jfs_node (abs(uid))', /index.*other/],
    ['DROP TABLE jfs_xattr', /lacks/],
    ['DROP INDEX IDX_jfs_edge_inode', /lacks IDX_jfs_edge_inode/],
    [
      "DROP TABLE jfs_symlink; CREATE TABLE jfs_symlink (inode INTEGER PRIMARY KEY, target BLOB CHECK (target <> ''))",
      /jfs_symlink/,
    ],
    ['ALTER TABLE jfs_node ADD COLUMN g AS (uid + 1)', /jfs_node/],
  ] as const) {
    refuses(sql, changed(sql, (db) => db.exec(script)), 'corrupt', says); // prettier-ignore
  }
});

test('refuses rows that nothing of ours writes', ({ sql }) => {
  for (const [script, says] of [
    ["INSERT INTO jfs_edge VALUES (1, 1, 'text', 2, 1)", /entry/],
    ["INSERT INTO jfs_edge VALUES (1, 1, x'2e2e', 2, 1)", /entry/],
    ["INSERT INTO jfs_edge VALUES (1, 1, x'612f62', 2, 1)", /entry/],
    ["INSERT INTO jfs_edge VALUES (1, 1, x'', 2, 1)", /entry/],
    ['INSERT INTO jfs_edge VALUES (1, 1, zeroblob(256), 2, 1)', /entry/],
    ["INSERT INTO jfs_chunk VALUES (1, 2, 0, x'00')", /slice list/],
    ['UPDATE jfs_node SET type = 9', /type/],
    ["UPDATE jfs_node SET length = 'long'", /number/],
    ['DELETE FROM jfs_node', /root/],
    ['DELETE FROM jfs_setting', /setting/],
    ["UPDATE jfs_setting SET value = '{'", /JSON/],
    ["UPDATE vol_meta SET value = 'x'", /format/],
    ['DELETE FROM vol_meta', /format/],
  ] as const) {
    refuses(
      sql,
      changed(sql, (db) => db.exec(script)),
      'corrupt',
      says,
    );
  }
  refuses(
    sql,
    changed(sql, (db) => db.exec("UPDATE vol_meta SET value = '2'")),
    'unsupported',
    /update forkfs/,
  );
});

test('refuses files that are cut short, damaged, or something else', ({ sql }) => {
  const image = changed(sql, (db) => {
    for (let i = 0; i < 2000; i++) db.run('INSERT INTO jfs_symlink VALUES (?, ?)', [i, new Uint8Array(20)]);
  });
  validateImage(sql, image);
  for (const bytes of [0, 15, 100, 511, 512, 4096, image.length - 4096, image.length - 1]) {
    refuses(sql, image.slice(0, bytes), 'corrupt');
  }
  let seed = 12_345;
  for (let round = 0; round < 20; round++) {
    const damaged = image.slice();
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    const page = seed % (image.length / 4096);
    damaged.fill(0xee, page * 4096, page * 4096 + 4096);
    refuses(sql, damaged, 'corrupt');
  }
  refuses(sql, new TextEncoder().encode('{"kind": "flyte.volume/v1"}'.repeat(100)), 'corrupt', /not a SQLite file/);
});

test('keeps unknown fields of a setting, writes one field in a line, and no secret', () => {
  const found = parseSetting(
    JSON.stringify({
      Name: 'n',
      UUID: 'u',
      Storage: 's3',
      Bucket: 'https://key:secret@host/b',
      BlockSize: 64,
      Tiers: { 0: { ID: 0 } },
      AccessKey: 'AKIA',
      SecretKey: 'SECRET',
      SessionToken: 'TOKEN',
      KeyEncrypted: true,
      Future: [1, { a: ' b' }],
    }),
  );
  const text = serializeSetting(found);
  for (const secret of ['AKIA', 'SECRET', 'TOKEN', 'secret']) assert.not.match(text, secret);
  const written = JSON.parse(text) as Record<string, unknown>;
  assert.equal(written['Future'], [1, { a: ' b' }]);
  assert.is(written['Bucket'], '');
  assert.is(written['BlockSize'], 64);
  assert.not.match(text, /^ /m);
  assert.equal(parseSetting(text).blockBytes, 65_536);
});

test.run();
