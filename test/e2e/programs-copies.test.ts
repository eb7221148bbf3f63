// needs: mount
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { RWVolume } from '../../dist/index.js';
import { assertCommitted, assertNothingHeld, assertSameTree, has, python, sh, startPython } from './programs.ts';
import { makeTree, manifest, Workspace } from './support.ts';

const work = new Workspace();
const copies = suite('programs that copy and remove trees');
const source = work.path('source');
let volume: RWVolume;
let path: string;

copies.before(async () => {
  makeTree(source, 300);
  volume = work.volume('copies');
  path = await volume.mount({ mountPath: work.fresh() });
});
copies.after(async () => {
  await volume.abandon({ delete: true });
  work.cleanUp();
});

/** Extended attributes of a tree, as getfattr prints them. */
function attributes(directory: string): string {
  return sh(directory, "getfattr -R -h -d -m 'user\\..*' . 2>/dev/null | LC_ALL=C sort");
}

copies('cp -a there and back is the same tree, times, holes, links and attributes included', () => {
  const target = join(path, 'cp');
  sh(path, `cp -a ${source} ${target}`);
  assertSameTree(manifest(target), manifest(source), 'there');
  sh(path, `cp -a ${target} ${work.path('cp-back')} && cp -a ${target} ${path}/cp-again`);
  assertSameTree(manifest(work.path('cp-back')), manifest(source), 'back');
  assertSameTree(manifest(join(path, 'cp-again')), manifest(source), 'within the mount');
  sh(path, `diff -r --no-dereference --exclude=fifo ${source} ${target}`);
  if (has('getfattr')) {
    assert.match(attributes(source), 'user.note');
    assert.is(attributes(target), attributes(source));
  }
  const hole = `import os, sys; print(os.lseek(os.open(sys.argv[1], os.O_RDONLY), 0, os.SEEK_HOLE))`;
  assert.is(Number(python(hole, join(target, 'big'))), 9 << 20, 'holes are holes');
});

if (has('rsync')) {
  copies('rsync -aHAX both ways leaves nothing to do', () => {
    const target = join(path, 'rsync');
    const back = work.path('rsync-back');
    sh(path, `rsync -aHAX ${source}/ ${target}/ && rsync -aHAX ${target}/ ${back}/`);
    const rest = `rsync -aHAXn --checksum --delete --itemize-changes`;
    assert.is(sh(path, `${rest} ${source}/ ${target}/`), '');
    assert.is(sh(path, `${rest} ${target}/ ${source}/`), '');
    assert.is(sh(path, `${rest} ${back}/ ${source}/`), '');
    assertSameTree(manifest(target), manifest(source), 'there');
    // A later run finds what changed, and works in place.
    sh(
      target,
      'echo more >> d0/e0/f0.txt; rm -r d1; mkdir d1; printf xyz | dd of=big bs=1 seek=5000000 conv=notrunc status=none',
    );
    sh(path, `rsync -aHAX --inplace --delete ${source}/ ${target}/`);
    assert.is(sh(path, `${rest} ${source}/ ${target}/`), '');
  });
}

copies('tar keeps hard links, attributes and holes on the way there and back', () => {
  const target = join(path, 'tar');
  mkdirSync(target);
  const flags = "--xattrs --xattrs-include='user.*' --sparse --format=posix --warning=no-file-ignored";
  sh(source, `tar -c ${flags} -f ${path}/source.tar .`);
  sh(target, `tar -xp ${flags} -f ../source.tar && tar -d ${flags} -f ../source.tar`);
  assertSameTree(manifest(target), manifest(source), 'there');
  const back = work.path('tar-back');
  mkdirSync(back);
  sh(target, `tar -c ${flags} . | tar -xp ${flags} -C ${back}`);
  assertSameTree(manifest(back), manifest(source), 'back');
  if (has('getfattr')) assert.is(attributes(back), attributes(source));
});

copies('what was copied is what a version shows', async () => {
  await assertNothingHeld(volume);
  await assertCommitted(work, volume, path);
});

copies('rm -rf takes a deep tree', () => {
  python(
    `
import os, sys
os.chdir(sys.argv[1]); os.mkdir('deep'); os.chdir('deep')
for i in range(600):
    open('f', 'w').close(); os.mkdir('d' * 20); os.chdir('d' * 20)
`,
    path,
  );
  sh(path, 'rm -rf deep');
  assert.not(existsSync(join(path, 'deep')));
});

copies('rm -rf takes a tree that others are listing and walking', async () => {
  const tree = join(path, 'listed');
  python(
    `
import os, sys
for i in range(40):
    os.makedirs(f'{sys.argv[1]}/{i}')
    for j in range(100): open(f'{sys.argv[1]}/{i}/{j}', 'w').close()
`,
    tree,
  );
  const walk = `
import os, sys
root = sys.argv[1]; rounds = 0
while os.path.isdir(root):
    names = [n for _, _, files in os.walk(root) for n in files]
    assert len(names) <= 4000, len(names)
    rounds += 1
print(rounds)
`;
  const walkers = [startPython(walk, tree), startPython(walk, tree)];
  const removal = startPython('import subprocess, sys; subprocess.run(["rm", "-rf", sys.argv[1]], check=True)', tree);
  await Promise.all([...walkers, removal]);
  assert.not(readdirSync(path).includes('listed'));
  await assertNothingHeld(volume);
});

copies('rm -rf leaves a mount that is empty, after all', async () => {
  sh(path, 'rm -rf -- * .[!.]*');
  assert.equal(readdirSync(path), []);
  await assertCommitted(work, volume, path);
  const status = await volume.status();
  assert.is(status.files <= 1, true, `${status.files} files`);
});

copies.run();
