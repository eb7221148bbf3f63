import * as fs from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { assert } from '../base/assert.js';
import { VolumeError, toVolumeError } from '../base/errors.js';
import { LOG_SEGMENT_BYTES } from '../base/limits.js';
import { readBase, type BaseRecord } from './local-base.js';
import { findHolder, takeLock, type Holder } from './local-lock.js';
import { RecordKind } from './log-format.js';
import { readLog } from './log-reader.js';

export type { BaseRecord, Holder };

/** One local state, as `LocalState.list` finds it. */
export interface LocalStateInfo {
  directory: string;
  base: BaseRecord;
  /** The process that has it open, or undefined. */
  holder: Holder | undefined;
  /** Is there work that no version has? For a state that is open this may be out of date at once. */
  hasUnpublished: boolean;
}

/** What a session that was killed can leave behind besides its log. */
const LEFTOVERS = /^(commit-.*\.db|.*\.tmp)$/;

/**
 * The folder of a writable mount: `lock`, `base.json`, `base-<seq>.db` and `log/`. One process has it open at a time;
 * the kernel ends the lock with the process, however that ends.
 */
export class LocalState {
  readonly directory: string;
  readonly #lockFd: number;
  #base: BaseRecord | undefined;
  #isClosed = false;

  private constructor(directory: string, lockFd: number, base: BaseRecord | undefined) {
    this.directory = directory;
    this.#lockFd = lockFd;
    this.#base = base;
  }

  /**
   * @throws VolumeError `busy` (names the process that has it), `not-found` without `create`, `corrupt` or `unsupported`
   *   when `base.json` cannot be understood, `denied`, `no-space`, `io`
   */
  static open(directory: string, options: { create: boolean }): LocalState {
    try {
      if (options.create) fs.mkdirSync(join(directory, 'log'), { recursive: true, mode: 0o700 });
      else if (!fs.existsSync(directory)) throw new VolumeError('not-found', `there is no local state in ${directory}`);
      const lockFd = takeLock(directory, options.create);
      try {
        const base = readBase(directory);
        fs.mkdirSync(join(directory, 'log'), { recursive: true, mode: 0o700 });
        for (const name of fs.readdirSync(directory)) if (LEFTOVERS.test(name)) fs.rmSync(join(directory, name));
        return new LocalState(directory, lockFd, base);
      } catch (error) {
        fs.closeSync(lockFd);
        throw error;
      }
    } catch (error) {
      throw toVolumeError(error, `the local state in ${directory} cannot be used`);
    }
  }

  /** Undefined in a state that is new. */
  get base(): BaseRecord | undefined {
    return this.#base;
  }

  get logDirectory(): string {
    return join(this.directory, 'log');
  }

  /** Where the image of a version belongs. */
  imagePath(seq: number): string {
    return join(this.directory, `base-${seq}.db`);
  }

  /** The image of `base`. */
  baseImagePath(): string {
    const image = this.#base?.image;
    assert(typeof image === 'string', 'this state has a base with an image');
    return join(this.directory, image);
  }

  /** Replaces the base: when it resolves, the new one is on the disk; at every moment there is the old or the new one. */
  async setBase(record: BaseRecord): Promise<void> {
    const path = join(this.directory, 'base.json');
    const temporary = `${path}.tmp`;
    const file = await open(temporary, 'w', 0o600);
    try {
      await file.writeFile(`${JSON.stringify(record, null, 2)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncDirectory(this.directory);
    this.#base = record;
  }

  /**
   * Makes a complete, synced image file of the same folder the base's image, under its own name, and the base a version
   * of the same volume.
   */
  async adoptImage(path: string, to: Pick<BaseRecord, 'seq' | 'locator' | 'lsn'> & { sha256: string }): Promise<void> {
    const base = this.#base;
    assert(base !== undefined, 'a base comes before the next one');
    const image = this.imagePath(to.seq);
    await rename(path, image);
    await syncDirectory(this.directory);
    const { seq, locator, lsn, sha256 } = to;
    await this.setBase({ ...base, seq, locator, lsn, image: basename(image), imageSha256: sha256 });
  }

  /** Deletes images other than the base's. */
  removeOldImages(): void {
    for (const name of fs.readdirSync(this.directory)) {
      if (/^base-\d+\.db$/.test(name) && name !== this.#base?.image) fs.rmSync(join(this.directory, name));
    }
  }

  /** Has the log changes of files that are in no version? */
  hasUnpublished(options: { segmentBytes?: number } = {}): boolean {
    return this.#base !== undefined && hasChanges(this.directory, this.#base.lsn, options.segmentBytes);
  }

  /** Lets others open it. Everything stays. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    fs.closeSync(this.#lockFd);
  }

  /** Deletes it, published or not. Nobody but its user may decide that. */
  destroy(): void {
    if (this.#isClosed) return;
    // Without base.json it is no state any more, however far the rest gets.
    fs.rmSync(join(this.directory, 'base.json'), { force: true });
    fs.rmSync(this.directory, { recursive: true, force: true });
    this.close();
    try {
      fs.rmdirSync(dirname(this.directory));
    } catch {
      // The family has other volumes here.
    }
  }

  /** All states below `root` (`<family>/<volume>`), open or not. What cannot be understood is left out. */
  static list(root: string, options: { segmentBytes?: number } = {}): LocalStateInfo[] {
    const found: LocalStateInfo[] = [];
    for (const family of subfolders(root)) {
      for (const directory of subfolders(family)) {
        let base: BaseRecord | undefined;
        try {
          base = readBase(directory);
        } catch {
          continue;
        }
        if (base === undefined) continue;
        const hasUnpublished = hasChanges(directory, base.lsn, options.segmentBytes);
        found.push({ directory, base, holder: findHolder(directory), hasUnpublished });
      }
    }
    return found;
  }
}

function hasChanges(directory: string, fromLsn: number, segmentBytes = LOG_SEGMENT_BYTES): boolean {
  for (const { kind } of readLog(join(directory, 'log'), { fromLsn, segmentBytes, fieldsOnly: true })) {
    if (kind === RecordKind.ROWS || kind === RecordKind.WRITE) return true;
  }
  return false;
}

function subfolders(directory: string): string[] {
  if (!fs.existsSync(directory)) return [];
  const entries = fs.readdirSync(directory, { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map((entry) => join(directory, entry.name));
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
