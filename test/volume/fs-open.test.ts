import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Volume } from '../../dist/index.js';
import { fsSuite } from './fs-suite.ts';

const folder = mkdtempSync(join(tmpdir(), 'forkfs-test-'));
process.env['XDG_STATE_HOME'] = join(folder, 'state');
process.env['XDG_CACHE_HOME'] = join(folder, 'cache');
const volume = Volume.new({ name: 'open', bucket: pathToFileURL(join(folder, 'bucket')).href });
await volume.open();
fsSuite(
  'volume.fs without a mount',
  () => ({ fs: volume.fs, top: '' }),
  async () => {
    await volume.abandon({ delete: true });
    rmSync(folder, { recursive: true });
  },
).run();
