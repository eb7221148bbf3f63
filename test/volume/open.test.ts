import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { VersionTree, Volume, type RWVolume, type VolumeError } from '../../dist/index.js';

const test = suite('volumes without a mount');
let folder: string;
let bucket: string;

test.before.each(() => {
  folder = mkdtempSync(join(tmpdir(), 'forkfs-test-'));
  bucket = pathToFileURL(join(folder, 'bucket')).href;
  process.env['XDG_STATE_HOME'] = join(folder, 'state');
  process.env['XDG_CACHE_HOME'] = join(folder, 'cache');
});
test.after.each(() => rmSync(folder, { recursive: true, force: true }));

async function kindOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    return (error as VolumeError).kind ?? (error as NodeJS.ErrnoException).code;
  }
  return 'none';
}

async function text(locator: string, path: string): Promise<string> {
  using tree = await VersionTree.open(locator);
  const pieces: Uint8Array[] = [];
  for await (const piece of tree.read(path)) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

test('commits stay writable, finalize ends, and every version stays as it was', async () => {
  const volume = Volume.new({ name: 'demo', bucket });
  await volume.open();
  await volume.fs.writeFile('/f', 'one');
  const first = await volume.commit({ message: 'first' });
  assert.is(volume.version, 1);
  assert.ok(first.stats !== null && first.stats.objects > 0 && first.stats.bytes > 0);
  await volume.fs.writeFile('/f', 'two');
  const steps: string[] = [];
  const second = await volume.finalize({ message: 'second', onProgress: ({ step }) => steps.push(step) });
  assert.ok(steps.length > 0);
  assert.is(second.version, 2);
  assert.is(second.message, 'second');
  assert.is(await text(first.locator, '/f'), 'one');
  assert.is(await text(second.locator, '/f'), 'two');
  assert.is(await kindOf(volume.fs.readFile('/f')), 'state');
});

test('a stale handle goes on after the newest version', async () => {
  const volume = Volume.new({ name: 'demo', bucket });
  const stale = JSON.stringify(volume);
  await volume.open();
  await volume.fs.writeFile('/f', 'one');
  await volume.finalize();
  const again = Volume.fromJSON(stale) as RWVolume;
  await again.open();
  assert.is(await again.fs.readFile('/f', 'utf8'), 'one');
  assert.is((await again.finalize()).version, 2);
});

test('abandoned work stays, is seen, is resumed, and deleted only when told to', async () => {
  const volume = Volume.new({ name: 'demo', bucket });
  await volume.open();
  await volume.fs.writeFile('/f', 'staged');
  await volume.abandon();
  assert.is((await volume.status()).unpublished, true);
  const said = await volume.finalize().then(
    () => '',
    (error: Error) => error.message,
  );
  assert.match(said, /staged.*mount it first/);
  {
    await using again = Volume.fromJSON(volume.toJSON()) as RWVolume;
    await again.open();
    assert.is(await again.fs.readFile('/f', 'utf8'), 'staged');
  }
  assert.is((await volume.status()).unpublished, true, 'disposing keeps it');
  await volume.open();
  await volume.abandon({ delete: true });
  assert.is((await volume.status()).unpublished, false);
});

test('a version is read-only', async () => {
  const volume = Volume.new({ name: 'demo', bucket });
  await volume.open();
  await volume.fs.mkdir('/d');
  await volume.fs.writeFile('/f', 'text');
  await using version = await volume.finalize();
  await version.open();
  assert.equal((await version.fs.readdir('/')).toSorted(), ['d', 'f']);
  assert.is(await kindOf(version.fs.writeFile('/f', '')), 'EROFS');
  assert.is(await kindOf(version.fs.rmdir('/d')), 'EROFS');
  await version.fs.open('/f').then((file) => file.close());
  const changes = [
    version.fs.open('/f', 'r+'),
    version.fs.open('/new', 'w'),
    version.fs.truncate('/f', 1),
    version.fs.chmod('/f', 0o600),
    version.fs.rename('/f', '/g'),
    version.fs.symlink('f', '/s'),
    version.fs.link('/f', '/h'),
    version.fs.utimes('/f', 1, 1),
    version.fs.unlink('/f'),
    version.fs.mkdir('/e'),
  ];
  for (const change of changes) assert.is(await kindOf(change), 'EROFS');
});

test('a volume opened read-only cannot publish', async () => {
  const volume = Volume.new({ name: 'demo', bucket });
  await volume.open();
  await volume.commit();
  await volume.abandon({ delete: true });
  await volume.open({ readOnly: true });
  assert.is(await kindOf(volume.commit()), 'state');
  assert.is(await kindOf(volume.fs.writeFile('/f', '')), 'EROFS');
  await volume.abandon();
});

test('a fork from the live state is its base, and both go on', async () => {
  const volume = Volume.new({ name: 'demo', bucket });
  await volume.open();
  await volume.fs.writeFile('/f', 'live');
  const snapshot = await volume.fork('snapshot', { as: 'ro' });
  const fork = await volume.fork('branch');
  await volume.fs.writeFile('/f', 'later');
  assert.is(await text(snapshot.locator, '/f'), 'live');
  await fork.open();
  assert.is(await fork.fs.readFile('/f', 'utf8'), 'live');
  await fork.fs.appendFile('/f', ' and forked');
  const forked = await fork.finalize();
  const own = await volume.finalize();
  assert.is(await text(forked.locator, '/f'), 'live and forked');
  assert.is(await text(own.locator, '/f'), 'later');
  assert.is(own.version, 1, 'forks are no versions of the volume');
  assert.is(await kindOf(own.fork('branch')), 'exists');
});

test('one session for one handle, and one writer for one volume on a machine', async () => {
  const volume = Volume.new({ name: 'demo', bucket });
  const opening = volume.open();
  assert.is(await kindOf(volume.open()), 'busy');
  await opening;
  assert.is(await kindOf(volume.open()), 'busy');
  assert.is(await kindOf((Volume.fromJSON(volume.toJSON()) as RWVolume).open()), 'busy');
  await volume.abandon({ delete: true });
});

test('an empty volume refuses a prefix that holds something', async () => {
  const first = Volume.empty({ name: 'mine', bucket });
  await first.open();
  await first.finalize();
  const other = Volume.empty({ name: 'other', bucket });
  assert.is(other.family, 'other');
  mkdirSync(join(folder, 'bucket', 'other'), { recursive: true });
  writeFileSync(join(folder, 'bucket', 'other', 'something'), 'of somebody');
  assert.is(await kindOf(other.open()), 'exists');
  assert.equal(readdirSync(join(folder, 'bucket', 'other')), ['something']);
});

test('a bucket that is a file, and a metadata folder that is one', async () => {
  writeFileSync(join(folder, 'bucket'), '');
  const volume = Volume.new({ name: 'demo', bucket });
  assert.ok(['denied', 'invalid'].includes(await kindOf(volume.open())));
  assert.ok(
    ['denied', 'invalid'].includes(await kindOf(Volume.fromLocator(`${bucket}/f/versions/demo/1/volume.json`))),
  );
  const elsewhere = Volume.new({ name: 'demo', bucket: pathToFileURL(join(folder, 'b2')).href });
  assert.is(await kindOf(elsewhere.open({ metaDir: join(folder, 'bucket') })), 'invalid');
});

test.run();
