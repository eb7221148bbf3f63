/** Everything a daemon must know to serve one volume; sent to it over a pipe, never in argv. Times in milliseconds. */
export interface MountSpec {
  volume: {
    name: string;
    family: string;
    /** `file:///...`, as `openStore` takes it. */
    bucket: string;
    /** Newest published version when the handle was made; 0 = none yet. A writer continues after the newest there is. */
    version: number;
    /** The version to show; null before the first commit. A read-only mount needs it. */
    locator: string | null;
    /** For a volume without versions: is its family new ('new'), or must the prefix be empty ('empty')? */
    fresh?: 'new' | 'empty';
  };
  /** 'mount' = through FUSE at mountPath; 'open' = the same session without FUSE. */
  mode: 'mount' | 'open';
  access: 'rw' | 'ro';
  mountPath?: string;
  /** Does the daemon end with the process that started it? */
  attached: boolean;
  metaDir: string;
  cacheDir: string;
  /** Limit of the blocks that are kept in the cache; 0: none are. */
  cacheBytes: number;
  timeoutMs: number;
  writeback: boolean;
  uploadDelayMs: number;
  maxUploads: number;
  attrCacheMs: number;
  entryCacheMs: number;
  dirEntryCacheMs: number;
  allowOther: boolean;
  uid?: number;
  gid?: number;
  transport: 'auto' | 'direct' | 'native';
  kernelWriteback: boolean;
  /** Who makes the versions of this session, for their records. */
  producedBy?: string;
}

/** What `status` shows of one volume on this machine, mounted or holding unpublished work. */
export interface MountStatus {
  volume: string;
  family: string;
  bucket: string;
  /** Where it is mounted; null for one that is opened without a mount or not mounted at all. */
  path: string | null;
  /** The daemon's process; null when none runs. */
  pid: number | null;
  transport: 'direct' | 'native' | 'none' | null;
  readOnly: boolean;
  attached: boolean;
  /** Version that this session continues or shows; 0 for none. */
  version: number;
  locator: string | null;
  /** Is there work that no version has? */
  unpublished: boolean;
  /** Bytes that are only in memory. */
  dirtyBytes: number;
  /** Bytes in the local log that are not in the store yet. */
  stagedBytes: number;
  uploads: { queued: number; bytes: number; oldestMs: number; lastError: string | null };
  files: number;
  usedBytes: number;
  kernels: { jobs: Record<string, number>; bytes: Record<string, number> };
  /** File of the daemon's log (JSON lines). */
  log: string | null;
  /** Folder of the local state. */
  state: string | null;
  startedMs: number | null;
}
