import type { ErrorRecord } from '../base/errors.js';

/**
 * What the owner thread (namespace and FUSE) and the main thread (store, uploads, control) of a daemon say to each
 * other. The owner sends with `port.postMessage`; it receives with `receiveMessageOnPort` when its eventfd is written.
 */

/**
 * A request that is answered later. Positive: the `unique` of a FUSE request, whoever has the answer writes it to the
 * FUSE descriptor. Negative: a call of the in-process interface, the answer goes back through the main thread.
 */
export type Ticket = number;

/** One stored object of a slice. */
export interface BlockRef {
  /** Slice id and index of the block in it. */
  id: number;
  indx: number;
  /** Bytes of this block (the number at the end of its key). */
  sizeBytes: number;
  /** CRC-32C of each granule of GRANULE_BYTES; absent for adopted blocks, which nobody has checksummed yet. */
  crcs?: Uint32Array;
}

/** A part of a read's answer that the owner could not fill at once. */
export type MissingPart =
  /** From a block: `len` bytes at `off` of the block go to `at` of the body. */
  | { from: 'block'; at: number; len: number; off: number; block: BlockRef }
  /** From the log's segment files: `len` bytes at `lsn`. */
  | { from: 'log'; at: number; len: number; lsn: number };

/** A pack whose last byte is written. Piece i is `lens[i]` bytes at `lsns[i]` of the log, in order of the pack. */
export interface SealedPack {
  id: number;
  sizeBytes: number;
  lsns: Float64Array;
  lens: Uint32Array;
}

export type ToMain =
  | { t: 'read'; ticket: Ticket; body: Uint8Array<ArrayBuffer>; parts: MissingPart[] }
  /** Fetch these into the cache when there is time: a reader will want them. */
  | { t: 'readahead'; blocks: BlockRef[] }
  | { t: 'sealed'; pack: SealedPack }
  /** Answer the ticket when these packs are in the store (mounts with `writeback: false`). */
  | { t: 'await-uploads'; ticket: Ticket; packs: number[] }
  /** The answer to an 'rpc' or 'call'. Exactly one of `error` and `value` is given. */
  | { t: 'answer'; ticket: Ticket; value?: unknown; error?: ErrorRecord }
  | { t: 'ready' }
  /** The kernel ended the session (unmounted) or the owner stopped; nothing follows. */
  | { t: 'ended'; reason: 'unmounted' | 'stopped' | 'failed'; error?: ErrorRecord };

export type ToOwner =
  | { t: 'uploaded'; id: number; sizeBytes: number; crcs: Uint32Array }
  /**
   * Part of a block is in a local file, checked: bytes [from, to) of it (granule-aligned, or the block's end) at the
   * same offsets of `fd`. The owner owns the descriptor from now on and closes it when it forgets the block.
   */
  | { t: 'block-file'; id: number; indx: number; sizeBytes: number; fd: number; from: number; to: number }
  /** A call of the in-process interface. */
  | { t: 'rpc'; ticket: Ticket; op: string; args: unknown[] }
  /** A call of the daemon's own: 'commit-point', 'trim', 'stats', 'open-for-writing', 'stop', 'seal-all'. */
  | { t: 'call'; ticket: Ticket; op: string; args: unknown[] };
