// needs: mount
import { randomInt } from 'node:crypto';
import { suite } from 'uvu';
import type { MountOptions } from '../../dist/index.js';
import { runModel } from './model-run.ts';
import { Workspace } from './support.ts';

const work = new Workspace();
const model = suite('eight processes at once, with other options');
model.after(() => work.cleanUp());

const seed = Number(process.env['FORKFS_MODEL_SEED'] ?? randomInt(2 ** 31));
const variants: Record<string, MountOptions> = {
  'the defaults': {},
  'dirty pages in the kernel': { kernelWriteback: true },
  'nothing cached': { attrCache: 0, entryCache: 0, dirEntryCache: 0, cacheSize: 0 },
  'closes that wait for the store': { writeback: false, maxUploads: 2 },
};

for (const [name, mount] of Object.entries(variants)) {
  model(`say and leave the same with ${name} and seed ${seed}`, async () => {
    await runModel(work, { seed, workers: 8, operations: 1500, rounds: 3, mount });
  });
}

model.run();
