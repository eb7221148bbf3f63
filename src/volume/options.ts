import { resolve } from 'node:path';
import { VolumeError } from '../base/errors.js';
import { CACHE_BYTES_DEFAULT, UPLOADS_MAX_DEFAULT } from '../base/limits.js';
import type { Storage } from '../version/record.js';
import { places, type Environment } from './places.js';
import { parseCount, parseDuration, parseFlag, parseSize, parseText, type Duration, type Size } from './quantities.js';

export type Transport = 'auto' | 'direct' | 'native';

/** What `mount` takes. Times are seconds or '1h', '30m', '5s'; sizes are bytes or '512M', '10G'. */
export interface MountOptions {
  /** Where the volume appears: a directory that is empty or not there yet. Default: `~/flyte-volume`. */
  mountPath?: string;
  /** Folder of the log and everything else that is not published yet. Default: `$XDG_STATE_HOME/forkfs/volumes`. */
  metaDir?: string;
  /** Folder of indexes and of blocks that were read. Default: `$XDG_CACHE_HOME/forkfs`. */
  cacheDir?: string;
  /**
   * Limit of the blocks in that folder, shared by all daemons that use it; 0 keeps none. Default: 10 GiB; none for a
   * `file://` bucket, which is as near as the cache, unless `cacheDir` is given.
   */
  cacheSize?: Size;
  /** How long mounting may take. Default: 60 s. */
  timeout?: Duration;
  /** Acknowledge writes before they are uploaded. Default: true. */
  writeback?: boolean;
  /** Wait this long before uploading: what is deleted meanwhile is never uploaded. Default: 0. */
  uploadDelay?: Duration;
  /** Uploads at one time. Default: 50. */
  maxUploads?: number;
  /** How long the kernel may keep attributes. Default: 60 s. */
  attrCache?: Duration;
  /** How long the kernel may keep names of files. Default: 60 s. */
  entryCache?: Duration;
  /** How long the kernel may keep names of directories. Default: 60 s. */
  dirEntryCache?: Duration;
  /** Default: false for an `RWVolume`; an `ROVolume` is always read-only. */
  readOnly?: boolean;
  /** May other users use the mount? Default: true for root, false otherwise. */
  allowOther?: boolean;
  /** Show everything as owned by this user. Default: the owners that are stored. */
  uid?: number;
  /** Show everything as owned by this group. Default: the groups that are stored. */
  gid?: number;
  /** Default: 'auto', which is 'direct' on Linux. */
  transport?: Transport;
  /** Let the kernel hold writes back: faster small writes, promises per file only. Default: false. */
  kernelWriteback?: boolean;
}

/** What `open` takes: the options that mean something without a kernel. */
export type OpenOptions = Pick<
  MountOptions,
  | 'metaDir'
  | 'cacheDir'
  | 'cacheSize'
  | 'timeout'
  | 'writeback'
  | 'uploadDelay'
  | 'maxUploads'
  | 'readOnly'
  | 'uid'
  | 'gid'
>;

/** {@link MountOptions} with units, defaults filled in. Paths are absolute. */
export interface ResolvedOptions {
  mountPath: string;
  metaDir: string;
  cacheDir: string;
  /** Null: as the store needs it. */
  cacheBytes: number | null;
  timeoutMs: number;
  writeback: boolean;
  uploadDelayMs: number;
  maxUploads: number;
  attrCacheMs: number;
  entryCacheMs: number;
  dirEntryCacheMs: number;
  readOnly: boolean;
  allowOther: boolean;
  uid: number | undefined;
  gid: number | undefined;
  transport: Transport;
  kernelWriteback: boolean;
}

const CACHE_S_DEFAULT = 60;
const TIMEOUT_S_DEFAULT = 60;
/** A kernel timeout is seconds in 64 bits; a year is for ever. */
const TIMEOUT_MS_MAX = 366 * 86_400_000;
const ID_MAX = 2 ** 32 - 2;
const UPLOADS_MAX = 1000;

