/** Every queue, cache and buffer has its limit here, with its unit last. Format limits cite docs/format.md's source. */

export const KIB = 1024;
export const MIB = 1024 * KIB;
export const GIB = 1024 * MIB;

// -- the stored format (JuiceFS 1.x) --
export const CHUNK_BYTES = 64 * MIB;
export const BLOCK_BYTES = 4 * MIB;
/** Checksums are kept for pieces of a block of this size. */
export const GRANULE_BYTES = 64 * KIB;
export const NAME_BYTES_MAX = 255;
export const SYMLINK_BYTES_MAX = 4095;
export const XATTR_NAME_BYTES_MAX = 255;
export const XATTR_VALUE_BYTES_MAX = 64 * KIB;
/** Chunk indexes are below 2^31, so files end below 2^57; we stop at 2^53 - 1, the largest exact number in JavaScript. */
export const FILE_BYTES_MAX = Number.MAX_SAFE_INTEGER;
/** Hard links to one inode. */
export const LINKS_MAX = 65_000;
/** Files, directories and links in one volume; a create beyond it is ENOSPC. */
export const INODES_MAX = 5_000_000;

// -- ids --
/** A writing session owns 2^26 ids, for slices and inodes alike, one of 2^27 ranges below 2^53. */
export const SESSION_ID_COUNT = 2 ** 26;
export const SESSION_RANGE_COUNT = 2 ** 27;

// -- FUSE --
export const FUSE_WRITE_BYTES_MAX = MIB;
export const FUSE_READ_BYTES_MAX = MIB;
/** Requests that wait for room in the log; beyond it no further request is read from the kernel. */
export const PARKED_REQUESTS_MAX = 64;
export const HANDLES_MAX = 1_000_000;

// -- the log --
/** Bytes that are appended and not yet in a file. A record never crosses a multiple of this. */
export const LOG_RING_BYTES = 32 * MIB;
/** Preallocated files of the log; a multiple of the ring. */
export const LOG_SEGMENT_BYTES = 64 * MIB;
/** Segments that are preallocated ahead of the writer. */
export const LOG_SEGMENTS_AHEAD = 2;

// -- the arena (after the ring in the same memory) --
/** Blocks that are sealed, checked or uploaded at one time; each takes one extent of BLOCK_BYTES. */
export const ARENA_EXTENTS = 10;

// -- caches of the owner thread --
export const INODE_CACHE_MAX = 100_000;
export const DENTRY_CACHE_MAX = 400_000;
export const OPEN_BLOCK_FILES_MAX = 256;
/** Changed rows that wait to be written behind into the in-memory database. */
export const DIRTY_ROWS_MAX = 50_000;
/** Open packs: one shared by small writes, the others by inodes that stream. */
export const OPEN_PACKS_MAX = 9;

// -- the owner's patience --
/** No slice of background work on the owner thread takes longer. */
export const OWNER_SLICE_MS = 2;

// -- store --
export const UPLOADS_MAX_DEFAULT = 50;
export const CACHE_BYTES_DEFAULT = 10 * GIB;
/** Index images of versions that were mounted read-only. */
export const INDEX_CACHE_BYTES = 2 * GIB;
export const READAHEAD_BYTES = 8 * MIB;
/** Bytes of blocks that are being fetched for readers at one time. */
export const FETCH_BYTES_MAX = 64 * MIB;
/** The largest record (volume.json, session, handle) that is read. */
export const RECORD_BYTES_MAX = 8 * MIB;
/** The largest index that is opened: sql.js addresses 2 GiB of memory and needs room to work. */
export const INDEX_BYTES_MAX = 1536 * MIB;

// -- daemons --
/** Log files of daemons that are gone. */
export const LOG_FILES_MAX = 100;

// -- control channel --
export const CONTROL_MESSAGE_BYTES_MAX = 64 * MIB;
