import * as fs from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../base/clock.js';
import { ERRNO } from '../base/errno.js';
import { VolumeError } from '../base/errors.js';
import { flockExclusive } from '../base/libc.js';

/** Who has a local state open: the lock file says so, the kernel's lock on it proves it. */
export interface Holder {
  pid: number;
  host: string;
}

const LOCK_TRIES = 20;
const LOCK_WAIT_MS = 10;

/** Who wrote the lock file last. That process need not be alive. */
function readHolder(directory: string): Holder | undefined {
  try {
    const { pid, host } = JSON.parse(fs.readFileSync(join(directory, 'lock'), 'utf8')) as Partial<Holder>;
    return typeof pid === 'number' && typeof host === 'string' ? { pid, host } : undefined;
  } catch {
    return undefined;
  }
}

/** Who has the state in this folder open; undefined when nobody has. */
export function findHolder(directory: string): Holder | undefined {
  let fd: number;
  try {
    fd = fs.openSync(join(directory, 'lock'), 'r');
  } catch {
    return undefined;
  }
  const isHeld = flockExclusive(fd) === -ERRNO.EAGAIN;
  fs.closeSync(fd);
  return isHeld ? (readHolder(directory) ?? { pid: 0, host: '' }) : undefined;
}

/**
 * Answers the locked file, which names us. The kernel ends the lock with the process, however that ends.
 *
 * @throws VolumeError `busy`, `unsupported`; the errors of `node:fs`
 */
export function takeLock(directory: string, create: boolean): number {
  const path = join(directory, 'lock');
  for (let tries = 1; ; tries++) {
    const fd = fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_CREAT, 0o600);
    const result = flockExclusive(fd);
    if (result === 0 && isSameFile(fd, path)) {
      const holder: Holder & { startedMs: number } = {
        pid: process.pid,
        host: hostname(),
        startedMs: systemClock.nowMs(),
      };
      fs.ftruncateSync(fd);
      fs.writeSync(fd, JSON.stringify(holder), 0);
      return fd;
    }
    fs.closeSync(fd);
    if (result < 0 && result !== -ERRNO.EAGAIN) {
      throw new VolumeError('unsupported', `the file system of ${directory} has no locks (errno ${-result})`);
    }
    // Somebody who lists states looks for a moment whether the lock is held; somebody who deletes one leaves no folder.
    if (tries >= LOCK_TRIES) throw busy(directory);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOCK_WAIT_MS);
    if (create) fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
  }
}

function isSameFile(fd: number, path: string): boolean {
  const { ino, dev } = fs.fstatSync(fd);
  const there = fs.statSync(path, { throwIfNoEntry: false });
  return there?.ino === ino && there.dev === dev;
}

function busy(directory: string): VolumeError {
  const holder = readHolder(directory);
  const who = holder === undefined ? 'another process' : `process ${holder.pid} on ${holder.host}`;
  return new VolumeError('busy', `${who} has this volume open for writing (${directory})`);
}
