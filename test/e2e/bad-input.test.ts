/** What people give that is wrong: each is refused early, with a typed error, and nothing is left behind. */
// needs: mount
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Volume, type MountOptions, type RWVolume } from '../../dist/index.js';
import { cannotMount, cliFails, leavesNothing, rejects } from './failures.ts';
import { cli, isMounted, until, Workspace } from './support.ts';

const work = new Workspace();
const bad = suite('bad input');
const isRoot = process.getuid?.() === 0;

bad.after(() => work.cleanUp());

/** A file with the handle of a volume that has no version. */
function handleFile(change: Record<string, unknown> = {}): string {
  const path = work.fresh('handle');
  writeFileSync(path, JSON.stringify({ ...work.volume('handle').toJSON(), ...change }));
  return path;
}

bad('names with a slash, dots, or anything else that is no name', async () => {
  for (const name of ['a/b', '..', '.', '../x', '', '-x', 'a b', 'a\nb', 'é', 'x'.repeat(64), '.hidden', 'a\0']) {
    await rejects(() => Volume.new({ name, bucket: work.bucket }), 'invalid', /name/, name);
    await rejects(() => Volume.empty({ name, bucket: work.bucket }), 'invalid', /name/, name);
  }
  const volume = work.volume('forker');
  await volume.mount({ mountPath: work.fresh() });
  for (const name of ['a/b', '..']) await rejects(() => volume.fork(name), 'invalid', /name/, name);
  await volume.abandon({ delete: true });
  for (const name of ['a/b', '..']) {
    cliFails(['create', name], 2, /name/);
    cliFails(['fork', `${work.bucket}/f/versions/v/1/volume.json`, name], 2, /name/);
  }
});

bad('a handle that is of another kind or has wrong fields is refused, naming the field', async () => {
  const cases: [Record<string, unknown>, RegExp][] = [
    [{ kind: 'flyte.dataset/v1' }, /kind/],
    [{ kind: undefined }, /kind/],
    [{ name: '../up' }, /name/],
    [{ family: 'a/b' }, /family/],
    [{ volume: '..' }, /volume/],
    [{ bucket: 5 }, /bucket/],
    [{ bucket: 'file:relative' }, /bucket/],
    [{ storage: 's3' }, /storage/],
    [{ access: 'rwx' }, /access/],
    [{ version: -1 }, /version/],
    [{ locator: 'nowhere' }, /locator/],
    [{ used_bytes: 'many' }, /used_bytes/],
    [{ access: 'ro', locator: null, index: null }, /access/],
  ];
  for (const [change, message] of cases) {
    await rejects(
      () => Volume.fromJSON({ ...work.volume().toJSON(), ...change }),
      'invalid',
      message,
      JSON.stringify(change),
    );
  }
  for (const text of ['', '{', '[]', 'null', '"x"', '42'])
    await rejects(() => Volume.fromJSON(text), 'invalid', /handle/, text);
  await rejects(() => Volume.fromJSON({ ...work.volume().toJSON(), format: 99 }), 'unsupported', /format 99/);

  cliFails(['mount', handleFile({ family: 'a/b' }), work.fresh()], 1, /family/);
  cliFails(['mount', handleFile({ kind: 'recipe' }), work.fresh()], 1, /kind/);
  cliFails(['mount', work.path('no-such-handle'), work.fresh()], 1, /cannot be read/);
  const noJson = work.fresh('text');
  writeFileSync(noJson, 'no JSON at all');
  cliFails(['mount', noJson, work.fresh()], 1, /JSON/);
});

