import { mkdtempSync, rmSync } from 'node:fs';
import * as nodeFs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { VolumeFs } from '../../dist/index.js';
import { fsSuite } from './fs-suite.ts';

// The judge of the suite: what node:fs on a plain folder fails is wrong in the suite.
const top = mkdtempSync(join(tmpdir(), 'forkfs-test-'));
fsSuite(
  'node:fs on a plain folder',
  () => ({ fs: nodeFs as unknown as VolumeFs, top }),
  async () => {
    rmSync(top, { recursive: true });
  },
).run();
