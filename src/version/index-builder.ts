import { Worker } from 'node:worker_threads';

import { type ErrorRecord, VolumeError, errorFromRecord, toVolumeError } from '../base/errors.js';
import type { ImageInfo } from '../meta/stores/validate.js';
import type { BuildResult, BuildTask } from './index-build.js';
import type { IndexTask } from './index-worker.js';

export type { BuildResult, BuildTask } from './index-build.js';

/**
 * Builds the image of a version from its base and the log, in a thread of its own, and writes it to `task.out`, durably.
 * With `toLsn: Infinity` it reads all there is, to resume a session: `packs` are the blocks that may not be in the store.
 *
 * @throws VolumeError `corrupt` (log or base), `unsupported` (too large), `no-space`, `io`
 */
export async function buildIndex(task: BuildTask, options: { signal?: AbortSignal } = {}): Promise<BuildResult> {
  return (await inThread({ build: task }, 'building the index', options.signal)) as BuildResult;
}

/**
 * Checks an image file that came from outside (`validateImage`), in a thread of its own: what a large image takes while
 * it is checked is given back.
 *
 * @throws VolumeError `corrupt`, `unsupported`, `not-found`
 */
export async function checkIndexFile(path: string, options: { signal?: AbortSignal } = {}): Promise<ImageInfo> {
  return (await inThread({ check: path }, 'checking the index', options.signal)) as ImageInfo;
}

async function inThread(task: IndexTask, doing: string, signal: AbortSignal | undefined): Promise<unknown> {
  if (signal?.aborted === true) throw toVolumeError(signal.reason, doing);
  const worker = new Worker(new URL('./index-worker.js', import.meta.url), { workerData: task });
  const onAbort = (): void => void worker.terminate();
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    const answer = await new Promise<{ result: unknown } | { error: ErrorRecord }>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
      worker.once('exit', () => reject(endedEarly(signal)));
    });
    if ('error' in answer) throw errorFromRecord(answer.error);
    return answer.result;
  } catch (error) {
    throw toVolumeError(error, doing);
  } finally {
    signal?.removeEventListener('abort', onAbort);
    await worker.terminate();
  }
}

function endedEarly(signal: AbortSignal | undefined): unknown {
  if (signal?.aborted === true) return signal.reason;
  return new VolumeError('io', 'the thread that works on the index ended early');
}
