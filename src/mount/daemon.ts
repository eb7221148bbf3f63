/** Entry of the daemon: one process for one mount. It is told what to serve over its IPC channel. */
import { once } from 'node:events';
import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { sleep, startTimer, systemClock } from '../base/clock.js';
import { errorToRecord, toVolumeError, VolumeError } from '../base/errors.js';
import { fileLogger, type Logger } from '../base/log.js';
import { systemRandom } from '../base/random.js';
import { mountDirect } from '../fuse/direct.js';
import { ControlServer, type MethodHandler } from './control-server.js';
import type { DaemonGreeting } from './client.js';
import type { FsRequest } from './fs-protocol.js';
import { Guardian } from './guardian.js';
import { newEntryId, processStart, removeEntry, socketDirectory, writeEntry, type RegistryEntry } from './registry.js';
import type { MountSpec, MountStatus } from './spec.js';
import { detachMount, isMounted, unmount } from './unmount.js';
import { VolumeSession } from './volume-session.js';

/** How long an orderly end may take before the process is killed; its guardian then removes the mount. */
const END_LIMIT_MS = 10_000;
/** The owner answers within this, or the daemon is stuck and ends itself. */
const WATCHDOG_LIMIT_MS = 60_000;
const WATCHDOG_PERIOD_MS = 15_000;

class Daemon {
  readonly #spec: MountSpec;
  readonly #logger: Logger;
  readonly #logPath: string;
  readonly #startedMs = systemClock.nowMs();
  #session!: VolumeSession;
  #control: ControlServer | undefined;
  #entry!: RegistryEntry;
  #guardian: Guardian | undefined;
  #unmounted = new Promise<void>(() => undefined);
  #noteUnmounted: () => void = () => undefined;
  #isMounted = false;
  /** Set while finalize, umount or abandon runs: the end of the mount is expected. */
  #isEnding = false;
  #isLeaving = false;

  constructor(spec: MountSpec, logPath: string) {
    this.#spec = spec;
    this.#logPath = logPath;
    this.#logger = fileLogger(logPath);
  }

