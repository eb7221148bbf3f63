// needs: mount
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

import { MIB } from '../../dist/base/limits.js';
import { FileType } from '../../dist/meta/inode.js';
import { newSetting } from '../../dist/meta/stores/setting.js';
import { loadSqlJs } from '../../dist/meta/stores/sql.js';
import { exportIndex, juicefsPlace } from '../../dist/version/export-index.js';
import { buildIndex } from '../../dist/version/index-builder.js';
import { all } from '../meta/sqlite-helpers.ts';
import { QUIET_MOUNT, checkWithJuicefs, juicefs, whyNoJuicefs } from '../oracle/juicefs.ts';
import { imageManifest } from './image-manifest.ts';
import { LogFixture } from './log-fixture.ts';
import { SyntheticVolume } from './synthetic-volume.ts';

const FAMILY = 'fam-x7';
const FIRST_ID = 3 * 2 ** 26;

const test = suite<{ dir: string; log: LogFixture; volume: SyntheticVolume; bucket: string }>('index export');

test.before.each((context) => {
  context.dir = mkdtempSync(join(tmpdir(), 'forkfs-export-'));
  context.bucket = join(context.dir, 'bucket');
  context.log = new LogFixture(join(context.dir, 'log'));
  context.volume = new SyntheticVolume({ ...context, family: FAMILY, firstId: FIRST_ID });
});

test.after.each(({ dir, log }) => {
  log.close();
  rmSync(dir, { recursive: true, force: true });
});

/** Bytes that no two files share. */
function bytes(count: number, seed: number): Buffer {
  let state = seed * 2_654_435_761 + 1;
  const words = new Uint32Array(Math.ceil(count / 4));
  for (let i = 0; i < words.length; i++) words[i] = state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return Buffer.from(words.buffer).subarray(0, count);
}

/** Everything that the format can say and that a log of ours does say. */
function fill(volume: SyntheticVolume): void {
  volume.mkdir('/dir');
  volume.mkdir('/dir/sub', 0o1777);
  for (let i = 0; i < 100; i++) volume.create(`/dir/sub/small-${i}`, bytes(100 + i, i));
  volume.create('/dir/big', bytes(9 * MIB + 12_345, 1001), { mode: 0o640, uid: 1000, gid: 100 });
  // Not so much that a whole block falls out of use: gc would call it leaked.
  volume.write('/dir/big', 3 * MIB + 123, bytes(3 * MIB, 1002));
  volume.write('/dir/big', 100, bytes(10, 1003));
  volume.link('/dir/big', '/hard');
  volume.write('/hard', 9 * MIB, bytes(MIB, 1004));
  volume.symlink('../hard', '/dir/sym');
  volume.xattr('/dir/big', 'user.name', '\x00bin\xff');
  volume.xattr('/dir', 'user.empty', '');
  volume.xattr('/dir', 'user.gone', 'x');
  volume.xattr('/dir', 'user.gone', null);
  volume.create('/sparse');
  volume.write('/sparse', 2 ** 26 + 65_536, bytes(4464, 1005));
  volume.truncate('/sparse', 2 ** 26 + 200_000);
  volume.create('/holed', bytes(300_000, 1006));
  volume.punch('/holed', 50_000, 60_001);
  volume.truncate('/holed', 250_000);
  volume.truncate('/holed', 260_000);
  volume.create('/name %25 \xff\xfe\n', 'odd\n\0');
  volume.create('/n\xc3\xa4me', bytes(5, 1007));
  volume.create('/.config', 'an ordinary name to us');
  volume.unlink('/.config');
  volume.create('/empty');
  volume.mknod('/fifo', FileType.FIFO);
  volume.mknod('/chr', FileType.CHAR, 259);
  volume.create('/doomed', bytes(100_000, 1008));
  volume.unlink('/doomed');
  volume.unlink('/dir/sub/small-7');
  volume.mkdir('/gone');
  volume.rmdir('/gone');
  volume.mkdir('/moved-dir');
  volume.rename('/dir/sub/small-8', '/moved-dir/other name');
  volume.rename('/moved-dir', '/dir/moved-dir');
  volume.seal();
}

async function build(context: { dir: string; log: LogFixture }, toLsn = context.log.lsn): Promise<string> {
  const out = join(context.dir, 'image.db');
  const result = await buildIndex({
    base: null,
    setting: newSetting({ name: FAMILY, uuid: '6b1b0a2e-0000-4000-8000-000000000001' }),
    logDirectory: join(context.dir, 'log'),
    fromLsn: 0,
    toLsn,
    out,
    meta: { volume: 'v', seq: '1' },
  });
  const image = readFileSync(out);
  assert.is(result.bytes, image.length);
  assert.is(result.sha256, createHash('sha256').update(image).digest('hex'));
  return out;
}

async function exported(dir: string, image: string, bucket: string, name = 'export.db'): Promise<string> {
  const out = join(dir, name);
  const ids = { firstId: 9 * 2 ** 26, endId: 10 * 2 ** 26 };
  await exportIndex({ image: readFileSync(image), out, ids, place: juicefsPlace(`file://${bucket}`, FAMILY) });
  return out;
}

test('builds an image whose content is the log', async (context) => {
  fill(context.volume);
  const image = await build(context);
  assert.is(await imageManifest(readFileSync(image), context.bucket), context.volume.manifest());
});

