import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

import { VolumeError } from '../../dist/base/errors.js';
import { loadSqlJs } from '../../dist/meta/stores/sql.js';
import { foldWal } from '../../dist/version/sqlite-wal.js';
import { all } from '../meta/sqlite-helpers.ts';
import { run } from '../oracle/juicefs.ts';

const test = suite<{ path: string; dir: string }>('sqlite wal');

test.before.each((context) => {
  context.dir = mkdtempSync(join(tmpdir(), 'forkfs-wal-'));
  context.path = join(context.dir, 'a.db');
});

test.after.each(({ dir }) => rmSync(dir, { recursive: true, force: true }));

/** What a process leaves that dies in the middle of a transaction, with an older round in the log's tail. */
const WRITER = `
import os, sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA page_size = %s" % sys.argv[2])
db.execute("PRAGMA journal_mode = WAL")
db.execute("PRAGMA wal_autocheckpoint = 0")
db.execute("PRAGMA cache_size = 5")
db.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, body BLOB)")
for n in range(300):
    db.execute("INSERT INTO t VALUES (?, ?)", (n, bytes([n % 251]) * 700))
db.execute("PRAGMA wal_checkpoint(RESTART)")
for n in range(40):
    db.execute("UPDATE t SET body = ? WHERE n = ?", (b"second round" * n, n * 7))
db.execute("DELETE FROM t WHERE n > 250")
db.execute("BEGIN")
db.execute("UPDATE t SET body = zeroblob(3000)")
os._exit(0)
`;

const EXPECTED = `
import json, shutil, sqlite3, sys, os
for end in ("", "-wal"):
    if os.path.exists(sys.argv[1] + end):
        shutil.copy(sys.argv[1] + end, sys.argv[1] + ".copy" + end)
db = sqlite3.connect(sys.argv[1] + ".copy")
print(json.dumps([list(r) for r in db.execute("SELECT n, hex(body) FROM t ORDER BY n")]))
`;

async function python(program: string, ...args: string[]): Promise<string> {
  const ended = await run('python3', ['-c', program, ...args]);
  if (ended.code !== 0) throw new Error(ended.stderr);
  return ended.stdout;
}

for (const pageBytes of [512, 4096, 65_536]) {
  test(`folds a log as SQLite does, pages of ${pageBytes} bytes`, async ({ path }) => {
    const sql = await loadSqlJs();
    await python(WRITER, path, String(pageBytes));
    const rows = JSON.parse(await python(EXPECTED, path)) as unknown[][];
    assert.ok(existsSync(`${path}-wal`));
    const folded = foldWal(readFileSync(path), readFileSync(`${path}-wal`));
    assert.equal([...folded.subarray(18, 20)], [1, 1]);
    const db = new sql.Database(folded);
    assert.equal(all(db, 'SELECT n, hex(body) FROM t ORDER BY n'), rows);
    assert.equal(all(db, 'PRAGMA integrity_check'), [['ok']]);
    db.close();
  });
}

test('takes whole commits only when the log is cut anywhere', async ({ path }) => {
  const sql = await loadSqlJs();
  await python(WRITER, path, '4096');
  const [main, wal] = [readFileSync(path), readFileSync(`${path}-wal`)];
  for (let bytes = 0; bytes < wal.length; bytes += 5003) {
    const db = new sql.Database(foldWal(main, wal.subarray(0, bytes)));
    assert.equal(all(db, 'PRAGMA integrity_check'), [['ok']], `${bytes} bytes`);
    db.close();
  }
  const flipped = Buffer.from(wal);
  flipped.writeUInt8(flipped.readUInt8(32 + 24 + 100) ^ 1, 32 + 24 + 100);
  assert.equal(foldWal(main, flipped), foldWal(main, new Uint8Array(0)));
});

test('refuses the log of another file', async ({ path, dir }) => {
  const other = join(dir, 'b.db');
  await python(WRITER, path, '4096');
  await python(WRITER, other, '512');
  assert.throws(
    () => foldWal(readFileSync(path), readFileSync(`${other}-wal`)),
    (error: unknown) => error instanceof VolumeError && error.kind === 'corrupt',
  );
});

test.run();
