import { fork as forkProcess, type ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { errorFromRecord, toVolumeError, VolumeError, type ErrorRecord } from '../base/errors.js';
import { startTimer } from '../base/clock.js';
import { systemRandom } from '../base/random.js';
import { LocalState } from '../chunk/local-state.js';
import { CONTROL_VERSION, receiveMessages, sendMessage, type Response } from './control-protocol.js';
import { liveEntries, logsDirectory, pruneLogs, type RegistryEntry } from './registry.js';
import type { MountSpec, MountStatus } from './spec.js';

/** What a daemon tells the process that started it, once, when it serves or has failed. */
export type DaemonGreeting = { ready: RegistryEntry } | { failed: ErrorRecord };

export interface CallOptions {
  signal?: AbortSignal;
  onProgress?: (progress: unknown) => void;
}

/** How long a daemon that did not come up in time may take to clean up behind itself before it is killed. */
const CLEAN_UP_MS = 5_000;

/** A connection to the daemon of one mount. */
export class DaemonClient {
  readonly info: RegistryEntry;
  /** Fulfilled when the connection is gone: the daemon ended, or `close` was called. */
  readonly ended: Promise<void>;
  readonly #socket: Socket;
  readonly #calls = new Map<
    number,
    { resolve(value: unknown): void; reject(error: Error): void; options: CallOptions }
  >();
  #nextId = 1;
  #lifeline: ChildProcess | undefined;

  private constructor(info: RegistryEntry, socket: Socket) {
    this.info = info;
    this.#socket = socket;
    this.ended = new Promise((resolve) => {
      socket.on('close', () => {
        const gone = new VolumeError('unavailable', `the daemon of ${info.volume} ended; its log is ${info.logPath}`);
        for (const call of this.#calls.values()) call.reject(gone);
        this.#calls.clear();
        resolve();
      });
    });
  }

  /** @internal */
  static connect(info: RegistryEntry, lifeline?: ChildProcess): Promise<DaemonClient> {
    return new Promise((resolve, reject) => {
      const socket = createConnection(info.socket);
      const client = new DaemonClient(info, socket);
      client.#lifeline = lifeline;
      client.#calls.set(0, { resolve: () => resolve(client), reject, options: {} });
      socket.on('error', (error) => {
        reject(new VolumeError('unavailable', `the daemon of ${info.volume} does not answer`, { cause: error }));
      });
      receiveMessages(socket, (message) => client.#receive(message as Response));
      sendMessage(socket, { version: CONTROL_VERSION, token: info.token });
    });
  }

  /** @throws what the daemon threw; VolumeError `unavailable` when it ended first */
  call<T>(method: string, params: unknown = {}, options: CallOptions = {}): Promise<T> {
    if (this.#socket.destroyed) {
      const gone = `the daemon of ${this.info.volume} has ended; its log is ${this.info.logPath}`;
      return Promise.reject(new VolumeError('unavailable', gone));
    }
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const onAbort = (): void => this.#settle(id)?.reject(toVolumeError(options.signal?.reason, method));
      options.signal?.addEventListener('abort', onAbort, { once: true });
      const done = (): void => options.signal?.removeEventListener('abort', onAbort);
      this.#calls.set(id, {
        resolve: (value) => (done(), resolve(value as T)),
        reject: (error) => (done(), reject(error)),
        options,
      });
      this.#socket.ref();
      sendMessage(this.#socket, { id, method, params });
      if (options.signal?.aborted) onAbort();
    });
  }

  /** Ends this connection. An attached daemon goes on until its task ends or it is told to stop. */
  close(): void {
    this.#socket.destroy();
  }

  /** Cuts what ties an attached daemon to this process: it stages everything, unmounts and ends. */
  release(): void {
    if (this.#lifeline?.connected) this.#lifeline.disconnect();
    this.close();
  }

  #receive(response: Response): void {
    if ('progress' in response) return this.#calls.get(response.id)?.options.onProgress?.(response.progress);
    const call = this.#settle(response.id);
    if (response.ok) call?.resolve(response.value);
    else call?.reject(errorFromRecord(response.error));
  }

  #settle(id: number): { resolve(value: unknown): void; reject(error: Error): void } | undefined {
    const call = this.#calls.get(id);
    this.#calls.delete(id);
    // An idle connection must not keep a task alive that is done.
    if (this.#calls.size === 0) this.#socket.unref();
    return call;
  }
}

/**
 * Starts a daemon and waits until it serves.
 * @throws VolumeError, the daemon's own when it could not start, `timeout` when it did not within `spec.timeoutMs`; nothing stays behind
 */
export async function startDaemon(spec: MountSpec): Promise<DaemonClient> {
  mkdirSync(logsDirectory(), { recursive: true, mode: 0o700 });
  pruneLogs();
  const logPath = join(logsDirectory(), `${spec.volume.name}-${systemRandom.id(6)}.log`);
  const output = openSync(logPath, 'a', 0o600);
  // Detached: a signal for the task's group (Ctrl-C) must not end the daemon before it has staged everything.
  const child = forkProcess(fileURLToPath(new URL('./daemon.js', import.meta.url)), [], {
    stdio: ['ignore', output, output, 'ipc'],
    detached: true,
    // Most of what a request makes is soon garbage: a small nursery keeps the process small, in all of its threads.
    execArgv: ['--max-semi-space-size=2'],
    serialization: 'json',
  });
  closeSync(output);
  try {
    const info = await greeting(child, spec, logPath);
    const client = await DaemonClient.connect(info, spec.attached ? child : undefined);
    if (!spec.attached) child.disconnect();
    else child.channel?.unref();
    child.unref();
    return client;
  } catch (error) {
    if (child.exitCode === null && child.signalCode === null) await endChild(child);
    throw error;
  }
}