test('exports a plain file with guarded references and a range of its own, once', async (context) => {
  fill(context.volume);
  const image = await build(context);
  const out = await exported(context.dir, image, context.bucket);
  const sql = await loadSqlJs();
  const [before, after] = [new sql.Database(readFileSync(image)), new sql.Database(readFileSync(out))];
  assert.equal([...readFileSync(out).subarray(18, 20)], [1, 1]);
  assert.equal(
    all(after, 'SELECT chunkid, refs FROM jfs_chunk_ref'),
    all(before, 'SELECT chunkid, refs + 1 FROM jfs_chunk_ref'),
  );
  const counters = all(after, "SELECT value FROM jfs_counter WHERE name IN ('nextInode', 'nextChunk')");
  assert.equal(counters, [[9 * 2 ** 26], [9 * 2 ** 26]]);
  const setting = JSON.parse(String(all(after, 'SELECT value FROM jfs_setting')[0]?.[0])) as Record<string, unknown>;
  assert.is(setting['Bucket'], `${context.bucket}/`);
  assert.is(setting['Name'], FAMILY);
  const content = readFileSync(out);
  try {
    await exported(context.dir, image, context.bucket);
    assert.unreachable('it was overwritten');
  } catch (error) {
    assert.is((error as { kind?: string }).kind, 'exists');
  }
  writeFileSync(join(context.dir, 'other.db-wal'), 'stale');
  try {
    await exported(context.dir, image, context.bucket, 'other.db');
    assert.unreachable('a stale log would be replayed');
  } catch (error) {
    assert.is((error as { kind?: string }).kind, 'exists');
  }
  assert.equal(readFileSync(out), content);
  assert.equal(
    readdirSync(context.dir).filter((name) => name.endsWith('.new')),
    [],
  );
});

test('names the place of the objects as juicefs does', () => {
  const place = (url: string, options = {}) => Object.values(juicefsPlace(url, 'fam', options));
  assert.equal(place('file:///data/bucket'), ['file', '/data/bucket/', 'fam']);
  assert.equal(place('file:///data/b%20c/'), ['file', '/data/b c/', 'fam']);
  const aws = 'https://b.s3.eu-west-1.amazonaws.com';
  assert.equal(place('s3://b/pre/fix', { region: 'eu-west-1' }), ['s3', aws, 'pre/fix/fam']);
  assert.equal(place('s3://b', { endpoint: 'http://127.0.0.1:9000/' }), ['s3', 'http://127.0.0.1:9000/b', 'fam']);
  assert.equal(place('gs://b/p'), ['gs', 'gs://b', 'p/fam']);
  assert.equal(place('wasb://c@account/p'), ['wasb', 'https://c.core.windows.net', 'p/fam']);
  assert.throws(() => place('memory:x'), /no storage/);
});

const noJuicefs = whyNoJuicefs();
const withJuicefs = noJuicefs === undefined ? test : test.skip;

withJuicefs('shows juicefs what the log said, and nothing that it finds wrong', async (context) => {
  fill(context.volume);
  const out = await exported(context.dir, await build(context), context.bucket);
  const checked = await checkWithJuicefs({ index: out, bucket: context.bucket, mountPoint: join(context.dir, 'mnt') });
  assert.ok(checked.good, checked.log);
  assert.is(checked.manifest, context.volume.manifest());
});

/** Every object of the bucket with its content's hash. */
function objects(folder: string): Map<string, string> {
  return new Map(
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((path) => path.includes('chunks/') && statSync(join(folder, path)).isFile())
      .map((path) => [
        path,
        createHash('sha256')
          .update(readFileSync(join(folder, path)))
          .digest('hex'),
      ]),
  );
}

withJuicefs('keeps every block when juicefs writes, compacts and deletes in an export', async (context) => {
  fill(context.volume);
  const image = await build(context);
  const out = await exported(context.dir, image, context.bucket);
  const before = objects(context.bucket);
  const mountPoint = join(context.dir, 'rw');
  mkdirSync(mountPoint);
  const url = `sqlite3://${out}?_journal=DELETE`;
  const log = join(context.dir, 'juicefs.log');
  const mounted = await juicefs(['mount', url, mountPoint, ...QUIET_MOUNT, '--log', log]);
  assert.is(mounted.code, 0, mounted.stderr);
  try {
    readFileSync(join(mountPoint, 'dir/big'));
    await writeFile(join(mountPoint, 'dir/sub/small-1'), 'rewritten');
    await writeFile(join(mountPoint, 'new'), bytes(2 * MIB, 7));
    await truncate(join(mountPoint, 'holed'), 10);
    const compacted = await juicefs(['compact', mountPoint]);
    assert.is(compacted.code, 0, compacted.stderr);
    await rm(join(mountPoint, 'sparse'));
    await rm(join(mountPoint, 'dir'), { recursive: true });
    await rm(join(mountPoint, 'hard'));
  } finally {
    const ended = await juicefs(['umount', mountPoint]);
    assert.is(ended.code, 0, ended.stderr);
  }
  const after = objects(context.bucket);
  for (const [path, hash] of before) assert.is(after.get(path), hash, path);
  assert.ok(after.size > before.size, 'juicefs wrote blocks of its own');
  assert.is(await imageManifest(readFileSync(image), context.bucket), context.volume.manifest());
});

test.run();
