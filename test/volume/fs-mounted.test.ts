import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { suite } from 'uvu';
import { diagnoseFuse } from '../../dist/fuse/diagnose.js';
import { Volume } from '../../dist/index.js';
import { fsSuite } from './fs-suite.ts';

const refusal = (await diagnoseFuse()).find((finding) => !finding.ok);
if (refusal === undefined) {
  const folder = mkdtempSync(join(tmpdir(), 'forkfs-test-'));
  process.env['XDG_STATE_HOME'] = join(folder, 'state');
  process.env['XDG_CACHE_HOME'] = join(folder, 'cache');
  const volume = Volume.new({ name: 'mounted', bucket: pathToFileURL(join(folder, 'bucket')).href });
  await volume.mount({ mountPath: join(folder, 'mount') });
  fsSuite(
    'volume.fs of a mount',
    () => ({ fs: volume.fs, top: '' }),
    async () => {
      await volume.abandon({ delete: true });
      rmSync(folder, { recursive: true });
    },
  ).run();
} else {
  const test = suite('volume.fs of a mount');
  test('needs a mount', () => console.log(`\nSKIP volume.fs of a mount: ${refusal.detail}`));
  test.run();
}
