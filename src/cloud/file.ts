import { constants, type Stats } from 'node:fs';
import { link, open, rename, rm, stat, unlink, type FileHandle } from 'node:fs/promises';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { assert } from '../base/assert.js';
import { StoreError } from '../base/errors.js';
import { systemRandom, type Random } from '../base/random.js';
import { DurableDirectories } from './durable-directories.js';
import { errorCode, fileError } from './file-error.js';
import { listFiles } from './file-list.js';
import { checkKey, checkPrefix, temporaryName } from './keys.js';
import { zeroCounts, type GetOptions, type ObjectEntry, type ObjectStore, type PutOptions } from './object-store.js';

type Signalled = { signal?: AbortSignal };

/**
 * Objects as files of a folder: key `a/b` is the file `a/b` in it. An object appears by a link or a rename of a file that
 * is whole and on the disk already, so nobody sees half of one, and a crash leaves at most a temporary name.
 */
export class FileStore implements ObjectStore {
  readonly url: string;
  readonly counts = zeroCounts();
  readonly #root: string;
  readonly #random: Random;
  readonly #directories: DurableDirectories;

  /** `root` is absolute; it need not be there before the first put. */
  constructor(root: string, options: { random?: Random } = {}) {
    assert(isAbsolute(root), 'a file store has an absolute path');
    this.#root = resolve(root);
    this.url = pathToFileURL(this.#root).href;
    this.#random = options.random ?? systemRandom;
    this.#directories = new DurableDirectories(this.#root);
  }

  /** @throws StoreError `denied` when something that is not a folder has the name, or it cannot be looked at */
  static async open(root: string): Promise<FileStore> {
    const store = new FileStore(root);
    let found: Stats;
    try {
      found = await stat(store.#root);
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return store;
      throw fileError(error, 'the bucket cannot be opened', { path: store.#root });
    }
    if (!found.isDirectory()) throw new StoreError('denied', `the bucket is not a folder (${store.#root})`);
    return store;
  }

  localPath(key: string): string {
    checkKey(key);
    return join(this.#root, key);
  }

  async put(key: string, body: Uint8Array, options: PutOptions = {}): Promise<'created' | 'exists'> {
    const path = this.localPath(key);
    options.signal?.throwIfAborted();
    this.counts.put++;
    try {
      if (options.ifAbsent === true && (await this.#stands(path))) return 'exists';
      const answer = await this.#write(path, body, options);
      if (answer === 'created') this.counts.bytesPut += body.length;
      return answer;
    } catch (error) {
      throw fileError(error, 'an object cannot be stored', { key, path: this.#root });
    }
  }

  async get(key: string, options: GetOptions = {}): Promise<Uint8Array> {
    const path = this.localPath(key);
    options.signal?.throwIfAborted();
    this.counts.get++;
    try {
      const body = await readFileRange(path, options);
      this.counts.bytesGot += body.length;
      return body;
    } catch (error) {
      throw readError(error, key, this.#root);
    }
  }

  async head(key: string, options: Signalled = {}): Promise<{ sizeBytes: number } | undefined> {
    const path = this.localPath(key);
    options.signal?.throwIfAborted();
    this.counts.head++;
    try {
      const found = await stat(path);
      return found.isFile() ? { sizeBytes: found.size } : undefined;
    } catch (error) {
      const known = readError(error, key, this.#root);
      if (known instanceof StoreError && known.kind === 'not-found') return undefined;
      throw known;
    }
  }

  async *list(prefix: string, options: Signalled = {}): AsyncIterable<ObjectEntry> {
    checkPrefix(prefix);
    this.counts.list++;
    try {
      yield* listFiles(this.#root, prefix, options.signal);
    } catch (error) {
      throw fileError(error, 'objects cannot be listed', { key: prefix, path: this.#root });
    }
  }

  async delete(key: string, options: Signalled = {}): Promise<void> {
    const path = this.localPath(key);
    options.signal?.throwIfAborted();
    this.counts.delete++;
    try {
      await unlink(path);
    } catch (error) {
      // A folder is no object, so there was none.
      if (['ENOENT', 'ENOTDIR', 'EISDIR'].includes(errorCode(error) ?? '')) return;
      throw fileError(error, 'an object cannot be deleted', { key, path: this.#root });
    }
  }

  /** Spares writing a body that loses anyway. */
  async #stands(path: string): Promise<boolean> {
    const found = await stat(path).catch(() => undefined);
    if (found?.isFile() !== true) return false;
    // Whoever made it may not have come to this yet, and our caller will rely on it.
    await this.#directories.sync(dirname(path));
    return true;
  }

  async #write(path: string, body: Uint8Array, options: PutOptions): Promise<'created' | 'exists'> {
    const directory = dirname(path);
    const temporary = join(directory, temporaryName(this.#random.id(16)));
    const file = await this.#create(temporary);
    try {
      try {
        for (let at = 0; at < body.length;) {
          options.signal?.throwIfAborted();
          at += (await file.write(body, at, body.length - at)).bytesWritten;
        }
        await file.sync();
      } finally {
        await file.close();
      }
      options.signal?.throwIfAborted();
      if (options.ifAbsent === true) {
        if (!(await linkIfAbsent(temporary, path))) {
          await this.#directories.sync(directory);
          return 'exists';
        }
      } else {
        await rename(temporary, path);
      }
      await this.#directories.sync(directory);
      return 'created';
    } finally {
      await rm(temporary, { force: true });
    }
  }

  /** Opens the temporary file; folders that somebody removed since are made again. */
  async #create(temporary: string): Promise<FileHandle> {
    const directory = dirname(temporary);
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#directories.ensure(directory);
        return await open(temporary, 'wx', 0o666);
      } catch (error) {
        if (errorCode(error) !== 'ENOENT' || attempt === 3) throw error;
        this.#directories.forget();
      }
    }
  }
}

/** False when an object stands there. */
async function linkIfAbsent(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
    const standing = await stat(to).catch(() => undefined);
    if (standing?.isDirectory() === true) throw error;
    return false;
  }
}

async function readFileRange(path: string, { offset = 0, length = Infinity, signal }: GetOptions): Promise<Uint8Array> {
  // O_NONBLOCK: a FIFO that somebody put there would make the open wait for ever.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const found = await file.stat();
    if (!found.isFile()) throw Object.assign(new Error('not a file'), { code: 'ENOENT' });
    const body = new Uint8Array(Math.max(0, Math.min(length, found.size - offset)));
    let done = 0;
    while (done < body.length) {
      signal?.throwIfAborted();
      const { bytesRead } = await file.read(body, done, body.length - done, offset + done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return body.subarray(0, done);
  } finally {
    await file.close();
  }
}

/** Where a part of the key is a file, there is no object either. */
function readError(error: unknown, key: string, root: string): Error {
  if (errorCode(error) === 'ENOTDIR') {
    return new StoreError('not-found', 'there is no such object', { key, cause: error });
  }
  return fileError(error, 'an object cannot be read', { key, path: root });
}
