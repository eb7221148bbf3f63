/** The real juicefs looks at what a mount made, and a mount at what the real juicefs made. */
// needs: mount
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { appendFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Volume, type ROVolume } from '../../dist/index.js';
import { checkWithJuicefs, juicefs, makeJuicefsVolume, QUIET_MOUNT, whyNoJuicefs } from '../oracle/juicefs.ts';
import { cli, makeTree, root, Workspace } from './support.ts';

const work = new Workspace();
const refusal = whyNoJuicefs();
const oracle = suite('juicefs');
oracle.after(() => work.cleanUp());

function check(what: string, body: () => Promise<void>): void {
  oracle(what, async () => {
    if (refusal === undefined) await body();
    else console.log(`\nSKIP juicefs: ${refusal}`);
  });
}

/** The manifest of a directory, line by line. */
function manifestOf(directory: string): string {
  const args = [join(root, 'test/oracle/manifest.py'), directory];
  return execFileSync('python3', args, { encoding: 'utf8', maxBuffer: 2 ** 28 });
}

function assertSame(actual: string, expected: string, what: string): void {
  const [is, should] = [new Set(actual.split('\n')), new Set(expected.split('\n'))];
  const wrong = [...is].filter((line) => !should.has(line)).map((line) => `+ ${line}`);
  const missing = [...should].filter((line) => !is.has(line)).map((line) => `- ${line}`);
  assert.equal([...wrong, ...missing].slice(0, 20), [], what);
}

async function shownByJuicefs(locator: string, bucketDir: string, flags: string[] = []): Promise<string> {
  const index = work.fresh('export');
  const exported = cli('export-index', locator, index);
  assert.is(exported.code, 0, exported.stderr);
  const checked = await checkWithJuicefs({ index, bucket: bucketDir, mountPoint: work.fresh(), flags });
  assert.ok(checked.good, checked.log);
  return checked.manifest;
}

async function shownByUs(version: ROVolume): Promise<string> {
  const path = await version.mount({ mountPath: work.fresh() });
  try {
    return manifestOf(path);
  } finally {
    await version.unmount();
  }
}

/** Ten thousand small files of many kinds, on top of what makeTree makes. */
function fill(directory: string): void {
  makeTree(directory, 200);
  const script = `
import os, sys
os.chdir(sys.argv[1])
for i in range(10000):
    d = f'many/{i % 23}/{i % 7}'
    os.makedirs(d, exist_ok=True)
    p = f'{d}/f{i}'
    with open(p, 'wb') as f: f.write(os.urandom(i % 300))
    if i % 50 == 0: os.setxattr(p, 'user.n', str(i).encode())
    if i % 97 == 0: os.link(p, f'many/hard{i}')
    if i % 101 == 0: os.symlink(f'../{p}', f'many/sym{i}')
    if i % 113 == 0: os.chmod(p, 0o4711)
    if i % 211 == 0: os.chown(p, 1000 + i, 2000 + i)
`;
  execFileSync('python3', ['-c', script, directory]);
}

check('finds nothing wrong with a version of a real tree after several commits, and shows the same tree', async () => {
  const volume = work.volume('tree');
  const path = await volume.mount({ mountPath: work.fresh() });
  fill(path);
  await volume.commit();
  // Changes of every kind, so that indexes are built on indexes.
  const script = `
import os, shutil, sys
os.chdir(sys.argv[1])
shutil.rmtree('many/3'); os.rename('many/4', 'moved'); os.unlink('many/hard97'); os.replace('many/5/0/f5', 'many/6/0/f6') if os.path.exists('many/5/0/f5') else None
with open('big', 'r+b') as f:
    f.seek(5 << 20); f.write(b'again' * 1000); f.truncate(60 << 20); f.seek(80 << 20); f.write(b'tail')
with open('big2', 'wb') as f: f.write(os.urandom(5 << 20))
os.posix_fallocate(os.open('reserved', os.O_CREAT | os.O_WRONLY), 0, 100000)
`;
  execFileSync('python3', ['-c', script, path]);
  await volume.commit();
  for (let i = 0; i < 300; i++) appendFileSync(join(path, 'log'), `line ${i}\n`);
  rmSync(join(path, 'hard'));
  const expected = manifestOf(path);
  const version = await volume.finalize();
  const bucketDir = work.path('bucket');
  // Blocks of what later commits replaced belong to earlier versions: they are no leak.
  assertSame(await shownByJuicefs(version.locator!, bucketDir, ['--no-gc']), expected, 'juicefs');
  assertSame(await shownByUs(version), expected, 'mounted again');
});