/** A record, so that the compiler finds a name that is missing. */
const MOUNT_OPTIONS: Record<keyof MountOptions, true> = {
  mountPath: true,
  metaDir: true,
  cacheDir: true,
  cacheSize: true,
  timeout: true,
  writeback: true,
  uploadDelay: true,
  maxUploads: true,
  attrCache: true,
  entryCache: true,
  dirEntryCache: true,
  readOnly: true,
  allowOther: true,
  uid: true,
  gid: true,
  transport: true,
  kernelWriteback: true,
};

/** Where defaults come from, so that tests can give their own. */
export interface Surroundings {
  env?: Environment;
  isRoot?: boolean;
}

/**
 * Checks every option and fills in the defaults.
 * @throws VolumeError `invalid`, naming the option
 */
export function resolveOptions(options: MountOptions = {}, surroundings: Surroundings = {}): ResolvedOptions {
  for (const [option, value] of Object.entries(options)) {
    if (!Object.hasOwn(MOUNT_OPTIONS, option))
      throw new VolumeError('invalid', `${option}: there is no such mount option`);
    if (value === null)
      throw new VolumeError('invalid', `${option}: null is not a value; leave it out for the default`);
  }
  const here = places(surroundings.env ?? process.env);
  const isRoot = surroundings.isRoot ?? process.getuid?.() === 0;
  const path = (value: unknown, option: string): string => resolve(parseText(value, option));
  return {
    mountPath: path(options.mountPath ?? here.mountPath, 'mountPath'),
    metaDir: path(options.metaDir ?? here.metaDir, 'metaDir'),
    cacheDir: path(options.cacheDir ?? here.cacheDir, 'cacheDir'),
    cacheBytes: cacheBytes(options),
    timeoutMs: duration(options.timeout ?? TIMEOUT_S_DEFAULT, 'timeout', 1),
    writeback: parseFlag(options.writeback ?? true, 'writeback'),
    uploadDelayMs: duration(options.uploadDelay ?? 0, 'uploadDelay'),
    maxUploads: parseCount(options.maxUploads ?? UPLOADS_MAX_DEFAULT, 'maxUploads', 1, UPLOADS_MAX),
    attrCacheMs: duration(options.attrCache ?? CACHE_S_DEFAULT, 'attrCache'),
    entryCacheMs: duration(options.entryCache ?? CACHE_S_DEFAULT, 'entryCache'),
    dirEntryCacheMs: duration(options.dirEntryCache ?? CACHE_S_DEFAULT, 'dirEntryCache'),
    readOnly: parseFlag(options.readOnly ?? false, 'readOnly'),
    allowOther: parseFlag(options.allowOther ?? isRoot, 'allowOther'),
    uid: options.uid === undefined ? undefined : parseCount(options.uid, 'uid', 0, ID_MAX),
    gid: options.gid === undefined ? undefined : parseCount(options.gid, 'gid', 0, ID_MAX),
    transport: transport(options.transport ?? 'auto'),
    kernelWriteback: parseFlag(options.kernelWriteback ?? false, 'kernelWriteback'),
  };
}

function cacheBytes({ cacheDir, cacheSize }: MountOptions): number | null {
  if (cacheSize !== undefined) return parseSize(cacheSize, 'cacheSize');
  return cacheDir === undefined ? null : CACHE_BYTES_DEFAULT;
}

/** What of the cache is used when nobody said anything about it. */
export function cacheBytesDefault(storage: Storage): number {
  return storage === 'file' ? 0 : CACHE_BYTES_DEFAULT;
}

function duration(value: unknown, option: string, minMs = 0): number {
  const ms = parseDuration(value, option);
  if (ms < minMs || ms > TIMEOUT_MS_MAX) {
    throw new VolumeError('invalid', `${option}: ${String(value)} is not between ${minMs} ms and 366 days`);
  }
  return ms;
}

function transport(value: unknown): Transport {
  if (value === 'auto' || value === 'direct') return value;
  if (value === 'native') {
    throw new VolumeError(
      'unsupported',
      "transport: 'native' (libfuse) comes with a later version of forkfs; use 'direct', which is the default",
    );
  }
  throw new VolumeError('invalid', `transport: '${String(value)}' is not 'auto', 'direct' or 'native'`);
}
