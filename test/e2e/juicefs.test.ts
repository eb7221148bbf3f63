/** The real juicefs looks at what a mount made, and a mount at a volume in juicefs's format that was made by hand. */
// needs: mount
import { appendFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { makeJuicefsVolume } from '../oracle/juicefs.ts';
import {
  adopt,
  assertSame,
  juicefsSuite,
  manifestOf,
  shownByJuicefs,
  shownByUs,
  WITH_SIBLINGS,
  withoutDirectorySizes,
} from './juicefs.ts';
import { python, sh } from './programs.ts';
import { makeTree } from './support.ts';

const tests = suite('juicefs');
const { work, check } = juicefsSuite(tests);

check('finds nothing wrong with a volume of one version, and no block that nothing uses', async () => {
  const tree = work.fresh('tree');
  makeTree(tree, 100);
  const volume = work.volume('one');
  const path = await volume.mount({ mountPath: work.fresh() });
  sh(tree, 'cp -a . "$MOUNT"', { MOUNT: path });
  const expected = manifestOf(path);
  assertSame(withoutDirectorySizes(expected), withoutDirectorySizes(manifestOf(tree)), 'the copy');
  const version = await volume.finalize();
  assertSame(await shownByJuicefs(work, version.locator, work.path('bucket')), expected, 'juicefs');
});

/** Changes of every kind to what the hand-made volume holds. */
const CHANGE = `
import os, sys
os.chdir(sys.argv[1])
with open('sparse.bin', 'r+b') as f: f.seek(1 << 20); f.write(b'in the hole'); f.truncate(70 << 20)
with open('holed.bin', 'r+b') as f: f.seek(140_000); f.write(b'y' * 30_000)
os.rename('empty', 'dir/sub/deeper/empty'); os.link('hard.bin', 'dir/sub/third')
os.setxattr('hard.bin', 'user.new', b'\\0\\xff'); os.setxattr('dir', os.listxattr('dir')[0], b'set')
os.unlink('dir/sym'); os.symlink('changed', 'dir/sym'); os.chmod('fifo', 0o606)
os.rename(b'name %25 \\xff\\xfe', b'\\xfe')
`;

for (const [name, flags] of Object.entries({
  plain: [],
  hashed: ['--hash-prefix', '--block-size', '256', '--trash-days', '0'],
  walled: ['--journal', 'WAL', '--block-size', '1024'],
})) {
  check(`sees what a fork of a hand-made volume changed, and the parent as it was (${name})`, async () => {
    const bucket = work.path(`adopted-${name}`);
    const [index, manifest] = [work.path(`${name}.db`), work.path(`${name}.tsv`)];
    const place = ['--index', index, '--bucket', bucket, '--name', name];
    await makeJuicefsVolume([...place, '--manifest', manifest, ...flags]);
    const version = await adopt(index, pathToFileURL(bucket).href);
    const expected = readFileSync(manifest, 'utf8');
    assertSame(await shownByUs(work, version), expected, 'adopted');
    assertSame(await shownByJuicefs(work, version.locator, bucket), expected, 'adopted, and back in juicefs');

    const fork = await version.fork(`${name}-fork`);
    const path = await fork.mount({ mountPath: work.fresh() });
    python(CHANGE, path);
    await fork.commit();
    writeFileSync(join(path, 'new'), 'x'.repeat(700_000));
    appendFileSync(join(path, 'dir', 'big.bin'), 'more');
    rmSync(join(path, 'clone.bin'));
    mkdirSync(join(path, 'made'));
    const changed = manifestOf(path);
    assert.is.not(changed, expected);
    const forked = await fork.finalize();
    assertSame(await shownByJuicefs(work, forked.locator, bucket, WITH_SIBLINGS), changed, 'the fork in juicefs');
    assertSame(await shownByUs(work, forked), changed, 'the fork');
    assertSame(await shownByUs(work, version), expected, 'the parent');
    assertSame(await shownByJuicefs(work, version.locator, bucket, WITH_SIBLINGS), expected, 'the parent in juicefs');
  });
}

tests.run();
