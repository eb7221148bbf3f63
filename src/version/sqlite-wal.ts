import { VolumeError } from '../base/errors.js';

const WAL_HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
const WAL_MAGIC = 0x377f0682;

/**
 * Folds a write-ahead log into its database, as SQLite would: every frame up to the last whole commit whose salts and
 * checksums follow from the one before. The answer is a plain file in rollback mode. sql.js reads a file without what
 * stands beside it, and JuiceFS leaves hours of news there.
 *
 * @throws VolumeError `corrupt` when the two do not belong together
 */
export function foldWal(database: Uint8Array, wal: Uint8Array): Uint8Array {
  const commits = wal.length < WAL_HEADER_BYTES ? undefined : committedPages(wal);
  if (commits === undefined) return inRollbackMode(new Uint8Array(database));
  const { pageBytes, pages, pageCount } = commits;
  const view = new DataView(database.buffer, database.byteOffset, database.byteLength);
  const mainPageBytes = database.length < 100 ? pageBytes : view.getUint16(16) === 1 ? 65_536 : view.getUint16(16);
  if (mainPageBytes !== pageBytes) throw new VolumeError('corrupt', 'the -wal file belongs to another index');
  const folded = new Uint8Array(pageCount * pageBytes);
  folded.set(database.subarray(0, folded.length));
  for (const [page, at] of pages) {
    if (page <= pageCount) folded.set(wal.subarray(at, at + pageBytes), (page - 1) * pageBytes);
  }
  return inRollbackMode(folded);
}

/** Bytes 18 and 19 of the header say the journal's mode: 1 = rollback, 2 = WAL. */
function inRollbackMode(database: Uint8Array): Uint8Array {
  if (database.length >= 100) database.fill(1, 18, 20);
  return database;
}

interface Commits {
  pageBytes: number;
  /** Page number -> where its newest committed content stands in the log. */
  pages: Map<number, number>;
  /** Size of the database after the last commit. */
  pageCount: number;
}

function committedPages(wal: Uint8Array): Commits | undefined {
  const view = new DataView(wal.buffer, wal.byteOffset, wal.byteLength);
  const magic = view.getUint32(0);
  if ((magic & ~1) >>> 0 !== WAL_MAGIC) return undefined;
  const sum = new WalChecksum(view, (magic & 1) === 0);
  sum.add(0, 24);
  if (!sum.equals(24)) return undefined;
  const pageBytes = view.getUint32(8);
  const found: Commits = { pageBytes, pages: new Map(), pageCount: 0 };
  const uncommitted = new Map<number, number>();
  const frameBytes = FRAME_HEADER_BYTES + pageBytes;
  for (let at = WAL_HEADER_BYTES; at + frameBytes <= wal.length; at += frameBytes) {
    // Frames of an earlier round of the log have other salts.
    if (view.getUint32(at + 8) !== view.getUint32(16) || view.getUint32(at + 12) !== view.getUint32(20)) break;
    sum.add(at, 8);
    sum.add(at + FRAME_HEADER_BYTES, pageBytes);
    if (!sum.equals(at + 16)) break;
    uncommitted.set(view.getUint32(at), at + FRAME_HEADER_BYTES);
    const pagesAfterCommit = view.getUint32(at + 4);
    if (pagesAfterCommit === 0) continue;
    for (const [page, content] of uncommitted) found.pages.set(page, content);
    uncommitted.clear();
    found.pageCount = pagesAfterCommit;
  }
  return found.pageCount === 0 ? undefined : found;
}

/** SQLite's running sum over pairs of 32-bit words, in the byte order that the log's magic says. */
class WalChecksum {
  readonly #view: DataView;
  readonly #littleEndian: boolean;
  #a = 0;
  #b = 0;

  constructor(view: DataView, littleEndian: boolean) {
    this.#view = view;
    this.#littleEndian = littleEndian;
  }

  add(from: number, bytes: number): void {
    for (let at = from; at < from + bytes; at += 8) {
      this.#a = (this.#a + this.#view.getUint32(at, this.#littleEndian) + this.#b) >>> 0;
      this.#b = (this.#b + this.#view.getUint32(at + 4, this.#littleEndian) + this.#a) >>> 0;
    }
  }

  equals(at: number): boolean {
    return this.#view.getUint32(at) === this.#a && this.#view.getUint32(at + 4) === this.#b;
  }
}
