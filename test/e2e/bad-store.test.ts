/** Stored data that is not what was written: nobody ever sees wrong bytes, and what is whole goes on working. */
// needs: mount
import { createHash, randomBytes } from 'node:crypto';
import { cpSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import initSqlJs from 'sql.js';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Volume, type ROVolume, type VolumeErrorKind } from '../../dist/index.js';
import { cannotMount, cliFails, rejects } from './failures.ts';
import { cli, Workspace } from './support.ts';

const work = new Workspace();
const bad = suite('a store that is damaged');
bad.after(() => work.cleanUp());

const bodies = { whole: randomBytes(5_000_000), hurt: randomBytes(5_000_000), small: Buffer.from('small') };
let good: ROVolume;
let copies = 0;

bad.before(async () => {
  const volume = work.volume('good');
  const path = await volume.mount({ mountPath: work.fresh() });
  for (const [name, body] of Object.entries(bodies)) writeFileSync(join(path, name), body);
  good = await volume.finalize();
});

type Json = Record<string, unknown>;

/** A copy of the bucket to damage. */
class Copy {
  readonly bucket = work.path(`copy-${++copies}`);
  readonly locator = good.locator.replace(work.path('bucket'), this.bucket);
  readonly recordPath = new URL(this.locator).pathname;

  constructor() {
    cpSync(work.path('bucket'), this.bucket, { recursive: true });
  }

  get record(): Json {
    return JSON.parse(readFileSync(this.recordPath, 'utf8')) as Json;
  }

  get indexPath(): string {
    return join(this.bucket, good.family, String(this.record['index']));
  }

  setRecord(change: Json): void {
    writeFileSync(this.recordPath, JSON.stringify({ ...this.record, ...change }));
  }

  /** Another index with a record that agrees with it. */
  putIndex(image: Uint8Array): void {
    writeFileSync(this.indexPath, image);
    const sha256 = createHash('sha256').update(image).digest('hex');
    this.setRecord({ index_sha256: sha256, index_bytes: image.length });
  }

  /** The file of a block that holds bytes of `hurt` alone. */
  get block(): string {
    const chunks = join(this.bucket, good.family, 'chunks');
    const found = work
      .blocks(good.family)
      .map((key) => join(chunks, key))
      .find((path) => readFileSync(path).includes(bodies.hurt.subarray(3_000_000, 3_000_064)));
    assert.ok(found, 'a block holds the file');
    return found;
  }
}

/** Nothing that uses the version's index works: a mount, a fork that is mounted, commands without a mount. */
async function isRefused(copy: Copy, kind: VolumeErrorKind, message: RegExp): Promise<void> {
  const version = await Volume.fromLocator(copy.locator);
  // The cache knows the index of the hash that is right.
  const cacheDir = work.path(`cache-${copies}`);
  await cannotMount(work, version, { kind, message }, { cacheDir, mountPath: work.fresh() });
  await cannotMount(work, await version.fork('fork'), { kind, message }, { mountPath: work.fresh() });
  cliFails(['ls', copy.locator], 1, message);
}

bad('an index that is truncated, changed or gone is refused before anything is mounted', async () => {
  const short = new Copy();
  truncateSync(short.indexPath, readFileSync(short.indexPath).length - 4096);
  await isRefused(short, 'corrupt', /index of .* has the SHA-256/);

  const flipped = new Copy();
  const image = readFileSync(flipped.indexPath);
  image[image.length >> 1]! ^= 1;
  writeFileSync(flipped.indexPath, image);
  await isRefused(flipped, 'corrupt', /index of .* has the SHA-256/);

  const gone = new Copy();
  rmSync(gone.indexPath);
  await isRefused(gone, 'not-found', /index of .* is missing/);
});

bad('an index that agrees with its hash but is no index of ours is refused', async () => {
  const garbage = new Copy();
  garbage.putIndex(randomBytes(8192));
  await isRefused(garbage, 'corrupt', /index .*not a SQLite file/);

  const cut = new Copy();
  const image = readFileSync(cut.indexPath);
  cut.putIndex(image.subarray(0, image.length - 4096));
  await isRefused(cut, 'corrupt', /index .*truncated/);
});

bad('an index with triggers or views is refused, so that nothing of its author runs', async () => {
  const sql = await initSqlJs();
  for (const [what, statement] of [
    ['trigger', 'CREATE TRIGGER t AFTER UPDATE ON jfs_node BEGIN DELETE FROM jfs_edge; END'],
    ['view', 'CREATE VIEW v AS SELECT * FROM jfs_node'],
  ] as const) {
    const copy = new Copy();
    const db = new sql.Database(readFileSync(copy.indexPath));
    db.run(statement);
    copy.putIndex(db.export());
    db.close();
    await isRefused(copy, 'corrupt', new RegExp(`index .*${what}`));
  }
});

bad('a volume.json with a wrong hash, of a newer format or of another kind is refused', async () => {
  const wrong = new Copy();
  wrong.setRecord({ index_sha256: '0'.repeat(64) });
  await isRefused(wrong, 'corrupt', /has the SHA-256/);

  const cases: [Json, VolumeErrorKind, RegExp][] = [
    [{ format: 99 }, 'unsupported', /format 99 needs a newer forkfs/],
    [{ kind: 'flyte.volume/v2' }, 'unsupported', /needs a newer forkfs/],
    [{ kind: 'recipe' }, 'invalid', /kind is "recipe"/],
    [{ index: '../../../etc/passwd' }, 'corrupt', /index/],
    [{ index_sha256: 'abc' }, 'corrupt', /index_sha256/],
    [{ version: 7 }, 'corrupt', /version 7/],
    [{ block_bytes: 12345 }, 'corrupt', /block_bytes/],
  ];
  for (const [change, kind, message] of cases) {
    const copy = new Copy();
    copy.setRecord(change);
    await rejects(() => Volume.fromLocator(copy.locator), kind, message, JSON.stringify(change));
    if (copies % 3 === 0) cliFails(['mount', copy.locator, work.fresh()], 1, message);
  }
  const cut = new Copy();
  truncateSync(cut.recordPath, 100);
  await rejects(() => Volume.fromLocator(cut.locator), 'corrupt', /JSON/);
  cliFails(['log', cut.locator], 1, /JSON/);
});

