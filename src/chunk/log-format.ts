/**
 * The local log, byte by byte. One log per writable mount holds everything that is not published yet: it is journal,
 * staging area and source of the next index at once.
 *
 * An LSN is a byte position in the endless stream of the log. The stream is cut into segment files of
 * LOG_SEGMENT_BYTES, `<lsn of its first byte, 16 hex digits>.seg`, so `lsn` lies in the file of
 * `lsn - lsn % LOG_SEGMENT_BYTES`, at that remainder. On its way to the file a byte passes the ring, a window of
 * LOG_RING_BYTES in shared memory, at `lsn % LOG_RING_BYTES`. A record never crosses a multiple of the ring size, so it
 * is contiguous in both; nor does it end so near to one (less than a header) that no PAD fits in between.
 *
 * A record is a header of 32 bytes, a payload, and zeros up to a multiple of 8; integers are little endian:
 *
 *     0  u32  magic 0x474c4b46 ("FKLG")
 *     4  u32  length of header and payload in bytes, without the padding
 *     8  u64  lsn of the record's first byte
 *    16  u32  session tag: the low 32 bits of the log session's random number (a stale record has another)
 *    20  u32  kind
 *    24  u32  CRC-32C of bytes 0..23 followed by the payload; filled in by the log thread
 *    28  u32  zero
 *
 * The first bad record ends the log. A session goes on where the last good record ended, after it cut off what is behind.
 * Its first record is SESSION (at most a PAD before it); only there may the tag change.
 */
export const RECORD_MAGIC = 0x474c4b46;
export const RECORD_HEADER_BYTES = 32;

export const RecordKind = {
  /** Fills the ring up to its end; the CRC covers the header alone. In the file the payload is what was there: zeros. */
  PAD: 1,
  /** A batch of row operations (`meta/rows.ts`), which takes effect whole or not at all. */
  ROWS: 2,
  /** One piece of file data with the change of the file that it makes; see below. */
  WRITE: 3,
  /** JSON: a writing session begins ({@link SessionRecord}). */
  SESSION: 4,
  /** A pack got its final size: pack u64, size u32. No WRITE names it afterwards. */
  SEAL: 5,
  /** A pack's block is in the store: pack u64, size u32, count u32, then count CRC-32C u32, one per granule. */
  UPLOADED: 6,
  /** JSON: a commit is about to publish ({@link CommitRecord}). */
  COMMIT: 7,
} as const;
export type RecordKind = (typeof RecordKind)[keyof typeof RecordKind];

/**
 * Payload of a WRITE record: these 64 bytes, then `len` bytes of data.
 *
 *     0  u64  inode
 *     8  u32  chunk index
 *    12  u32  position in the chunk
 *    16  u64  pack (slice id)
 *    24  u32  offset in the pack
 *    28  u32  len
 *    32  u64  length of the file afterwards
 *    40  i64  mtime and ctime, whole seconds
 *    48  u32  their nanoseconds
 *    52  u32  zero
 *    56  u64  zero
 */
export const WRITE_FIELDS_BYTES = 64;

/** The largest payload of one record. A reader takes a larger length for garbage. */
export const PAYLOAD_BYTES_MAX = 4 * 1024 * 1024;

/** Bytes that a record with this payload takes in the log. */
export function recordBytes(payloadBytes: number): number {
  return (RECORD_HEADER_BYTES + payloadBytes + 7) & ~7;
}

export interface SessionRecord {
  format: 1;
  /** Number of the id range that was claimed, and the ids in it: [firstId, endId). */
  session: number;
  firstId: number;
  endId: number;
  volume: string;
  family: string;
  /** Newest published version that this work continues; 0 for none. */
  parentSeq: number;
  startedMs: number;
}

export interface CommitRecord {
  format: 1;
  /** Locator that is being published, and the token in its body that tells it from another writer's. */
  locator: string;
  seq: number;
  writer: string;
  /** Everything before this LSN is in the version. */
  lsn: number;
}

/**
 * The control block: a BigInt64Array in shared memory by which owner and log thread tell each other where they are.
 * All are LSNs unless noted.
 */
export const LogControl = {
  /** Owner: records before this are complete in the ring. */
  APPENDED: 0,
  /** Log thread: bytes before this are in the segment file (page cache). */
  WRITTEN: 1,
  /** Log thread: bytes before this are on the disk. */
  SYNCED: 2,
  /** Log thread: segments are preallocated up to this. */
  RESERVED: 3,
  /** Log thread: errno when the next segment could not be had (ENOSPC), else 0. Cleared when it could. */
  RESERVE_ERRNO: 4,
  /** Log thread: errno of a failed write or fdatasync; the log takes nothing more. */
  FAILED_ERRNO: 5,
  /** Owner: 1 = wake me through the eventfd as soon as WRITTEN or RESERVED moves (a request is parked). */
  OWNER_WAITS: 6,
  /** Both: bumped to wake the log thread (an Int32 view of this slot is waited on). */
  WAKE: 7,
  /** Log thread: 1 = it sleeps until WAKE is bumped. While 0 it looks again within a few milliseconds by itself. */
  ASLEEP: 8,
  /** Log thread: how often it waited for the disk (a count). */
  SYNCS: 9,
  SLOTS: 10,
} as const;