function greeting(child: ChildProcess, spec: MountSpec, logPath: string): Promise<RegistryEntry> {
  return new Promise((resolve, reject) => {
    const cancelTimer = startTimer(spec.timeoutMs, () => {
      settle(() =>
        reject(
          new VolumeError('timeout', `the mount did not answer within ${spec.timeoutMs / 1000} s; see ${logPath}`),
        ),
      );
    });
    const onMessage = (message: unknown): void => {
      const said = message as DaemonGreeting;
      settle(() => ('ready' in said ? resolve(said.ready) : reject(errorFromRecord(said.failed))));
    };
    const onExit = (code: number | null, signal: string | null): void => {
      const how = signal === null ? `with exit code ${code}` : `by ${signal}`;
      settle(() =>
        reject(new VolumeError('unavailable', `the daemon ended ${how} before it served: ${lastLine(logPath)}`)),
      );
    };
    const onError = (error: Error): void => settle(() => reject(toVolumeError(error, 'the daemon did not start')));
    const settle = (finish: () => void): void => {
      cancelTimer();
      child.off('message', onMessage).off('exit', onExit).off('error', onError);
      finish();
    };
    child.on('message', onMessage).on('exit', onExit).on('error', onError);
    child.send({ spec, logPath });
  });
}

function lastLine(path: string): string {
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
  return lines.at(-1) || `nothing in ${path}`;
}

/** Closing the pipe asks a daemon to clean up and end; one that does not is killed, and its guardian cleans up. */
function endChild(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    const cancelTimer = startTimer(CLEAN_UP_MS, () => child.kill('SIGKILL'));
    child.once('exit', () => {
      cancelTimer();
      resolve();
    });
    if (child.connected) child.disconnect();
    else child.kill('SIGTERM');
  });
}

/**
 * The daemon that serves this mount point.
 * @throws VolumeError `not-found` when no daemon of this user does
 */
export async function connectDaemon(mountPath: string): Promise<DaemonClient> {
  const wanted = canonicalPath(mountPath);
  const entry = liveEntries().find((candidate) => candidate.mountPath === wanted);
  if (entry === undefined) {
    throw new VolumeError('not-found', `nothing of yours is mounted at ${wanted}; \`forkfs status\` lists what is`);
  }
  return DaemonClient.connect(entry);
}

/** The path without links and dots; as far as it exists. */
export function canonicalPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return resolve(path);
  }
}

/** The status of each daemon of this user. One that does not answer is shown as far as the registry knows it. */
export function listMounts(): Promise<MountStatus[]> {
  return Promise.all(
    liveEntries().map(async (entry) => {
      try {
        const client = await DaemonClient.connect(entry);
        try {
          return await client.call<MountStatus>('status', {}, { signal: AbortSignal.timeout(STATUS_LIMIT_MS) });
        } finally {
          client.close();
        }
      } catch {
        return statusOf(entry);
      }
    }),
  );
}

/** How long one daemon may take to say how it is. */
const STATUS_LIMIT_MS = 5_000;

/** Volumes below a state folder that no daemon serves and that hold work which no version has. */
export function listUnpublished(metaDir: string): MountStatus[] {
  return LocalState.list(metaDir)
    .filter(({ holder, hasUnpublished }) => holder === undefined && hasUnpublished)
    .map(({ base, directory }) => ({
      ...NOT_SERVED,
      volume: base.volume,
      family: base.family,
      bucket: base.bucket,
      version: base.seq,
      locator: base.locator,
      unpublished: true,
      stagedBytes: bytesIn(join(directory, 'log')),
      state: directory,
    }));
}

const NOT_SERVED = {
  path: null,
  pid: null,
  transport: null,
  readOnly: false,
  attached: false,
  dirtyBytes: 0,
  stagedBytes: 0,
  uploads: { queued: 0, bytes: 0, oldestMs: 0, lastError: null },
  files: 0,
  usedBytes: 0,
  kernels: { jobs: {}, bytes: {} },
  log: null,
  state: null,
  startedMs: null,
};

function statusOf(entry: RegistryEntry): MountStatus {
  return {
    ...NOT_SERVED,
    volume: entry.volume,
    family: entry.family,
    bucket: entry.bucket,
    path: entry.mountPath,
    pid: entry.pid,
    transport: entry.mountPath === null ? 'none' : 'direct',
    readOnly: entry.access === 'ro',
    attached: entry.attached,
    version: 0,
    locator: null,
    unpublished: false,
    log: entry.logPath,
  };
}

/** Bytes of the log's segments, the preallocated part of the last ones included. */
function bytesIn(directory: string): number {
  return readdirSync(directory).reduce((sum, name) => sum + statSync(join(directory, name)).size, 0);
}