/** Mounts the version and looks what can be read; answers what the daemon logged. */
async function readsTheRest(copy: Copy, options: { cacheSize?: string } = {}): Promise<string> {
  const version = await Volume.fromLocator(copy.locator);
  const cacheDir = work.path(`cache-${copies}`);
  const path = await version.mount({ mountPath: work.fresh(), ...(options.cacheSize ? { cacheDir, ...options } : {}) });
  try {
    for (const [name, body] of Object.entries(bodies)) {
      if (name === 'hurt') assert.throws(() => readFileSync(join(path, name)), /EIO/, name);
      else assert.ok(readFileSync(join(path, name)).equals(body), name);
    }
    // Again: it is not forgotten, and not believed the second time.
    assert.throws(() => readFileSync(join(path, 'hurt')), /EIO/);
    return readFileSync((await version.status()).log!, 'utf8');
  } finally {
    await version.unmount();
  }
}

for (const [options, how] of [
  [{}, 'read in place'],
  [{ cacheSize: '100M' }, 'through the cache'],
] as const) {
  bad(`a block that is missing is EIO on that read, named in the log, ${how}; the rest works`, async () => {
    const copy = new Copy();
    const block = copy.block;
    rmSync(block);
    const log = await readsTheRest(copy, options);
    assert.match(log, block.slice(block.indexOf('/chunks/') + 1));
  });

  bad(`a flipped bit or a cut in a block is EIO, never wrong bytes, ${how}`, async () => {
    const flipped = new Copy();
    const block = flipped.block;
    const bytes = readFileSync(block);
    bytes[bytes.length - 1]! ^= 0x80;
    writeFileSync(block, bytes);
    assert.match(await readsTheRest(flipped, options), block.slice(block.indexOf('/chunks/') + 1));

    const cut = new Copy();
    truncateSync(cut.block, 1_000_000);
    await readsTheRest(cut, options);
  });
}

bad('reads without a mount refuse a damaged block, too', async () => {
  const copy = new Copy();
  const block = copy.block;
  const bytes = readFileSync(block);
  bytes[10]! ^= 1;
  writeFileSync(block, bytes);
  const version = await Volume.fromLocator(copy.locator);
  await version.open();
  try {
    await version.fs.readFile('hurt');
    assert.unreachable('wrong bytes');
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException;
    assert.equal([code, syscall], ['EIO', 'read'], String(error));
  }
  assert.ok((await version.fs.readFile('whole')).equals(bodies.whole));
  await version.unmount();
  const { code, stdout, stderr } = cli('cat', copy.locator, '/hurt');
  assert.is(code, 1);
  assert.ok(stdout.length < bodies.hurt.length, 'what came before is all that is shown');
  assert.match(stderr, /^forkfs: EIO.*checksum.*\n$/);
});

bad('a writer keeps the rest of a volume whose block is gone', async () => {
  const copy = new Copy();
  rmSync(copy.block);
  const fork = await (await Volume.fromLocator(copy.locator)).fork('repaired');
  const path = await fork.mount({ mountPath: work.fresh() });
  assert.throws(() => readFileSync(join(path, 'hurt')), /EIO/);
  writeFileSync(join(path, 'hurt'), bodies.hurt);
  const version = await fork.finalize();
  const at = await version.mount({ mountPath: work.fresh() });
  for (const [name, body] of Object.entries(bodies)) assert.ok(readFileSync(join(at, name)).equals(body), name);
  await version.unmount();
});

bad('locators of nothing and locators that are none are told apart', async () => {
  const nowhere = [
    good.locator.replace('/1/volume.json', '/2/volume.json'),
    good.locator.replace('/versions/good/', '/versions/other/'),
    good.locator.replace(good.family, 'no-family'),
    `file://${work.path('no-bucket')}/f/versions/v/1/volume.json`,
  ];
  for (const locator of nowhere)
    await rejects(() => Volume.fromLocator(locator), 'not-found', /volume\.json|bucket/, locator);
  cliFails(['mount', nowhere[0]!, work.fresh()], 1, /there is no version at/);
  for (const garbage of [
    '',
    'garbage',
    'file:///',
    good.locator.slice(0, -5),
    `${good.locator}/x`,
    'a/versions/b/1/volume.json',
  ]) {
    await rejects(() => Volume.fromLocator(garbage), 'invalid', /locator|bucket/, garbage);
  }
  for (const garbage of [
    good.locator.replace('/1/', '/0/'),
    good.locator.replace('/1/', '/-1/'),
    good.locator.replace('/versions/good/', '/versions/../'),
    's3://user:secret@bucket/f/versions/v/1/volume.json',
  ]) {
    await rejects(() => Volume.fromLocator(garbage), 'invalid', /^(?!.*secret)/, garbage);
  }
  cliFails(['ls', 'garbage'], 2, /not the locator of a version/);
  cliFails(['mount', 'file:///garbage', work.fresh()], 1, /not the locator of a version/);
});

bad.run();
