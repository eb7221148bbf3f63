import { type ChildProcess, fork } from 'node:child_process';
import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { type ErrorRecord, VolumeError, errorFromRecord, toVolumeError } from '../base/errors.js';
import { systemRandom } from '../base/random.js';
import type { ImageInfo } from '../meta/stores/validate.js';
import { putInPlace } from './durable-file.js';
import type { BuildResult, BuildTask } from './index-build.js';
import type { IndexTask } from './index-process.js';

export type { BuildResult, BuildTask } from './index-build.js';

/**
 * Builds the image of a version from its base and the log, in a process of its own, and writes it to `task.out`, durably.
 * (A thread would do, but what it took stays with the process: 120 MiB after a commit of 50,000 files.)
 * With `toLsn: Infinity` it reads all there is, to resume a session: `packs` are the blocks that may not be in the store.
 *
 * @throws VolumeError `corrupt` (log or base), `unsupported` (too large), `no-space`, `io`
 */
export async function buildIndex(task: BuildTask, options: { signal?: AbortSignal } = {}): Promise<BuildResult> {
  const doing = 'building the index';
  // The process may outlive a daemon that is killed: it never touches a name that the next one uses.
  const temporary = `${task.out}.${systemRandom.id(8)}.new`;
  try {
    const result = await inProcess({ build: { ...task, out: temporary } }, doing, options.signal);
    putInPlace(temporary, task.out);
    return result as BuildResult;
  } catch (error) {
    throw toVolumeError(error, doing);
  } finally {
    rmSync(temporary, { force: true });
  }
}

/**
 * Checks an image file that came from outside (`validateImage`), in a process of its own: what a large image takes
 * while it is checked is given back.
 *
 * @throws VolumeError `corrupt`, `unsupported`, `not-found`
 */
export async function checkIndexFile(path: string, options: { signal?: AbortSignal } = {}): Promise<ImageInfo> {
  return (await inProcess({ check: path }, 'checking the index', options.signal)) as ImageInfo;
}

type Answer = { result: unknown } | { error: ErrorRecord };

const ENTRY = fileURLToPath(new URL('./index-process.js', import.meta.url));
/** Most of what it makes is soon garbage: a small nursery keeps the process small. */
const NODE_FLAGS = ['--max-semi-space-size=8'];

async function inProcess(task: IndexTask, doing: string, signal: AbortSignal | undefined): Promise<unknown> {
  if (signal?.aborted === true) throw toVolumeError(signal.reason, doing);
  const child = fork(ENTRY, [], {
    serialization: 'advanced',
    execArgv: NODE_FLAGS,
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const onAbort = (): void => void child.kill('SIGKILL');
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    const answer = await ask(child, task, signal);
    if ('error' in answer) throw errorFromRecord(answer.error);
    return answer.result;
  } catch (error) {
    child.kill('SIGKILL');
    throw toVolumeError(error, doing);
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}

/** Resolves when the process has answered and is gone. */
function ask(child: ChildProcess, task: IndexTask, signal: AbortSignal | undefined): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let answer: Answer | undefined;
    child.once('message', (message) => (answer = message as Answer));
    child.once('error', reject);
    child.once('exit', (code, by) => {
      if (answer !== undefined) resolve(answer);
      else if (signal?.aborted === true) reject(signal.reason as Error);
      else reject(new VolumeError('io', `the process that works on the index ended early (${by ?? code})`));
    });
    child.send(task);
  });
}
