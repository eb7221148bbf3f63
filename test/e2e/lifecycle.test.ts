// needs: mount
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Volume } from '../../dist/index.js';
import { isMounted, makeTree, manifest, Workspace } from './support.ts';

const work = new Workspace();
const life = suite('a volume from its first mount to its forks');
life.after(() => work.cleanUp());

life('is created, filled, committed, mounted again from its locator and forked', async () => {
  const source = work.path('tree');
  makeTree(source);
  const volume = work.volume('life');
  const path = await volume.mount({ mountPath: work.fresh() });
  assert.ok(isMounted(path));
  execFileSync('cp', ['-a', `${source}/.`, path]);
  const before = manifest(source);
  assert.equal(manifest(path), before, 'live');
  const first = await volume.commit({ message: 'first' });
  assert.ok(first.locator?.endsWith('/versions/life/1/volume.json'));

  rmSync(join(path, 'd0'), { recursive: true });
  writeFileSync(join(path, 'later'), 'later');
  const changed = manifest(path);
  const second = await volume.finalize({ message: 'second' });
  assert.not(isMounted(path));
  assert.ok(second.locator?.endsWith('/versions/life/2/volume.json'));

  const readOnly = await Volume.fromLocator(first.locator!);
  const readPath = await readOnly.mount({ mountPath: work.fresh() });
  assert.equal(manifest(readPath), before, 'version 1');
  assert.throws(() => writeFileSync(join(readPath, 'no'), 'no'), /EROFS/);
  const fork = await readOnly.fork('branch');
  await readOnly.unmount();

  const forkPath = await fork.mount({ mountPath: work.fresh() });
  assert.equal(manifest(forkPath), before, 'the fork starts as its parent');
  writeFileSync(join(forkPath, 'hard'), 'changed in the fork');
  await fork.finalize();

  const again = await second.mount({ mountPath: work.fresh() });
  assert.equal(manifest(again), changed, 'version 2');
  await second.unmount();
});

life('goes on writing while it is committed, and each version is what it was', async () => {
  const volume = work.volume('steps');
  const path = await volume.mount({ mountPath: work.fresh() });
  const versions = [];
  for (let i = 1; i <= 3; i++) {
    writeFileSync(join(path, 'counter'), `${i}`);
    writeFileSync(join(path, `only-${i}`), 'x'.repeat(i * 1000));
    versions.push(await volume.commit({ message: `step ${i}` }));
  }
  await volume.abandon();
  for (const [i, version] of versions.entries()) {
    const at = await version.mount({ mountPath: work.fresh() });
    assert.is(readFileSync(join(at, 'counter'), 'utf8'), `${i + 1}`);
    assert.is(existsSync(join(at, `only-${i + 2}`)), false);
    await version.unmount();
  }
});

life('resumes unpublished work after an abandon', async () => {
  const volume = work.volume('resume');
  const path = await volume.mount({ mountPath: work.fresh() });
  makeTree(path, 10);
  const before = manifest(path);
  await volume.abandon();
  assert.not(isMounted(path));
  const again = Volume.fromJSON(volume.toJSON()) as typeof volume;
  const second = await again.mount({ mountPath: work.fresh() });
  assert.equal(manifest(second), before);
  writeFileSync(join(second, 'more'), 'more');
  const version = await again.finalize();
  const at = await version.mount({ mountPath: work.fresh() });
  assert.equal(
    manifest(at).filter((line) => !line.startsWith('/more ')),
    before,
  );
  await version.unmount();
});

life('puts ten thousand small files into few objects', async () => {
  const volume = work.volume('packs');
  const path = await volume.mount({ mountPath: work.fresh() });
  const script = `
import os, sys
for i in range(10000):
    d = f'{sys.argv[1]}/{i // 500}'
    os.makedirs(d, exist_ok=True)
    with open(f'{d}/{i}', 'wb') as f: f.write(os.urandom(100))
`;
  execFileSync('python3', ['-c', script, path]);
  const version = await volume.finalize();
  const objects = work.blocks(volume.family).length;
  assert.ok(objects >= 1 && objects <= 10, `${objects} block objects`);
  assert.is(version.toJSON().inode_count, 10_020);
});

life.run();
