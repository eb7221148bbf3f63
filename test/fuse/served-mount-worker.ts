import { parentPort, workerData } from 'node:worker_threads';
import { close, eventfdWrite } from '../../dist/base/libc.js';
import { FuseSession } from '../../dist/fuse/session.js';
import { MemoryVfs } from './memory-vfs.ts';
import { Count, type WorkerInput, type WorkerOutcome } from './served-mount.ts';

const { fd, eventFd, options, counts, waitEvery, isStuck } = workerData as WorkerInput;
const port = parentPort!;

class CountingVfs extends MemoryVfs {
  #rooms = 0;

  override write(...args: Parameters<MemoryVfs['write']>): void {
    Atomics.add(counts, Count.WRITES, 1);
    super.write(...args);
  }

  override room(): 'ok' | 'wait' {
    if (waitEvery === undefined || ++this.#rooms % waitEvery !== 0) return 'ok';
    Atomics.add(counts, Count.WAITS, 1);
    // What the log thread does when it has made room.
    eventfdWrite(eventFd);
    return 'wait';
  }
}

function serve(): WorkerOutcome {
  const vfs = new CountingVfs({ readOnly: options.readOnly ?? false });
  vfs.isSlow = isStuck ?? false;
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
    hooks: {
      // Only the end of a test writes the eventfd of a mount without `waitEvery`.
      onWake: () => waitEvery === undefined,
      beforeSleep: () => void Atomics.add(counts, Count.BEFORE_SLEEPS, 1),
      idle: () => {
        Atomics.add(counts, Count.IDLES, 1);
        return false;
      },
    },
  });
  return { ended: session.run() };
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
