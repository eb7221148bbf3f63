// needs: mount
import { randomInt } from 'node:crypto';
import { suite } from 'uvu';
import { runModel } from './model-run.ts';
import { Workspace } from './support.ts';

const work = new Workspace();
const model = suite('four processes at once, against a local directory');
model.after(() => work.cleanUp());

/** A failure names its seed; FORKFS_MODEL_SEED runs it again. */
const fresh = Number(process.env['FORKFS_MODEL_SEED'] ?? randomInt(2 ** 31));

for (const seed of [1, fresh]) {
  model(`say and leave the same with seed ${seed}`, async () => {
    await runModel(work, { seed, workers: 4, operations: 600, rounds: 3 });
  });
}

model.run();
