import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { VersionTree, Volume, type ROVolume, type VolumeError } from '../../dist/index.js';
import { loadSqlJs } from '../../dist/meta/stores/sql.js';

const test = suite('what is stored is not what it should be');
let folder: string;
let version: ROVolume;
let caches = 0;

test.before.each(async () => {
  folder = mkdtempSync(join(tmpdir(), 'forkfs-test-'));
  process.env['XDG_STATE_HOME'] = join(folder, 'state');
  const volume = Volume.new({ name: 'demo', bucket: pathToFileURL(join(folder, 'bucket')).href });
  await volume.open({ cacheDir: join(folder, 'cache') });
  await volume.fs.writeFile('/small', 'small');
  await volume.fs.writeFile('/large', Buffer.alloc(9_000_000, 'large'));
  version = await volume.finalize();
});
test.after.each(() => rmSync(folder, { recursive: true, force: true }));

const recordPath = (): string => fileURLToPath(version.locator);
const readRecord = (): Record<string, unknown> =>
  JSON.parse(readFileSync(recordPath(), 'utf8')) as Record<string, unknown>;
const indexPath = (): string => join(folder, 'bucket', version.family, String(readRecord()['index']));

function changeRecord(fields: Record<string, unknown>): void {
  writeFileSync(recordPath(), JSON.stringify({ ...readRecord(), ...fields }));
}

/** Puts another index in the place of the version's, with its hash in the record. */
function replaceIndex(bytes: Uint8Array): void {
  writeFileSync(indexPath(), bytes);
  changeRecord({ index_sha256: createHash('sha256').update(bytes).digest('hex'), index_bytes: bytes.length });
}

/** Opens it the way a stranger would: from the locator, with an empty cache. */
async function refusal(): Promise<string> {
  try {
    await using stranger = await Volume.fromLocator(version.locator);
    await stranger.open({ cacheDir: join(folder, `cache-${++caches}`) });
  } catch (error) {
    assert.match((error as VolumeError).message, /./);
    return (error as VolumeError).kind;
  }
  return 'none';
}

test('an index that was changed, cut or lost', async () => {
  const good = readFileSync(indexPath());
  const changed = Buffer.from(good);
  changed[good.length >> 1]! ^= 1;
  writeFileSync(indexPath(), changed);
  assert.is(await refusal(), 'corrupt');
  writeFileSync(indexPath(), good);
  truncateSync(indexPath(), good.length - 4096);
  assert.is(await refusal(), 'corrupt');
  rmSync(indexPath());
  assert.is(await refusal(), 'not-found');
  writeFileSync(indexPath(), good);
  assert.is(await refusal(), 'none');
});

test('a record with a wrong hash, of a newer format, or of another kind', async () => {
  const good = readRecord();
  changeRecord({ index_sha256: '0'.repeat(64) });
  assert.is(await refusal(), 'corrupt');
  changeRecord({ ...good, format: 2 });
  assert.is(await refusal(), 'unsupported');
  changeRecord({ ...good, kind: 'flyte.volume/v2' });
  assert.is(await refusal(), 'unsupported');
  changeRecord({ ...good, kind: 'something' });
  assert.is(await refusal(), 'invalid');
  writeFileSync(recordPath(), JSON.stringify(good).slice(0, 200));
  assert.is(await refusal(), 'corrupt');
});

test('an index that is no database, or has triggers or views in it', async () => {
  const sql = await loadSqlJs();
  const good = readFileSync(indexPath());
  replaceIndex(Buffer.from('this is no database, but it has the right hash'));
  assert.is(await refusal(), 'corrupt');
  for (const statement of [
    'CREATE TRIGGER t AFTER INSERT ON jfs_node BEGIN DELETE FROM jfs_edge; END',
    'CREATE VIEW v AS SELECT * FROM jfs_node',
  ]) {
    const db = new sql.Database(good);
    db.run(statement);
    replaceIndex(db.export());
    db.close();
    assert.is(await refusal(), 'corrupt', statement);
    const tree = await VersionTree.open(version.locator).catch((error: VolumeError) => error.kind);
    assert.is(tree, 'corrupt', statement);
  }
});

test('a missing or damaged block is EIO of that file, and the rest works', async () => {
  const chunks = join(folder, 'bucket', version.family, 'chunks');
  const blocks = readdirSync(chunks, { recursive: true, encoding: 'utf8' })
    .map((name) => join(chunks, name))
    .filter((path) => statSync(path).isFile())
    .toSorted((a, b) => statSync(b).size - statSync(a).size);
  const damaged = readFileSync(blocks[0]!);
  damaged[100_000]! ^= 1;
  writeFileSync(blocks[0]!, damaged);
  rmSync(blocks[1]!);
  await using stranger = await Volume.fromLocator(version.locator);
  await stranger.open({ cacheDir: join(folder, `cache-${++caches}`) });
  const code = await stranger.fs.readFile('/large').then(
    () => 'none',
    (error: NodeJS.ErrnoException) => error.code,
  );
  assert.is(code, 'EIO');
  assert.is(await stranger.fs.readFile('/small', 'utf8'), 'small');
  const { log } = await stranger.status();
  assert.match(readFileSync(log!, 'utf8'), /chunks\/\d+\/\d+\/\d+_\d+_\d+/, 'the log names the block');
  using tree = await VersionTree.open(version.locator);
  const read = async (): Promise<void> => {
    for await (const piece of tree.read('/large')) assert.ok(piece.length > 0);
  };
  assert.is(await read().catch((error: NodeJS.ErrnoException) => error.code), 'EIO');
});

test.run();
