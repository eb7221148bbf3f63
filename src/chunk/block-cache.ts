import { close, fstat, futimes, open as openFile } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { assert } from '../base/assert.js';
import { systemClock, type Clock } from '../base/clock.js';
import { silentLogger, type Logger } from '../base/log.js';
import { systemRandom, type Random } from '../base/random.js';
import { trimCache } from './cache-trim.js';
import { CacheUsage } from './cache-usage.js';
import { granuleCrcs, readFully } from './granule-checker.js';

const openAsync = promisify(openFile);
const closeAsync = promisify(close);
const fstatAsync = promisify(fstat);
const futimesAsync = promisify(futimes);

const MAGIC = 0x464b4342; // "BCKF"
const TRAILER_BYTES = 16;
/** When the cache is full, so much of its limit is kept: making room for each block anew would count the folder each time. */
const KEEP = 0.9;
/** A file's time of use is not noted more often. */
const TOUCH_MS = 60_000;

export interface BlockCacheOptions {
  /** The cache is in `blocks/` of this folder; several daemons may share it. */
  directory: string;
  /** All files together, those of the other daemons too; 0 turns the cache off. */
  maxBytes: number;
  logger?: Logger;
  clock?: Clock;
  random?: Random;
}

/** A block in the cache, open for reading; the caller closes it. Its bytes have not been checked. */
export interface CachedBlock {
  /** The block's bytes are the file's first ones. */
  fd: number;
  /** Tells this file from another that takes its place. */
  ino: number;
  /** CRC-32C of each granule when it was written. */
  crcs: Uint32Array;
}

/**
 * Blocks on the local disk, one file each: the block, its granules' CRCs (u32), and 16 bytes: magic, number of CRCs, bytes
 * of the block, CRC of all this (u32, little endian). A file is written under another name first and never changes; it is
 * not synced, so after a crash it may hold anything, which its CRCs tell.
 *
 * Nothing that goes wrong here fails a read: the cache then has no such block, and the log says so once.
 */
export class BlockCache {
  readonly #directory: string;
  readonly #maxBytes: number;
  readonly #usage: CacheUsage;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #said = new Set<string>();

  constructor(options: BlockCacheOptions) {
    this.#directory = join(options.directory, 'blocks');
    this.#maxBytes = options.maxBytes;
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? systemRandom;
    this.#logger = options.logger ?? silentLogger;
    this.#usage = new CacheUsage(this.#directory, { clock: this.#clock });
  }