  async start(): Promise<RegistryEntry> {
    const spec = this.#spec;
    const mountPath = spec.mode === 'mount' ? spec.mountPath! : null;
    if (mountPath !== null) prepareMountPoint(mountPath);
    this.#unmounted = new Promise((resolve) => (this.#noteUnmounted = resolve));
    this.#session = await VolumeSession.start({
      spec,
      logger: this.#logger,
      logPath: this.#logPath,
      mount: mountPath === null ? null : () => this.#mount(mountPath),
      onUnmounted: () => void this.#onUnmounted(),
      onFailed: (error) => void this.#onFailed(error),
    });
    if (mountPath !== null) await stat(mountPath);
    this.#entry = this.#makeEntry(mountPath);
    this.#control = await ControlServer.listen(this.#entry.socket, this.#entry.token, this.#methods());
    writeEntry(this.#entry);
    this.#watch();
    this.#logger.info({ volume: spec.volume.name, path: mountPath, access: spec.access }, 'serving');
    return this.#entry;
  }

  /** Stages everything, unmounts and ends: the task is gone, or somebody sent a signal. Once is enough. */
  async leave(why: string): Promise<void> {
    if (this.#isLeaving) return;
    this.#isLeaving = true;
    this.#logger.info({ why }, 'leaving');
    this.#isEnding = true;
    if (this.#session !== undefined) {
      await this.#session.stage();
      if (this.#isMounted) {
        try {
          await unmount(this.#spec.mountPath!);
          await this.#unmounted;
        } catch {
          // Busy: whoever still uses it loses the mount, but nothing that was written.
          await detachMount(this.#spec.mountPath!);
          await this.#session.stage();
        }
      }
      this.#logger.info({ unpublished: this.#session.isWritable }, 'staged; mount the same handle to go on');
    }
    await this.#end({ isDone: false });
  }

  /** After a failed start: nothing stays behind, and threads that may be asleep in a system call cannot delay it. */
  async giveUp(): Promise<void> {
    if (this.#isMounted) await detachMount(this.#spec.mountPath!);
    process.kill(process.pid, 'SIGKILL');
  }

  #mount(mountPath: string): number {
    const spec = this.#spec;
    const { fd } = mountDirect({
      mountPath,
      fsname: `forkfs:${spec.volume.name}`,
      readOnly: spec.access === 'ro',
      allowOther: spec.allowOther,
      kernelWriteback: spec.kernelWriteback,
    });
    this.#isMounted = true;
    this.#guardian = Guardian.start(mountPath);
    return fd;
  }

  #makeEntry(mountPath: string | null): RegistryEntry {
    const { volume, metaDir, access, attached } = this.#spec;
    return {
      format: 1,
      id: newEntryId(mountPath),
      pid: process.pid,
      pidStart: processStart(process.pid) ?? 'up',
      mountPath,
      socket: join(socketDirectory(), `${systemRandom.id(16)}.sock`),
      token: systemRandom.id(32),
      logPath: this.#logPath,
      metaDir,
      volume: volume.name,
      family: volume.family,
      bucket: volume.bucket,
      access,
      attached,
    };
  }

  #methods(): ReadonlyMap<string, MethodHandler> {
    const methods: Record<string, MethodHandler> = {
      status: () => this.#status(),
      commit: (params: { message?: string; producedBy?: string }, onProgress) =>
        this.#session.commit({ ...params, onProgress }),
      fork: (params: { name: string; producedBy?: string }, onProgress) =>
        this.#session.commit({
          forkName: params.name,
          onProgress,
          ...(params.producedBy === undefined ? {} : { producedBy: params.producedBy }),
        }),
      finalize: (params: { message?: string; producedBy?: string; timeoutMs?: number }, onProgress) =>
        this.#finalize(params, onProgress),
      umount: () => this.#umount(),
      abandon: (params: { delete?: boolean }) => this.#abandon(params.delete === true),
      fs: (request: FsRequest) => this.#fs(request),
    };
    return new Map(Object.entries(methods));
  }

  async #status(): Promise<MountStatus & { owner: Record<string, unknown>; extentsInUse: number }> {
    return {
      ...(await this.#session.status()),
      path: this.#entry.mountPath,
      pid: process.pid,
      transport: this.#entry.mountPath === null ? 'none' : 'direct',
      log: this.#logPath,
      startedMs: this.#startedMs,
      extentsInUse: this.#session.extentsInUse,
    };
  }

  #fs({ op, args }: FsRequest): Promise<unknown> {
    if (!this.#isEnding) return this.#session.owner.fs(op, args);
    return Promise.reject(new VolumeError('state', 'the volume is being closed; nothing can be read or written in it'));
  }

  async #finalize(
    { timeoutMs, ...params }: { message?: string; producedBy?: string; timeoutMs?: number },
    onProgress: (value: unknown) => void,
  ): Promise<unknown> {
    if (!this.#session.isWritable) await this.#session.commit({}); // throws the error that says why not
    const deadline = timeoutMs === undefined ? undefined : systemClock.monotonicMs() + timeoutMs;
    await this.#unmountInOrder(deadline);
    let record: unknown;
    try {
      record = await within(deadline, this.#session.commit({ ...params, onProgress }));
    } catch (error) {
      // Not published: the work stays staged, and this daemon has no mount to serve any more.
      this.#endSoon({ isDone: false });
      throw error;
    }
    this.#endSoon({ isDone: true });
    return record;
  }

  async #umount(): Promise<{ unpublished: boolean; state: string | null }> {
    await this.#unmountInOrder(undefined);
    await this.#session.stage();
    const { unpublished, state } = await this.#session.status();
    this.#endSoon({ isDone: this.#session.isWritable && !unpublished });
    return { unpublished, state };
  }

  async #abandon(isDeleting: boolean): Promise<{ state: string | null }> {
    await this.#unmountInOrder(undefined);
    await this.#session.stage();
    const { state } = await this.#session.status();
    if (isDeleting) {
      await this.#session.stopAndDelete();
      this.#exitSoon();
    } else {
      this.#endSoon({ isDone: false });
    }
    return { state };
  }

  /** From here on nothing changes the volume any more. */
  async #unmountInOrder(deadline: number | undefined): Promise<void> {
    this.#isEnding = true;
    if (!this.#isMounted) return;
    try {
      await unmount(this.#spec.mountPath!);
    } catch (error) {
      this.#isEnding = false;
      throw error;
    }
    // A copy of the mount in another namespace keeps the kernel's session alive: its writes belong to the version.
    await within(deadline, this.#unmounted);
  }

  async #onUnmounted(): Promise<void> {
    this.#isMounted = false;
    this.#session.noteUnmounted();
    this.#guardian?.dismiss();
    this.#noteUnmounted();
    if (this.#isEnding) return;
    this.#logger.info({}, 'unmounted from outside');
    await this.#session.stage();
    await this.#end({ isDone: false });
  }

  async #onFailed(error: Error): Promise<void> {
    this.#logger.error({ err: errorToRecord(error) }, 'the file system failed; its mount is taken away');
    if (this.#isMounted) await detachMount(this.#spec.mountPath!);
    removeEntry(this.#entry);
    // Threads may be stuck: no orderly end. The log on the disk is whole up to its last record.
    process.kill(process.pid, 'SIGKILL');
  }

  /** After the answer of the call that asked for it. */
  #endSoon(how: { isDone: boolean }): void {
    setImmediate(() => void this.#end(how));
  }

  #exitSoon(): void {
    setImmediate(() => void this.#exit());
  }

  async #end(how: { isDone: boolean }): Promise<never> {
    this.#isLeaving = true;
    startTimer(END_LIMIT_MS, () => process.kill(process.pid, 'SIGKILL'), { idle: true });
    if (this.#session !== undefined) await this.#session.stop(how);
    return this.#exit();
  }

  async #exit(): Promise<never> {
    if (this.#entry !== undefined) removeEntry(this.#entry);
    await this.#control?.close();
    if (this.#isMounted && isMounted(this.#spec.mountPath!)) await detachMount(this.#spec.mountPath!);
    this.#guardian?.dismiss();
    // Whoever awaits the answer of the last call reads it before the socket's end.
    await sleep(5);
    process.exit(0);
  }

  #watch(): void {
    const check = async (): Promise<void> => {
      try {
        await within(systemClock.monotonicMs() + WATCHDOG_LIMIT_MS, this.#session.owner.call('stats'));
        startTimer(WATCHDOG_PERIOD_MS, () => void check(), { idle: true });
      } catch (error) {
        if (!this.#isEnding) await this.#onFailed(toVolumeError(error, 'the owner thread does not answer'));
      }
    };
    startTimer(WATCHDOG_PERIOD_MS, () => void check(), { idle: true });
  }
}

/** @throws VolumeError `timeout` when the work takes longer than until the deadline (monotonic ms) */
async function within<T>(deadlineMs: number | undefined, work: Promise<T>): Promise<T> {
  if (deadlineMs === undefined) return work;
  let cancel: () => void = () => undefined;
  const late = new Promise<never>((_, reject) => {
    cancel = startTimer(Math.max(0, deadlineMs - systemClock.monotonicMs()), () => {
      reject(
        new VolumeError('timeout', 'the time given ran out; what was written is staged, and can be published later'),
      );
    });
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    cancel();
  }
}

/** @throws VolumeError `invalid` or `busy` when nothing can be mounted there */
function prepareMountPoint(path: string): void {
  if (isMounted(path))
    throw new VolumeError('busy', `something is mounted at ${path} already; unmount it or choose another path`);
  mkdirSync(path, { recursive: true });
  if (!statSync(path).isDirectory()) throw new VolumeError('invalid', `${path} is not a directory`);
  if (readdirSync(path).length > 0)
    throw new VolumeError('busy', `${path} is not empty; a mount would hide what is there`);
}

function greet(greeting: DaemonGreeting): Promise<void> {
  return new Promise((resolve) => {
    if (process.connected) process.send!(greeting, () => resolve());
    else resolve();
  });
}

async function main(): Promise<void> {
  const [{ spec, logPath }] = (await once(process, 'message')) as [{ spec: MountSpec; logPath: string }];
  const daemon = new Daemon(spec, logPath);
  let hasGreeted = false;
  process.on('SIGTERM', () => void daemon.leave('SIGTERM'));
  process.on('SIGINT', () => void daemon.leave('SIGINT'));
  process.on('SIGHUP', () => undefined);
  process.on('disconnect', () => {
    // Before the greeting the starter has given up; afterwards only an attached daemon follows its task.
    if (!hasGreeted || spec.attached) void daemon.leave('the task that mounted it ended');
  });
  try {
    const entry = await daemon.start();
    hasGreeted = true;
    await greet({ ready: entry });
  } catch (error) {
    await greet({ failed: errorToRecord(toVolumeError(error, 'cannot mount')) });
    await daemon.giveUp();
  }
}

await main();
