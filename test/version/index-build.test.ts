import { mkdtempSync, openSync, readFileSync, readSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

import { VolumeError } from '../../dist/base/errors.js';
import { RecordKind } from '../../dist/chunk/log-format.js';
import { newSetting } from '../../dist/meta/stores/setting.js';
import { loadSqlJs } from '../../dist/meta/stores/sql.js';
import { validateImage } from '../../dist/meta/stores/validate.js';
import { type BuildResult, type BuildTask, buildIndex, checkIndexFile } from '../../dist/version/index-builder.js';
import { all } from '../meta/sqlite-helpers.ts';
import { imageManifest } from './image-manifest.ts';
import { LogFixture } from './log-fixture.ts';
import { SyntheticVolume } from './synthetic-volume.ts';

interface Context {
  dir: string;
  bucket: string;
  log: LogFixture;
  volume: SyntheticVolume;
}

const FAMILY = 'fam-x7';
const test = suite<Context>('index build');

test.before.each((context) => {
  context.dir = mkdtempSync(join(tmpdir(), 'forkfs-build-'));
  context.bucket = join(context.dir, 'bucket');
  context.log = new LogFixture(join(context.dir, 'log'));
  context.volume = new SyntheticVolume({ ...context, family: FAMILY, firstId: 3 * 2 ** 26 });
});

test.after.each(({ dir, log }) => {
  log.close();
  rmSync(dir, { recursive: true, force: true });
});

function build({ dir, log }: Context, task: Partial<BuildTask> = {}): Promise<BuildResult> {
  return buildIndex({
    base: null,
    setting: newSetting({ name: FAMILY, uuid: '6b1b0a2e-0000-4000-8000-000000000001' }),
    logDirectory: join(dir, 'log'),
    fromLsn: 0,
    toLsn: log.lsn,
    out: join(dir, 'image.db'),
    meta: {},
    ...task,
  });
}

async function rejects(promise: Promise<unknown>, kind: string): Promise<void> {
  let said: unknown;
  await promise.catch((error: unknown) => (said = error));
  assert.ok(said instanceof VolumeError, String(said));
  assert.is(said.kind, kind);
}

test('goes on from the image of the version before', async (context) => {
  const { volume, log, dir, bucket } = context;
  volume.mkdir('/a');
  volume.create('/a/one', Buffer.alloc(200_000, 1));
  volume.create('/a/two', 'two');
  volume.seal();
  const first = join(dir, 'first.db');
  const middle = log.lsn;
  await build(context, { out: first, meta: { seq: '1', volume: 'v' } });
  volume.write('/a/one', 100_000, Buffer.alloc(1000, 2));
  volume.punch('/a/one', 5000, 300);
  volume.rename('/a/two', '/b');
  volume.create('/c', 'three');
  volume.seal();
  const second = join(dir, 'second.db');
  const result = await build(context, { base: first, fromLsn: middle, out: second, meta: { seq: '2' } });
  const image = readFileSync(second);
  assert.is(await imageManifest(image, bucket), volume.manifest());
  const sql = await loadSqlJs();
  const { meta } = validateImage(sql, image);
  assert.equal(meta, { format: '1', seq: '2', volume: 'v' });
  assert.is(result.inodes, 4);
  assert.is(result.slices, 2);
  assert.equal(result.packs, []);
});

test('leaves out what comes after the version, but not the uploads', async (context) => {
  const { volume, log, dir, bucket } = context;
  volume.create('/a', 'before');
  volume.seal({ upload: false });
  const toLsn = log.lsn;
  const manifest = volume.manifest();
  volume.create('/b', 'after');
  const [pack] = [3 * 2 ** 26 + 1];
  log.uploaded(pack, 6, [77]);
  volume.create('/c', 'after');
  volume.seal();
  const { packs } = await build(context, { toLsn });
  const image = readFileSync(join(dir, 'image.db'));
  const sql = await loadSqlJs();
  assert.is(await imageManifest(image, bucket), manifest);
  assert.equal(packs, []);
  assert.equal(all(new sql.Database(image), 'SELECT chunkid, hex(crcs) FROM vol_granule'), [[pack, '4D000000']]);
});

test('believes the caller about uploads that the log does not tell of yet', async (context) => {
  const { volume, dir } = context;
  volume.create('/a', 'before');
  volume.seal({ upload: false });
  const before = await build(context);
  assert.equal(
    before.packs.map(({ id, sizeBytes }) => [id, sizeBytes]),
    [[3 * 2 ** 26 + 1, 6]],
  );
  const uploaded = [
    { id: 3 * 2 ** 26 + 1, sizeBytes: 6, crcs: new Uint32Array([5]) },
    { id: 999, sizeBytes: 6, crcs: new Uint32Array([5]) },
  ];
  const after = await build(context, { uploaded });
  assert.equal(after.packs, []);
  const sql = await loadSqlJs();
  const image = new sql.Database(readFileSync(join(dir, 'image.db')));
  assert.equal(all(image, 'SELECT chunkid FROM vol_granule'), [[3 * 2 ** 26 + 1]]);
});

test('resumes with everything the log has, and says which packs are not uploaded and where they are', async (context) => {
  const { volume, log, dir } = context;
  volume.create('/a', 'uploaded');
  volume.seal();
  const commit = { format: 1, locator: 'file:///x', seq: 1, writer: 'w', lsn: log.lsn };
  log.json(RecordKind.COMMIT, commit);
  volume.create('/b', 'sealed, ');
  volume.write('/b', 8, Buffer.from('in two pieces'));
  volume.seal({ upload: false });
  volume.create('/c', 'still open');
  const result = await build(context, { toLsn: Infinity });
  assert.is(result.endLsn, log.lsn);
  assert.is(result.tag, 0x1234abcd);
  assert.equal(result.lastCommit, commit);
  assert.is(result.sessions.length, 1);
  assert.is(result.sessions[0]?.firstId, 3 * 2 ** 26);
  const fd = openSync(join(dir, 'log', '0000000000000000.seg'), 'r');
  const texts = result.packs.map(({ lsns, lens, sizeBytes }) => {
    const pieces = Array.from(lsns, (lsn, i) => {
      const piece = Buffer.alloc(lens[i] ?? 0);
      readSync(fd, piece, 0, piece.length, lsn);
      return piece.toString();
    });
    assert.is(pieces.join('').length, sizeBytes);
    return pieces;
  });
  assert.equal(texts, [['sealed, ', 'in two pieces'], ['still open']]);
  const sql = await loadSqlJs();
  const db = new sql.Database(readFileSync(join(dir, 'image.db')));
  const sizes = all(db, 'SELECT size, refs FROM jfs_chunk_ref ORDER BY chunkid');
  assert.equal(sizes, [[8, 1], [21, 1], [10, 1]]); // prettier-ignore
});

test('stops at the first bad record when it resumes, and refuses to publish less than it was asked for', async (context) => {
  const { volume, log, dir, bucket } = context;
  volume.create('/a', 'good');
  volume.seal();
  const [good, manifest] = [log.lsn, volume.manifest()];
  volume.create('/b', 'torn');
  volume.seal();
  const path = join(dir, 'log', '0000000000000000.seg');
  const segment = readFileSync(path);
  segment.fill(0xff, good + 40, good + 44);
  writeFileSync(path, segment);
  await rejects(build(context), 'corrupt');
  assert.not.ok(readdirSync(dir).some((name) => name.startsWith('image.db')));
  const result = await build(context, { toLsn: Infinity });
  assert.is(result.endLsn, good);
  assert.is(await imageManifest(readFileSync(join(dir, 'image.db')), bucket), manifest);
});

test('refuses a log that does not make sense', async (context) => {
  const { log } = context;
  const piece = { ino: 1, indx: 0, pos: 0, pack: 50, off: 4, len: 3, length: 3, sec: 0, nsec: 0 };
  log.write(piece, Buffer.from('abc'));
  log.seal(50, 7);
  await rejects(build(context), 'corrupt');
});

test('checks an image file from outside', async (context) => {
  const { dir } = context;
  await build(context, { meta: { volume: 'v' } });
  const path = join(dir, 'image.db');
  const { setting, meta } = await checkIndexFile(path);
  assert.is(setting.name, FAMILY);
  assert.is(meta['volume'], 'v');
  writeFileSync(path, readFileSync(path).subarray(0, 8192));
  await rejects(checkIndexFile(path), 'corrupt');
  await rejects(checkIndexFile(join(dir, 'nothing')), 'not-found');
});

test('refuses a base that is damaged or not there', async (context) => {
  const { volume, dir } = context;
  volume.create('/a', 'a');
  volume.seal();
  const base = join(dir, 'base.db');
  await build(context, { out: base });
  await rejects(build(context, { base: join(dir, 'nothing.db') }), 'not-found');
  writeFileSync(base, readFileSync(base).fill(0xee, 4096));
  await rejects(build(context, { base }), 'corrupt');
  writeFileSync(base, 'no database at all, but some text');
  await rejects(build(context, { base }), 'corrupt');
});

test('refuses a log with records of a newer kind', async (context) => {
  context.log.json(99, {});
  await rejects(build(context), 'unsupported');
});

test('ends when it is told to', async (context) => {
  const controller = new AbortController();
  const task = { base: null, setting: newSetting({ name: 'f', uuid: 'u' }), logDirectory: join(context.dir, 'log') };
  const out = join(context.dir, 'image.db');
  const built = buildIndex(
    { ...task, fromLsn: 0, toLsn: context.log.lsn, out, meta: {} },
    { signal: controller.signal },
  );
  controller.abort(new VolumeError('timeout', 'enough'));
  await rejects(built, 'timeout');
});

test.run();
