/** pjdfstest on a mount: the POSIX suite that other file systems are measured by. */
// needs: mount
import { spawnSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { missingForPosixSuites, runPosixSuite } from '../posix/suites.ts';
import { Workspace } from './support.ts';

const work = new Workspace();
const test = suite('pjdfstest');
test.after(() => work.cleanUp());

test('passes all that FUSE can', async () => {
  const missing = missingForPosixSuites({ needsRoot: true });
  if (missing !== undefined) {
    console.log(`SKIP pjdfstest: ${missing}`);
    return;
  }
  // Its users go by this path.
  chmodSync(work.directory, 0o755);
  const volume = work.volume('pjdfstest');
  const path = await volume.mount({ mountPath: work.fresh() });
  const { code, output } = runPosixSuite('pjdfstest', join(path, 'suite'));
  const failed = output.split('\n').filter((line) => line.includes('FAILED'));
  assert.equal(failed, []);
  assert.match(output, /Summary: 0 failed, 16 skipped, 382 passed/);
  assert.is(code, 0);
  assert.is(spawnSync('rm', ['-rf', join(path, 'suite')]).status, 0);
  await volume.abandon({ delete: true });
});

test.run();
