/** The POSIX suite on a mount; the tree that it leaves is the same in the version, mounted again. */
// needs: mount
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ROVolume, RWVolume } from '../../dist/index.js';
import { posixSuite } from '../vfs/posix-suite.ts';
import { manifest, Workspace } from './support.ts';

const work = new Workspace();
// Tests as an ordinary user go by this path.
chmodSync(work.directory, 0o755);
let volume: RWVolume;
let path = '';

posixSuite('POSIX on a mount', async () => {
  volume = work.volume('posix');
  path = await volume.mount({ mountPath: work.fresh() });
  const directory = join(path, 'posix');
  mkdirSync(directory);
  return { directory, done: () => undefined };
}).run();

const again = suite('the tree of the POSIX suite');
again.after(() => work.cleanUp());

async function showsIn(version: ROVolume, expected: string[]): Promise<void> {
  const at = await version.mount({ mountPath: work.fresh() });
  assert.equal(manifest(at), expected);
  await version.unmount();
}

again('is the same in a version, and in one that a second session made of it', async () => {
  const before = manifest(path);
  assert.ok(before.length > 3000);
  await showsIn(await volume.commit(), before);
  assert.equal(manifest(path), before, 'the commit changed nothing');
  await showsIn(await volume.finalize(), before);
  const second = await volume.mount({ mountPath: work.fresh() });
  assert.equal(manifest(second), before);
  await volume.abandon();
});

again.run();