  /** The block with this key (family first), if it is there in its full length. */
  async open(key: string, sizeBytes: number): Promise<CachedBlock | undefined> {
    if (this.#maxBytes === 0) return undefined;
    let fd: number;
    try {
      fd = await openAsync(this.#path(key), 'r');
    } catch (error) {
      this.#say(error);
      return undefined;
    }
    try {
      const { ino, size, mtimeMs } = await fstatAsync(fd);
      const crcs = await readFooter(fd, size, sizeBytes);
      if (crcs !== undefined) {
        const nowMs = this.#clock.nowMs();
        if (nowMs - mtimeMs > TOUCH_MS) await futimesAsync(fd, nowMs / 1000, nowMs / 1000).catch(() => undefined);
        return { fd, ino, crcs };
      }
      this.#logger.warn({ key }, 'a file of the read cache is not what was written; it is fetched again');
      await this.remove(key);
    } catch (error) {
      this.#say(error);
    }
    await closeAsync(fd);
    return undefined;
  }

  /** Keeps a block, and makes room for it. `crcs` are those of its granules. Answers whether it is in the cache now. */
  async put(key: string, body: Uint8Array, crcs: Uint32Array): Promise<boolean> {
    const footer = makeFooter(body.length, crcs);
    const bytes = body.length + footer.length;
    if (bytes > this.#maxBytes) return false;
    const path = this.#path(key);
    const temporary = `${path}.${this.#random.id(8)}.tmp`;
    try {
      if (!(await this.#reserve(temporary, bytes))) return false;
      const file = await open(temporary, 'r+');
      try {
        await writeFully(file, body, 0);
        await writeFully(file, footer, body.length);
      } finally {
        await file.close();
      }
      await rename(temporary, path);
      return true;
    } catch (error) {
      this.#say(error);
      await rm(temporary, { force: true }).catch(() => undefined);
      return false;
    }
  }

  /** Forgets a block, which may be in use: files that are open stay readable. */
  async remove(key: string): Promise<void> {
    await rm(this.#path(key), { force: true }).catch((error: unknown) => this.#say(error));
  }

  /**
   * Makes the file in its full size, empty, and counts it, all under the lock: from here on every daemon sees its bytes.
   * False when there is no room, or others are too busy making some.
   */
  async #reserve(temporary: string, bytes: number): Promise<boolean> {
    const isReserved = await this.#usage.locked(async (usage) => {
      let used = usage.bytes;
      if (used === undefined || used + bytes > this.#maxBytes) {
        const goal = Math.min(this.#maxBytes * KEEP, this.#maxBytes - bytes);
        used = await trimCache(
          this.#directory,
          used === undefined ? this.#maxBytes - bytes : goal,
          this.#clock.nowMs(),
        );
        usage.set(used);
        if (used + bytes > this.#maxBytes) return false;
      }
      usage.set(used + bytes);
      await mkdir(dirname(temporary), { recursive: true, mode: 0o700 });
      const file = await open(temporary, 'wx', 0o600);
      try {
        await file.truncate(bytes);
      } finally {
        await file.close();
      }
      return true;
    });
    return isReserved === true;
  }

  #path(key: string): string {
    assert(!key.split('/').includes('..'), 'a key stays in its folder');
    return join(this.#directory, key);
  }

  /** Once for each kind of failure. */
  #say(error: unknown): void {
    const code = (error as NodeJS.ErrnoException | null)?.code ?? String(error);
    if (code === 'ENOENT' || this.#said.has(code)) return;
    this.#said.add(code);
    this.#logger.warn({ code, directory: this.#directory }, 'the read cache cannot be used as it should; reads go on');
  }
}

async function writeFully(file: Awaited<ReturnType<typeof open>>, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    done += (await file.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
  }
}

function makeFooter(sizeBytes: number, crcs: Uint32Array): Uint8Array {
  const footer = new Uint8Array(4 * crcs.length + TRAILER_BYTES);
  const view = new DataView(footer.buffer);
  for (const [i, crc] of crcs.entries()) view.setUint32(4 * i, crc, true);
  const at = 4 * crcs.length;
  view.setUint32(at, MAGIC, true);
  view.setUint32(at + 4, crcs.length, true);
  view.setUint32(at + 8, sizeBytes, true);
  view.setUint32(at + 12, granuleCrcs(footer.subarray(0, at + 12))[0] ?? 0, true);
  return footer;
}

/** The CRCs; undefined when this is no whole file of a block of this size. */
async function readFooter(fd: number, fileBytes: number, sizeBytes: number): Promise<Uint32Array | undefined> {
  const footer = new Uint8Array(Math.max(0, Math.min(fileBytes - sizeBytes, 64 * 1024)));
  const at = footer.length - TRAILER_BYTES;
  if (at < 0 || at % 4 !== 0 || (await readFully(fd, footer, sizeBytes)) < footer.length) return undefined;
  const view = new DataView(footer.buffer);
  const isRight =
    view.getUint32(at, true) === MAGIC &&
    4 * view.getUint32(at + 4, true) === at &&
    view.getUint32(at + 8, true) === sizeBytes &&
    view.getUint32(at + 12, true) === granuleCrcs(footer.subarray(0, at + 12))[0];
  if (!isRight) return undefined;
  return Uint32Array.from({ length: at / 4 }, (_, i) => view.getUint32(4 * i, true));
}
