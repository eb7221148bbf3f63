import { GRANULE_BYTES, OPEN_BLOCK_FILES_MAX } from '../base/limits.js';
import { close, preadNowait } from '../base/libc.js';

interface BlockFile {
  id: number;
  indx: number;
  sizeBytes: number;
  fd: number;
  /** One for each granule: has it been checked? */
  checked: Uint8Array;
}

/**
 * Local files that hold blocks (of the store itself, or of the cache), of which the owner thread may read what has been
 * checked, as long as it is in the page cache. At most OPEN_BLOCK_FILES_MAX are open; the one used longest ago is closed.
 */
export class BlockFiles {
  /** By slice id and block index; the one used last at the end. */
  readonly #files = new Map<string, BlockFile>();
  readonly #max: number;

  constructor(max = OPEN_BLOCK_FILES_MAX) {
    this.#max = max;
  }

  /** [from, to) of the block is checked and in the file. The descriptor is ours from now on. */
  add(of: { id: number; indx: number; sizeBytes: number; fd: number; from: number; to: number }): void {
    const key = `${of.id}_${of.indx}`;
    let file = this.#files.get(key);
    if (file === undefined) {
      const { id, indx, sizeBytes, fd } = of;
      file = { id, indx, sizeBytes, fd, checked: new Uint8Array(Math.ceil(sizeBytes / GRANULE_BYTES)) };
    } else {
      this.#files.delete(key);
      close(file.fd);
      file.fd = of.fd;
    }
    this.#files.set(key, file);
    const first = Math.ceil(of.from / GRANULE_BYTES);
    const end = of.to >= of.sizeBytes ? file.checked.length : Math.floor(of.to / GRANULE_BYTES);
    file.checked.fill(1, first, Math.max(first, end));
    if (this.#files.size > this.#max) this.#closeOldest();
  }

  /** Are all these bytes in a file, checked? */
  has(id: number, indx: number, off: number, len: number): boolean {
    const file = this.#files.get(`${id}_${indx}`);
    return file !== undefined && isChecked(file, off, len);
  }

  /** Bytes read into `out` at `at`: all of them, or 0 when they are not to be had without waiting. */
  read(id: number, indx: number, off: number, len: number, out: Uint8Array, at: number): number {
    const key = `${id}_${indx}`;
    const file = this.#files.get(key);
    if (file === undefined || !isChecked(file, off, len)) return 0;
    this.#files.delete(key);
    this.#files.set(key, file);
    return preadNowait(file.fd, out, at, len, off) === len ? len : 0;
  }

  get count(): number {
    return this.#files.size;
  }

  close(): void {
    while (this.#files.size > 0) this.#closeOldest();
  }

  #closeOldest(): void {
    for (const [key, file] of this.#files) {
      this.#files.delete(key);
      close(file.fd);
      return;
    }
  }
}

function isChecked(file: BlockFile, off: number, len: number): boolean {
  const end = Math.floor((off + len - 1) / GRANULE_BYTES);
  for (let granule = Math.floor(off / GRANULE_BYTES); granule <= end; granule++) {
    if (file.checked[granule] !== 1) return false;
  }
  return true;
}
