import type { MessagePort } from 'node:worker_threads';
import type { CommitRecord, SessionRecord } from '../chunk/log-format.js';
import type { LogShared } from '../chunk/log-writer.js';
import type { SealedPack } from '../chunk/messages.js';

/** What the owner thread is started with. */
export interface OwnerData {
  /** To and from the main thread (`ToMain`, `ToOwner`). */
  port: MessagePort;
  eventFd: number;
  /** The mount's descriptor; null for a volume that is opened without one. */
  fuseFd: number | null;
  /** File of the index image to start from. */
  imagePath: string;
  /** The log; null for a read-only session. */
  log: { shared: LogShared; port: MessagePort } | null;
  /** The claimed id range [firstId, endId); null for a read-only session. */
  ids: { firstId: number; endId: number } | null;
  /** What the log says of this session at its beginning; null for a read-only one. */
  session: SessionRecord | null;
  /** Packs of an earlier session that are in the log and not in the store. */
  packs: SealedPack[];
  blockBytes: number;
  writeback: boolean;
  kernelWriteback: boolean;
  attrCacheMs: number;
  entryCacheMs: number;
  dirEntryCacheMs: number;
  uid?: number;
  gid?: number;
  logPath: string;
}

/** The answer to 'commit-point': everything before this LSN is in the version. */
export interface CommitPoint {
  lsn: number;
  /** Packs up to it that the store has not acknowledged. */
  packs: number[];
}

export interface OwnerStats {
  usedBytes: number;
  inodes: number;
  dirtyBytes: number;
  appendedLsn: number;
  [counter: string]: unknown;
}

/** The calls of the daemon's own that the owner answers. */
export interface OwnerCalls {
  /** Seals every open pack. */
  'commit-point': { args: []; result: CommitPoint };
  /** Has every 'uploaded' message so far been written to the log? */
  'uploads-logged': { args: []; result: boolean };
  /** Writes into the log that this version is about to be published. */
  'note-commit': { args: [intent: CommitRecord]; result: null };
  /** Everything before the LSN is published: packs that end before it are read from the store from now on. */
  trim: { args: [lsn: number]; result: null };
  'open-for-writing': { args: []; result: number[] };
  stats: { args: []; result: OwnerStats };
  stop: { args: []; result: null };
}
