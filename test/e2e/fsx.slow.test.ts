/** fsx on a mount: random reads, writes, truncates, mappings and copies of one file, compared with its memory of it. */
// needs: mount
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { missingForPosixSuites, runPosixSuite } from '../posix/suites.ts';
import { Workspace } from './support.ts';

const work = new Workspace();
const test = suite('fsx');
test.after(() => work.cleanUp());

const OPERATIONS = 10_000;

function hashes(directory: string): string[] {
  return readdirSync(directory)
    .sort()
    .map(
      (name) =>
        `${name} ${createHash('sha256')
          .update(readFileSync(join(directory, name)))
          .digest('hex')}`,
    );
}

test('finds no difference, and the version has the same bytes', async () => {
  const missing = missingForPosixSuites({ needsRoot: false });
  if (missing !== undefined) {
    console.log(`SKIP fsx: ${missing}`);
    return;
  }
  const volume = work.volume('fsx');
  const path = await volume.mount({ mountPath: work.fresh() });
  const directory = join(path, 'fsx');
  const random = Math.floor(Math.random() * 2 ** 31);
  for (const seed of [1, 2, random]) {
    console.log(`seed ${seed}`);
    const { code, output } = runPosixSuite('fsx', directory, String(seed), String(OPERATIONS));
    assert.is(code, 0, `seed ${seed}: ${output.slice(-2000)}`);
    await volume.commit();
  }
  const expected = hashes(directory);
  assert.is(expected.length, 3);
  const version = await volume.finalize();
  const at = await version.mount({ mountPath: work.fresh() });
  assert.equal(hashes(join(at, 'fsx')), expected);
  await version.unmount();
});

test.run();
