import { fstatSync } from 'node:fs';
import { GRANULE_BYTES, OPEN_BLOCK_FILES_MAX } from '../base/limits.js';
import { close, preadNowait } from '../base/libc.js';

interface BlockFile {
  fd: number;
  /** One for each granule: has it been checked? */
  checked: Uint8Array;
  /** Number of the latest use, by the table's count of uses. */
  usedAt: number;
}

/** The slice's id for its first block, which for packs is the only one: no string is made to find it. */
type Key = number | string;

function keyOf(id: number, indx: number): Key {
  return indx === 0 ? id : `${id}_${indx}`;
}

/**
 * Local files that hold blocks (of the store itself, or of the cache), of which the owner thread may read what has been
 * checked, as long as it is in the page cache. At most OPEN_BLOCK_FILES_MAX are open; the one used longest ago is closed.
 */
export class BlockFiles {
  readonly #files = new Map<Key, BlockFile>();
  readonly #max: number;
  #uses = 0;

  constructor(max = OPEN_BLOCK_FILES_MAX) {
    this.#max = max;
  }

  /** [from, to) of the block is checked and in the file. The descriptor is ours from now on. */
  add(of: { id: number; indx: number; sizeBytes: number; fd: number; from: number; to: number }): void {
    const key = keyOf(of.id, of.indx);
    const known = this.#files.get(key);
    const checked = new Uint8Array(Math.ceil(of.sizeBytes / GRANULE_BYTES));
    const file: BlockFile = { fd: of.fd, checked, usedAt: ++this.#uses };
    if (known !== undefined) {
      // What was checked in a file that the cache has thrown away says nothing of the one that took its place.
      if (isSameFile(known.fd, of.fd)) file.checked = known.checked;
      close(known.fd);
    }
    this.#files.set(key, file);
    const first = Math.ceil(of.from / GRANULE_BYTES);
    const end = of.to >= of.sizeBytes ? file.checked.length : Math.floor(of.to / GRANULE_BYTES);
    file.checked.fill(1, first, Math.max(first, end));
    if (this.#files.size > this.#max) this.#closeOldest();
  }

  /** Are all these bytes in a file, checked? */
  has(id: number, indx: number, off: number, len: number): boolean {
    const file = this.#files.get(keyOf(id, indx));
    return file !== undefined && isChecked(file, off, len);
  }

  /** Bytes read into `out` at `at`: all of them, or 0 when they are not to be had without waiting. */
  read(id: number, indx: number, off: number, len: number, out: Uint8Array, at: number): number {
    const file = this.#files.get(keyOf(id, indx));
    if (file === undefined || !isChecked(file, off, len)) return 0;
    file.usedAt = ++this.#uses;
    return preadNowait(file.fd, out, at, len, off) === len ? len : 0;
  }

  get count(): number {
    return this.#files.size;
  }

  close(): void {
    for (const file of this.#files.values()) close(file.fd);
    this.#files.clear();
  }

  #closeOldest(): void {
    let oldest: Key | undefined;
    let usedAt = Infinity;
    for (const [key, file] of this.#files) {
      if (file.usedAt >= usedAt) continue;
      oldest = key;
      usedAt = file.usedAt;
    }
    const file = this.#files.get(oldest!);
    this.#files.delete(oldest!);
    if (file !== undefined) close(file.fd);
  }
}

function isSameFile(a: number, b: number): boolean {
  const [one, other] = [fstatSync(a, { bigint: true }), fstatSync(b, { bigint: true })];
  return one.ino === other.ino && one.dev === other.dev;
}

function isChecked(file: BlockFile, off: number, len: number): boolean {
  const end = Math.floor((off + len - 1) / GRANULE_BYTES);
  for (let granule = Math.floor(off / GRANULE_BYTES); granule <= end; granule++) {
    if (file.checked[granule] !== 1) return false;
  }
  return true;
}
