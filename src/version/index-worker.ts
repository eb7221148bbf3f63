import { parentPort, workerData } from 'node:worker_threads';

import { assert } from '../base/assert.js';
import { errorToRecord } from '../base/errors.js';
import { type BuildTask, buildIndexHere } from './index-build.js';

/** Entry of the thread that builds one index and ends. Its sql.js, and all memory that took, goes with it. */
assert(parentPort !== null, 'this runs as a worker thread');
try {
  parentPort.postMessage({ result: await buildIndexHere(workerData as BuildTask) });
} catch (error) {
  parentPort.postMessage({ error: errorToRecord(error) });
}
