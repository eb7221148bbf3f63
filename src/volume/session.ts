import { startTimer } from '../base/clock.js';
import { VolumeError, toVolumeError } from '../base/errors.js';
import { startDaemon, type DaemonClient } from '../mount/client.js';
import type { MountSpec } from '../mount/spec.js';
import type { VolumeFs } from './fs-types.js';
import type { HandleJson } from './handle.js';
import { prepareFolder, prepareMountPoint } from './mount-point.js';
import { mountedFs } from './mounted-fs.js';
import { cacheBytesDefault, resolveOptions, type MountOptions, type ResolvedOptions } from './options.js';
import { newestVersion } from './versions.js';
import { rpcFs } from './volume-fs.js';

/** A daemon kills itself long before. */
const END_LIMIT_MS = 60_000;

export interface SessionOptions {
  /** 'mount' = through FUSE; 'open' = calls only. */
  mode: 'mount' | 'open';
  /** Does the daemon end with this process? */
  attached: boolean;
}

/** A volume that is mounted or open: the daemon behind it, and what was asked of it. */
export class Session {
  readonly client: DaemonClient;
  readonly access: 'rw' | 'ro';
  /** Null when it is open without a mount. */
  readonly mountPath: string | null;
  readonly metaDir: string;
  readonly fs: VolumeFs;
  #isEnded = false;

  constructor(client: DaemonClient, access: 'rw' | 'ro', mountPath: string | null, metaDir: string) {
    this.client = client;
    this.access = access;
    this.mountPath = mountPath;
    this.metaDir = metaDir;
    this.fs = mountPath === null ? rpcFs(client) : mountedFs(mountPath);
    void client.ended.then(() => (this.#isEnded = true));
  }

  /** Has the daemon ended: unmounted by somebody, or dead? */
  get isEnded(): boolean {
    return this.#isEnded;
  }
}

/**
 * Waits until a daemon that was told to end is gone, with its mount and its lock. A connection that waits for nothing keeps
 * no process alive, so a timer does.
 * @throws VolumeError `timeout`
 */
export async function daemonEnd(client: DaemonClient): Promise<void> {
  const late = new AbortController();
  const cancel = startTimer(END_LIMIT_MS, () => late.abort());
  const isLate = new Promise<never>((_, reject) => {
    late.signal.addEventListener('abort', () => {
      reject(
        new VolumeError(
          'timeout',
          `the daemon of ${client.info.volume} did not end; its log is ${client.info.logPath}`,
        ),
      );
    });
  });
  try {
    await Promise.race([client.ended, isLate]);
  } finally {
    cancel();
  }
}

/**
 * Mounts or opens a volume. Everything that can be checked is checked before anything is started; when it fails, what was
 * made for it is gone.
 * @throws VolumeError
 */
export async function startSession(
  handle: HandleJson,
  options: MountOptions,
  { mode, attached }: SessionOptions,
): Promise<Session> {
  const resolved = resolveOptions(options);
  const access: MountSpec['access'] = handle.access === 'ro' || resolved.readOnly ? 'ro' : 'rw';
  const mountPoint = mode === 'mount' ? prepareMountPoint(resolved.mountPath) : undefined;
  try {
    prepareFolder('metaDir', resolved.metaDir, mountPoint?.path);
    prepareFolder('cacheDir', resolved.cacheDir, mountPoint?.path);
    const volume = await volumeOf(handle, access);
    const cacheBytes = resolved.cacheBytes ?? cacheBytesDefault(handle.storage);
    const of = { volume, access, mode, attached, cacheBytes, mountPath: mountPoint?.path };
    const client = await startDaemon(specOf(resolved, of));
    return new Session(client, access, mountPoint?.path ?? null, resolved.metaDir);
  } catch (error) {
    mountPoint?.remove();
    throw toVolumeError(error, mode);
  }
}

/** Which version the session is of: for a writer the newest one there is, however old the handle is. */
async function volumeOf(handle: HandleJson, access: 'rw' | 'ro'): Promise<MountSpec['volume']> {
  const volume = { name: handle.volume, family: handle.family, bucket: handle.bucket };
  if (handle.access === 'ro') {
    if (handle.locator !== null) return { ...volume, version: handle.version, locator: handle.locator };
    const remedy = 'adopt the index of a volume that another program made with `forkfs import-index`';
    throw new VolumeError('unsupported', `the handle of ${handle.name} has no locator; ${remedy}`);
  }
  const newest = await newestVersion(handle.bucket, handle.family, handle.volume);
  if (newest !== null) return { ...volume, version: newest.version, locator: newest.locator };
  if (handle.version > 0) {
    throw new VolumeError(
      'not-found',
      `${handle.locator ?? handle.name}: the store has no version of this volume any more`,
    );
  }
  if (access === 'ro') {
    throw new VolumeError(
      'state',
      `${handle.name} has no version yet, so there is nothing to mount read-only; commit one first`,
    );
  }
  return { ...volume, version: 0, locator: null, fresh: handle.family === handle.volume ? 'empty' : 'new' };
}

function specOf(
  resolved: ResolvedOptions,
  of: Pick<MountSpec, 'volume' | 'access' | 'mode' | 'attached' | 'cacheBytes'> & { mountPath: string | undefined },
): MountSpec {
  const { mountPath: _, readOnly: __, uid, gid, ...rest } = resolved;
  return {
    volume: of.volume,
    mode: of.mode,
    access: of.access,
    attached: of.attached,
    ...(of.mountPath === undefined ? {} : { mountPath: of.mountPath }),
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
    ...rest,
    cacheBytes: of.cacheBytes,
  };
}
