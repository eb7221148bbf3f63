import { parentPort, workerData } from 'node:worker_threads';
import { close, eventfdWrite } from '../../dist/base/libc.js';
import { FuseSession } from '../../dist/fuse/session.js';
import { MemoryVfs } from './memory-vfs.ts';
import type { WorkerInput, WorkerOutcome } from './served-mount.ts';

const { fd, eventFd, options, waitEvery, isStuck } = workerData as WorkerInput;
const port = parentPort!;

const vfs = new MemoryVfs({ readOnly: options.readOnly ?? false });
vfs.isSlow = isStuck ?? false;
let rooms = 0;
let waits = 0;
if (waitEvery !== undefined) {
  vfs.room = () => {
    if (++rooms % waitEvery !== 0) return 'ok';
    waits++;
    // What the log thread does when it has made room.
    eventfdWrite(eventFd);
    return 'wait';
  };
}

function serve(): WorkerOutcome {
  const session = new FuseSession({
    fd,
    eventFd,
    vfs,
    options: {
      attrTimeoutMs: 60_000,
      entryTimeoutMs: 60_000,
      dirEntryTimeoutMs: 60_000,
      readOnly: false,
      ...options,
    },
    // Only the end of a test writes the eventfd of a mount without `waitEvery`.
    hooks: { onWake: () => waitEvery === undefined, beforeSleep: () => undefined, idle: () => false },
  });
  const ended = session.run();
  return { ended, requests: session.stats().requests, waits };
}

port.postMessage('serving');
let outcome: WorkerOutcome;
try {
  outcome = serve();
} catch (error) {
  outcome = { failed: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}
// A descriptor that nobody reads would leave the mount's users waiting for ever.
if ('failed' in outcome) close(fd);
port.postMessage(outcome);