check('is shown all objects of a volume with one version: none is leaked', async () => {
  const volume = work.volume('one');
  const path = await volume.mount({ mountPath: work.fresh() });
  makeTree(path, 100);
  const expected = manifestOf(path);
  const version = await volume.finalize();
  assertSame(await shownByJuicefs(version.locator!, work.path('bucket')), expected, 'juicefs');
});

check('sees what a fork of an adopted volume changed, and the parent as it was', async () => {
  for (const [name, flags] of [
    ['oracle', []],
    ['hashed', ['--hash-prefix', '--block-size', '256']],
  ] as const) {
    const bucketDir = work.path(`adopted-${name}`);
    const [index, expected] = [work.path(`${name}.db`), work.path(`${name}.tsv`)];
    await makeJuicefsVolume([
      '--index',
      index,
      '--bucket',
      bucketDir,
      '--name',
      name,
      '--manifest',
      expected,
      ...flags,
    ]);
    const adopted = cli('import-index', index, '--bucket', pathToFileURL(bucketDir).href);
    assert.is(adopted.code, 0, adopted.stderr);
    const version = await Volume.fromLocator(adopted.stdout.trim());
    assertSame(await shownByUs(version), readFileSync(expected, 'utf8'), `${name}: adopted`);

    const fork = await version.fork(`${name}-fork`);
    const path = await fork.mount({ mountPath: work.fresh() });
    writeFileSync(join(path, 'new'), 'x'.repeat(700_000));
    appendFileSync(join(path, 'dir', 'big.bin'), 'more');
    rmSync(join(path, 'clone.bin'));
    mkdirSync(join(path, 'made'));
    const changed = manifestOf(path);
    const forked = await fork.finalize();
    assertSame(await shownByJuicefs(forked.locator!, bucketDir, ['--no-gc']), changed, `${name}: the fork`);
    assertSame(await shownByUs(version), readFileSync(expected, 'utf8'), `${name}: the parent`);
  }
});

check('may write, delete and compact through an export without harm to any version', async () => {
  const volume = work.volume('guarded');
  const path = await volume.mount({ mountPath: work.fresh() });
  makeTree(path, 60);
  const first = await volume.commit();
  // Many records in one chunk: reading it through juicefs makes it compact.
  for (let i = 0; i < 40; i++) {
    execFileSync('dd', [
      'if=/dev/urandom',
      `of=${path}/big`,
      'bs=4096',
      'count=1',
      `seek=${i * 7}`,
      'conv=notrunc',
      'status=none',
    ]);
  }
  rmSync(join(path, 'd1'), { recursive: true });
  const second = await volume.finalize();
  const before = [await shownByUs(first), await shownByUs(second)];
  const hash = (key: string): string =>
    createHash('sha256')
      .update(readFileSync(work.path('bucket', volume.family, 'chunks', key)))
      .digest('hex');
  const blocks = work.blocks(volume.family).map((key) => [key, hash(key)] as const);

  const index = work.fresh('export');
  assert.is(cli('export-index', second.locator!, index).code, 0);
  const url = `sqlite3://${index}?_journal=DELETE`;
  const mountPoint = work.fresh();
  const mounted = await juicefs(['mount', url, mountPoint, ...QUIET_MOUNT, '--log', work.path('juicefs.log')]);
  assert.is(mounted.code, 0, mounted.stderr);
  try {
    readFileSync(join(mountPoint, 'big'));
    appendFileSync(join(mountPoint, 'big'), 'by juicefs');
    assert.is((await juicefs(['compact', mountPoint])).code, 0);
    rmSync(join(mountPoint, 'd0'), { recursive: true });
    rmSync(join(mountPoint, 'd2'), { recursive: true });
    writeFileSync(join(mountPoint, 'new'), 'x'.repeat(5_000_000));
  } finally {
    await juicefs(['umount', mountPoint]);
  }
  for (const [key, was] of blocks) assert.is(hash(key), was, key);
  assertSame(await shownByUs(first), before[0]!, 'version 1');
  assertSame(await shownByUs(second), before[1]!, 'version 2');
});

oracle.run();
