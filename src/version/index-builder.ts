import { Worker } from 'node:worker_threads';

import { type ErrorRecord, VolumeError, errorFromRecord, toVolumeError } from '../base/errors.js';
import type { BuildResult, BuildTask } from './index-build.js';

export type { BuildResult, BuildTask } from './index-build.js';

type Answer = { result: BuildResult } | { error: ErrorRecord };

/**
 * Builds the image of a version from its base and the log, in a thread of its own, and writes it to `task.out`, durably.
 * With `toLsn: Infinity` it reads all there is, to resume a session: `packs` are the blocks that may not be in the store.
 *
 * @throws VolumeError `corrupt` (log or base), `unsupported` (too large), `no-space`, `io`
 */
export async function buildIndex(task: BuildTask, options: { signal?: AbortSignal } = {}): Promise<BuildResult> {
  const worker = new Worker(new URL('./index-worker.js', import.meta.url), { workerData: task });
  const onAbort = (): void => void worker.terminate();
  options.signal?.addEventListener('abort', onAbort, { once: true });
  try {
    const answer = await new Promise<Answer>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
      worker.once('exit', () => reject(endedEarly(options.signal)));
    });
    if ('error' in answer) throw errorFromRecord(answer.error);
    return answer.result;
  } catch (error) {
    throw toVolumeError(error, 'building the index');
  } finally {
    options.signal?.removeEventListener('abort', onAbort);
    await worker.terminate();
  }
}

function endedEarly(signal: AbortSignal | undefined): unknown {
  if (signal?.aborted === true) return signal.reason;
  return new VolumeError('io', 'the thread that builds the index ended early');
}
