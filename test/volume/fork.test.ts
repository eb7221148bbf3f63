import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { VolumeError } from '../../dist/base/errors.js';
import { lineage, type LineageEntry } from '../../dist/volume/lineage.js';
import { VersionTree } from '../../dist/volume/version-tree.js';
import { ROVolume, RWVolume, Volume } from '../../dist/volume/volume.js';
import { cli } from '../cli/terminal.ts';
import { Bucket } from './published.ts';

const test = suite('versions and forks without a mount');
let bucket: Bucket;

test.before.each(() => {
  bucket = new Bucket();
});
test.after.each(() => bucket.remove());

async function kindOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    assert.instance(error, VolumeError);
    return (error as VolumeError).kind;
  }
  return 'none';
}

async function ancestors(locator: string): Promise<LineageEntry[]> {
  const entries: LineageEntry[] = [];
  for await (const entry of lineage(locator)) entries.push(entry);
  return entries;
}

function objects(): number {
  const all = readdirSync(join(bucket.folder, 'bucket'), { recursive: true, withFileTypes: true });
  return all.filter((entry) => entry.isFile()).length;
}

test('a locator alone gives the version', async () => {
  const record = await bucket.publish({ family: 'demo-x', volume: 'demo', message: 'hello' });
  const version = await Volume.fromLocator(record.locator);
  assert.instance(version, ROVolume);
  assert.is(version.locator, record.locator);
  assert.is(version.message, 'hello');
  assert.is(version.family, 'demo-x');
  assert.is(version.version, 1);
  assert.equal(Volume.fromJSON(JSON.stringify(version)).toJSON(), version.toJSON());
});

test('a locator of nothing, and what is no locator', async () => {
  await bucket.publish({ family: 'demo-x', volume: 'demo' });
  assert.is(await kindOf(Volume.fromLocator(`${bucket.url}/demo-x/versions/demo/7/volume.json`)), 'not-found');
  assert.is(await kindOf(Volume.fromLocator(`${bucket.url}/demo-x/versions/../1/volume.json`)), 'invalid');
  assert.is(await kindOf(Volume.fromLocator('hello')), 'invalid');
});

test('a fork is one small object, and goes on for itself', async () => {
  const record = await bucket.publish({ family: 'demo-x', volume: 'demo' });
  const version = await Volume.fromLocator(record.locator);
  const before = objects();
  const fork = await version.fork('branch');
  assert.is(objects(), before + 1);
  assert.instance(fork, RWVolume);
  assert.is(fork.name, 'branch');
  assert.is(fork.family, 'demo-x');
  assert.is(fork.version, 1);
  const published = await Volume.fromLocator(fork.locator!);
  assert.is(published.toJSON().index_bytes, version.toJSON().index_bytes);
  assert.is(await kindOf(version.fork('branch')), 'exists');
  assert.is(await kindOf(version.fork('demo')), 'exists');
  assert.is(await kindOf(version.fork('a/b')), 'invalid');
});

test('an unmounted volume forks its newest version', async () => {
  const volume = Volume.new({ name: 'demo', bucket: bucket.url });
  assert.is(await kindOf(volume.fork('early')), 'state');
  const first = await bucket.publish({ family: volume.family, volume: 'demo' });
  await bucket.publish({ family: volume.family, volume: 'demo', parent: first, message: 'second' });
  const fork = await volume.fork('branch', { as: 'ro' });
  assert.instance(fork, ROVolume);
  const [own, parent] = await ancestors(fork.locator);
  assert.is(own?.volume, 'branch');
  assert.is(parent?.message, 'second');
  assert.is(await kindOf(volume.fork('other', { as: 'wo' as never })), 'invalid');
});

test('the lineage goes through forks to the first version', async () => {
  const first = await bucket.publish({ family: 'demo-x', volume: 'demo' });
  const second = await bucket.publish({ family: 'demo-x', volume: 'demo', parent: first });
  const fork = await (await Volume.fromLocator(second.locator)).fork('one');
  const again = await (await Volume.fromLocator(fork.locator!)).fork('two');
  const entries = await ancestors(again.locator!);
  assert.equal(
    entries.map((entry) => `${entry.volume} ${entry.version}`),
    ['two 1', 'one 1', 'demo 2', 'demo 1'],
  );
  assert.is(entries[0]?.parent, fork.locator);
  assert.is(entries.at(-1)?.parent, null);
});

test('calls that need a mount say so', async () => {
  const volume = Volume.new({ name: 'demo', bucket: bucket.url });
  assert.is(await kindOf(volume.commit()), 'state');
  assert.is(await kindOf(volume.finalize()), 'state');
  assert.is(await kindOf(volume.abandon()), 'state');
  assert.is(await kindOf(volume.fs.readFile('/x')), 'state');
  assert.is(volume.mountPath, null);
  const status = await volume.status();
  assert.is(status.pid, null);
  assert.is(status.unpublished, false);
});

test('what cannot be mounted is refused before anything is started', async () => {
  const volume = Volume.new({ name: 'demo', bucket: bucket.url });
  const folder = bucket.folder;
  const options = { metaDir: join(folder, 'meta'), cacheDir: join(folder, 'cache') };
  mkdirSync(join(folder, 'full', 'folder'), { recursive: true });
  assert.is(
    await kindOf(volume.mount({ ...options, mountPath: folder })),
    'busy',
    'the bucket or meta folder is in it',
  );
  assert.is(
    await kindOf(volume.mount({ ...options, mountPath: join(folder, 'm'), cacheDir: join(folder, 'm/c') })),
    'invalid',
  );
  assert.is(await kindOf(volume.mount({ ...options, mountPath: join(folder, 'm'), readOnly: true })), 'state');
  assert.is(
    await kindOf(volume.mount({ ...options, mountPath: join(folder, 'm'), colour: 'red' } as never)),
    'invalid',
  );
  assert.not.ok(readdirSync(folder).includes('m'));
});

test('lists and shows a version without a mount', async () => {
  const { locator } = await bucket.publish({ family: 'demo-x', volume: 'demo' });
  using tree = await VersionTree.open(locator);
  assert.equal(tree.list('/'), []);
  assert.is(tree.stat('/').type, 'directory');
  assert.throws(
    () => tree.stat('/nothing'),
    (error: { code: string }) => error.code === 'ENOENT',
  );
  assert.equal(JSON.parse((await cli('ls', locator, '--json')).out), []);
  assert.is(JSON.parse((await cli('stat', locator, '/', '--json')).out).type, 'directory');
  const log = JSON.parse((await cli('log', locator, '--json')).out) as { volume: string }[];
  assert.equal(
    log.map((entry) => entry.volume),
    ['demo'],
  );
});

test('the command line forks, and prints the handle', async () => {
  const { locator } = await bucket.publish({ family: 'demo-x', volume: 'demo' });
  const writable = await cli('fork', locator, 'branch');
  assert.is(writable.code, 0, writable.err);
  assert.instance(Volume.fromJSON(writable.out), RWVolume);
  const version = await cli('fork', locator, 'snapshot', '--as', 'ro');
  assert.instance(Volume.fromJSON(version.out), ROVolume);
  assert.is((await cli('fork', locator, 'branch')).code, 1);
});

test.run();