bad('a bucket that is a file, not a URI, or has credentials in it', async () => {
  const file = work.path('a-file');
  writeFileSync(file, 'x');
  for (const bucket of [`file://${file}`, `file://${file}/below`]) {
    await cannotMount(work, Volume.new({ name: 'v', bucket }), { kind: 'denied', message: /file/ });
    cliFails(['mount', handleFile({ bucket }), work.fresh()], 1, /file/);
  }
  assert.is(readFileSync(file, 'utf8'), 'x');
  for (const bucket of [
    's3://key:secret@bucket',
    's3://key@bucket/prefix',
    'gs://a:secret@b',
    's3://b?secret=x',
    'file://me:secret@host/x',
  ]) {
    await rejects(() => Volume.new({ bucket }), 'invalid', /^(?!.*secret)/, bucket);
    await rejects(() => Volume.fromJSON({ ...work.volume().toJSON(), bucket }), 'invalid', /^(?!.*secret)/, bucket);
  }
  cliFails(['create', 'v', '--bucket', 's3://key:secret@bucket'], 2, /credentials/);
  for (const bucket of ['relative/path', '/absolute/path', 'http://x/y', 'file:relative', 'file:///']) {
    await rejects(() => Volume.new({ bucket }), 'invalid', /bucket/, bucket);
  }
});

bad('a mount point that is a file, is not empty, or is in use', async () => {
  const file = work.fresh('file');
  writeFileSync(file, 'x');
  const full = work.fresh('full');
  mkdirSync(full);
  writeFileSync(join(full, 'mine'), 'x');
  const volume = work.volume('points');
  await cannotMount(work, volume, { kind: 'invalid', message: /not a directory/ }, { mountPath: file });
  await cannotMount(work, volume, { kind: 'invalid', message: /not a directory/ }, { mountPath: join(file, 'below') });
  await cannotMount(work, volume, { kind: 'busy', message: /not empty/ }, { mountPath: full });
  assert.equal(readdirSync(full), ['mine']);

  const path = await volume.mount({ mountPath: work.fresh() });
  const link = work.fresh('link');
  symlinkSync(path, link);
  for (const mountPath of [path, link]) {
    await cannotMount(work, work.volume('second'), { kind: 'busy', message: /is mounted at/ }, { mountPath });
  }
  await cannotMount(work, volume, { kind: 'busy', message: /already mounted at/ });
  cliFails(['mount', handleFile(), path], 1, /is mounted at/);
  writeFileSync(join(path, 'works'), 'x');
  await volume.abandon({ delete: true });

  cliFails(['mount', handleFile(), file], 1, /not a directory/);
  cliFails(['mount', handleFile(), full], 1, /not empty/);
});

bad('two mounts at one place at one time: one of them is refused, the other works', async () => {
  const mountPath = work.fresh();
  const volumes = [work.volume('race-a'), work.volume('race-b')];
  const results = await Promise.allSettled(volumes.map((volume) => volume.mount({ mountPath })));
  const winners = volumes.filter((_, i) => results[i]!.status === 'fulfilled');
  assert.is(winners.length, 1, JSON.stringify(results));
  const loser = results.find((result) => result.status === 'rejected') as PromiseRejectedResult;
  assert.is((loser.reason as { kind: string }).kind, 'busy', String(loser.reason));
  writeFileSync(join(mountPath, 'works'), 'x');
  await winners[0]!.abandon({ delete: true });
  assert.not(isMounted(mountPath));
  await until('the daemons have ended', () => work.daemons().length === 0);
});

bad('a second mount of one handle, and commands on what is not mounted', async () => {
  const volume = work.volume('once');
  await volume.mount({ mountPath: work.fresh() });
  const again = Volume.fromJSON(volume.toJSON()) as RWVolume;
  await cannotMount(work, again, { kind: 'busy', message: /pid|process/i });
  await volume.abandon({ delete: true });
  await rejects(() => volume.commit(), 'state', /not mounted/);
  await rejects(() => volume.abandon(), 'state', /not mounted/);
  await rejects(() => volume.finalize(), 'state', /not mounted/);
  await rejects(() => volume.fs.readFile('x'), 'state', /not mounted/);
  for (const command of ['commit', 'finalize', 'umount', 'abandon'])
    cliFails([command, work.path('nothing')], 1, /mounted/);
});

