import { close, closeSync, fstat, open } from 'node:fs';
import { promisify } from 'node:util';
import { assert } from '../base/assert.js';
import { StoreError } from '../base/errors.js';
import { GRANULE_BYTES } from '../base/limits.js';
import { fileError } from '../cloud/file-error.js';
import { firstBadGranule, granuleCrcs, readFully, type GranuleChecker } from './granule-checker.js';
import type { BlockRef } from './messages.js';

const openAsync = promisify(open);
const closeAsync = promisify(close);
const fstatAsync = promisify(fstat);

/** A local file whose first bytes are those of a block, open for reading. Its owner closes it, or hands over `takeFd()`. */
export class LocalBlock {
  readonly key: string;
  readonly ino: number;
  readonly sizeBytes: number;
  /** Undefined when nobody ever made checksums of the block. */
  readonly crcs: Uint32Array | undefined;
  #fd: number;

  constructor(key: string, file: { fd: number; ino: number; sizeBytes: number; crcs: Uint32Array | undefined }) {
    this.key = key;
    this.#fd = file.fd;
    this.ino = file.ino;
    this.sizeBytes = file.sizeBytes;
    this.crcs = file.crcs;
  }

  /**
   * The file of an object of a store on this machine.
   * @throws StoreError `not-found`; `corrupt` when it is longer or shorter than the block
   */
  static async ofObject(path: string, key: string, { sizeBytes, crcs }: BlockRef): Promise<LocalBlock> {
    let fd: number;
    try {
      fd = await openAsync(path, 'r');
    } catch (error) {
      throw fileError(error, 'a block cannot be opened', { key });
    }
    try {
      const { ino, size } = await fstatAsync(fd);
      if (size === sizeBytes) return new LocalBlock(key, { fd, ino, sizeBytes, crcs });
      throw new StoreError('corrupt', `a block has ${size} bytes in place of ${sizeBytes}`, { key });
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  /** Checks all granules. @throws StoreError `corrupt` */
  async check(checker: GranuleChecker): Promise<void> {
    if (this.crcs === undefined) return;
    let found: Uint32Array;
    try {
      found = await checker.ofFile(this.#fd, this.sizeBytes);
    } catch (error) {
      throw fileError(error, 'a block cannot be read', { key: this.key });
    }
    if (found.length !== this.crcs.length) throw this.#corrupt('it is cut short');
    const bad = firstBadGranule(found, this.crcs);
    if (bad >= 0) throw this.#corrupt(`checksum of granule ${bad}`);
  }

  /** Fills `into` from `from` on, without a check. @throws StoreError `corrupt` when the file is too short */
  async read(into: Uint8Array, from: number): Promise<void> {
    let got: number;
    try {
      got = await readFully(this.#fd, into, from);
    } catch (error) {
      throw fileError(error, 'a block cannot be read', { key: this.key });
    }
    if (got < into.length) throw this.#corrupt('it is cut short');
  }

  /** Fills `into` from `from` on, after checking the granules that it touches. @throws StoreError `corrupt` */
  async readChecked(into: Uint8Array, from: number): Promise<void> {
    if (this.crcs === undefined) return this.read(into, from);
    const first = Math.floor(from / GRANULE_BYTES);
    const end = Math.min(this.sizeBytes, Math.ceil((from + into.length) / GRANULE_BYTES) * GRANULE_BYTES);
    const bytes = new Uint8Array(end - first * GRANULE_BYTES);
    await this.read(bytes, first * GRANULE_BYTES);
    const bad = firstBadGranule(granuleCrcs(bytes), this.crcs, first);
    if (bad >= 0) throw this.#corrupt(`checksum of granule ${bad}`);
    into.set(bytes.subarray(from - first * GRANULE_BYTES, from - first * GRANULE_BYTES + into.length));
  }

  /** The descriptor is the caller's from now on, and nothing can be read here any more. */
  takeFd(): number {
    assert(this.#fd >= 0, 'a descriptor is taken once');
    const fd = this.#fd;
    this.#fd = -1;
    return fd;
  }

  async close(): Promise<void> {
    if (this.#fd >= 0) await closeAsync(this.takeFd());
  }

  #corrupt(why: string): StoreError {
    return new StoreError('corrupt', `a block is not what was written (${why})`, { key: this.key });
  }
}
