import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { diagnoseFuse } from '../../dist/fuse/diagnose.js';

const test = suite('examples');
const folder = fileURLToPath(new URL('../../examples/', import.meta.url));
const EXPECTED: Record<string, RegExp> = {
  'versions.ts': /^Monday: "Monday\\n"\nTuesday: "Monday\\nTuesday\\n"\n$/,
  'forks.ts': /^left: "from the base\\nand from left\\n"\nright: "from the base\\nand from right\\n"\n$/,
  'no-mount.ts': /score: 0\.93[^]*version 1 with \d+ files/,
};
const NEEDS_MOUNT = new Set(['versions.ts']);

const refusal = (await diagnoseFuse()).find((finding) => !finding.ok);

test('every example is expected here', () => {
  const programs = readdirSync(folder).filter((name) => name.endsWith('.ts'));
  assert.equal(programs.toSorted(), Object.keys(EXPECTED).toSorted());
});

for (const [name, expected] of Object.entries(EXPECTED)) {
  test(`${name} runs, and cleans up`, () => {
    if (NEEDS_MOUNT.has(name) && refusal !== undefined) {
      console.log(`\nSKIP example ${name}: ${refusal.detail}`);
      return;
    }
    const home = mkdtempSync(join(tmpdir(), 'forkfs-test-'));
    try {
      const env = {
        ...process.env,
        HOME: home,
        TMPDIR: home,
        XDG_STATE_HOME: home,
        XDG_CACHE_HOME: join(home, 'cache'),
      };
      const ran = spawnSync(process.execPath, [join(folder, name)], { encoding: 'utf8', env, timeout: 60_000 });
      assert.is(ran.status, 0, ran.stderr);
      assert.match(ran.stdout, expected);
      assert.equal(
        readdirSync(home).filter((entry) => entry.startsWith('forkfs-example-')),
        [],
      );
    } finally {
      rmSync(home, { recursive: true, force: true });
    }
  });
}

test.run();
