import { readFileSync } from 'node:fs';

import { errorToRecord } from '../base/errors.js';
import { loadSqlJs } from '../meta/stores/sql.js';
import { validateImage } from '../meta/stores/validate.js';
import { type BuildTask, buildIndexHere } from './index-build.js';

/** What this process is made for; it does one thing and ends. */
export type IndexTask = { build: BuildTask } | { check: string };

async function perform(task: IndexTask): Promise<unknown> {
  if ('build' in task) return await buildIndexHere(task.build);
  return validateImage(await loadSqlJs(), readFileSync(task.check));
}

async function answer(task: IndexTask): Promise<void> {
  try {
    process.send?.({ result: await perform(task) });
  } catch (error) {
    process.send?.({ error: errorToRecord(error) });
  }
  process.disconnect();
}

// Nobody waits for the answer of a process whose parent is gone.
process.once('disconnect', () => process.exit());
process.once('message', (task) => void answer(task as IndexTask));
