import { readFileSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';

import { assert } from '../base/assert.js';
import { errorToRecord } from '../base/errors.js';
import { loadSqlJs } from '../meta/stores/sql.js';
import { validateImage } from '../meta/stores/validate.js';
import { type BuildTask, buildIndexHere } from './index-build.js';

/** What this thread is made for; it does one thing and ends, and all memory that it took goes with it. */
export type IndexTask = { build: BuildTask } | { check: string };

async function perform(task: IndexTask): Promise<unknown> {
  if ('build' in task) return await buildIndexHere(task.build);
  return validateImage(await loadSqlJs(), readFileSync(task.check));
}

assert(parentPort !== null, 'this runs as a worker thread');
try {
  parentPort.postMessage({ result: await perform(workerData as IndexTask) });
} catch (error) {
  parentPort.postMessage({ error: errorToRecord(error) });
}