bad('options that are wrong', async () => {
  const volume = work.volume('options');
  const cases: [MountOptions, RegExp][] = [
    [{ cacheSize: 'lots' }, /cacheSize/],
    [{ timeout: 'soon' }, /timeout/],
    [{ maxUploads: 0 }, /maxUploads/],
    [{ uid: -1 }, /uid/],
    [{ mountPoint: '/x' } as MountOptions, /mountPoint/],
  ];
  for (const [options, message] of cases) await cannotMount(work, volume, { kind: 'invalid', message }, options);
  await cannotMount(work, volume, { kind: 'state', message: /no version/ }, { readOnly: true });
  cliFails(['mount', handleFile(), work.fresh(), '--cache-size', 'lots'], 2, /--cache-size/);
  cliFails(['mount', handleFile(), work.fresh(), '--transport', 'native'], 1, /native.*direct/);
  cliFails(['mount', handleFile()], 2, /argument/);
  cliFails(['mount', handleFile(), work.fresh(), '--read-only'], 1, /no version/);
});

/** A folder that nobody can write to, root included. */
function withoutWriting(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = work.fresh('locked');
  mkdirSync(folder);
  if (!isRoot) {
    chmodSync(folder, 0o500);
    return use(folder);
  }
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'ro,size=1m', 'tmpfs', folder]);
  return use(folder).finally(() => execFileSync('umount', [folder]));
}

bad('folders that cannot be written, are files, or are below the mount', async () => {
  const volume = work.volume('folders');
  const file = work.fresh('file');
  writeFileSync(file, 'x');
  await withoutWriting(async (folder) => {
    for (const option of ['metaDir', 'cacheDir'] as const) {
      for (const path of [folder, join(folder, 'new')]) {
        await cannotMount(work, volume, { kind: 'denied', message: new RegExp(`${option}: `) }, { [option]: path });
      }
    }
    cliFails(['mount', handleFile(), work.fresh(), '--meta-dir', folder], 1, /metaDir|--meta-dir/);
    // A bucket where nothing can be written is as good as none.
    const bucket = `file://${join(folder, 'bucket')}`;
    await cannotMount(work, Volume.new({ name: 'v', bucket }), { kind: 'denied' });
  });
  for (const option of ['metaDir', 'cacheDir'] as const) {
    await cannotMount(work, volume, { kind: 'invalid', message: /not a directory/ }, { [option]: file });
    const mountPath = work.fresh();
    const below = { mountPath, [option]: join(mountPath, 'inside') };
    await cannotMount(work, volume, { kind: 'invalid', message: /below the mount/ }, below);
    assert.not(existsSync(mountPath));
  }
});

bad('an empty family over a prefix that holds something', async () => {
  mkdirSync(work.path('bucket', 'taken'));
  writeFileSync(work.path('bucket', 'taken', 'something'), 'x');
  const volume = Volume.empty({ name: 'taken', bucket: work.bucket });
  await cannotMount(work, volume, { kind: 'exists', message: /taken/ });
  assert.equal(readdirSync(work.path('bucket', 'taken')), ['something']);
});

bad('the command line says what is wrong in one line', async () => {
  await leavesNothing(work, work.path('never'), async () => {
    cliFails(['import-index', work.path('no.db'), '--bucket', work.bucket], 1, /no\.db/);
    const garbage = work.path('garbage.db');
    writeFileSync(garbage, 'garbage');
    cliFails(['import-index', garbage, '--bucket', work.bucket], 1, /SQLite/);
    cliFails(['export-index', `${work.bucket}/f/versions/v/1/volume.json`, work.path('out.db')], 1, /no version/);
    cliFails(['frobnicate'], 2, /frobnicate/);
    cliFails(['status', '--frobnicate'], 2, /frobnicate/);
  });
  assert.is(cli('status', '--json').stdout.trim(), '[]');
});

bad.run();
