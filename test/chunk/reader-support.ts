import { closeSync, fstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { BLOCK_BYTES } from '../../dist/base/limits.js';
import { BlockCache } from '../../dist/chunk/block-cache.js';
import { BlockReader, type BlockReaderOptions } from '../../dist/chunk/block-reader.js';
import type { MissingPart, ToOwner } from '../../dist/chunk/messages.js';
import { FileStore } from '../../dist/cloud/file.js';
import { MemoryStore } from '../../dist/cloud/memory.js';
import type { ObjectStore } from '../../dist/cloud/object-store.js';
import { FAMILY, listeningLogger, temporaryFolder, until, WatchedStore, type TestBlock } from './store-support.ts';

export interface Answer {
  errno: number;
  body: Uint8Array | null;
}

type Posted = Extract<ToOwner, { t: 'block-file' }>;

/** A reader with its surroundings: a store that is watched, a cache, a log folder, and an owner that listens. */
export class ReaderBench {
  readonly folder = temporaryFolder('reader');
  readonly logger = listeningLogger();
  /** Objects of a store that is far away. */
  readonly remote = new WatchedStore(new MemoryStore());
  /** Objects that are files. */
  readonly local = new FileStore(join(this.folder.path, 'bucket'));
  readonly cacheDirectory = join(this.folder.path, 'cache');
  readonly logDirectory = join(this.folder.path, 'log');
  readonly posted: Posted[] = [];
  readonly #answers = new Map<number, Answer>();
  readonly #readers: BlockReader[] = [];
  readonly #openBefore = openFiles();
  #nextTicket = 1;
  #isClosed = false;

  reader(options: Partial<BlockReaderOptions> = {}): BlockReader {
    const reader = new BlockReader({
      store: this.remote,
      family: FAMILY,
      format: { blockBytes: BLOCK_BYTES, hashPrefix: false },
      cache:
        options.store === this.local
          ? null
          : new BlockCache({ directory: this.cacheDirectory, maxBytes: 2 ** 30, logger: this.logger }),
      logDirectory: this.logDirectory,
      reply: (ticket, errno, body) => {
        assert.not(this.#answers.has(ticket), 'a ticket is answered once');
        this.#answers.set(ticket, { errno, body });
      },
      post: (message) => {
        if (message.t === 'block-file') this.posted.push(message);
      },
      logger: this.logger,
      ...options,
    });
    this.#readers.push(reader);
    return reader;
  }

  async parts(reader: BlockReader, bytes: number, parts: MissingPart[]): Promise<Answer> {
    const ticket = this.#nextTicket++;
    await reader.read({ t: 'read', ticket, body: new Uint8Array(bytes), parts });
    return this.#answers.get(ticket)!;
  }

  range(reader: BlockReader, { ref }: TestBlock, off: number, len: number): Promise<Answer> {
    return this.parts(reader, len, [{ from: 'block', at: 0, len, off, block: ref }]);
  }

  /** Reads a range and compares it. */
  async check(reader: BlockReader, block: TestBlock, off: number, len: number): Promise<void> {
    const { errno, body } = await this.range(reader, block, off, len);
    assert.is(errno, 0, this.logger.text());
    assert.ok(Buffer.from(block.body.subarray(off, off + len)).equals(body!), `bytes ${off} + ${len} of ${block.key}`);
  }

  async store(block: TestBlock, store: ObjectStore = this.remote): Promise<TestBlock> {
    await store.put(block.key, block.body);
    return block;
  }

  /** The descriptors that the owner got hold the block's bytes. */
  checkPosted(block: TestBlock): void {
    const mine = this.posted.filter(({ id }) => id === block.ref.id);
    assert.ok(mine.length > 0, 'the owner has got the file');
    for (const { fd, from, to, sizeBytes } of mine) {
      assert.equal([from, to, sizeBytes], [0, block.body.length, block.body.length]);
      assert.ok(fstatSync(fd).size >= to);
      assert.ok(Buffer.from(block.body).equals(readFileSync(`/proc/self/fd/${fd}`).subarray(0, to)));
    }
  }

  /** Gives the cache time to take what was fetched. */
  async settled(reader: BlockReader): Promise<void> {
    await until(() => reader.bufferedBytes === 0);
  }

  /** False the second time: uvu calls a hook again when it failed, and only then says why. */
  async close(): Promise<boolean> {
    if (this.#isClosed) return false;
    this.#isClosed = true;
    for (const reader of this.#readers) {
      await reader.close();
      assert.is(reader.bufferedBytes, 0, 'nothing is buffered any more');
    }
    for (const { fd } of this.posted) closeSync(fd);
    this.folder.remove();
    assert.is(openFiles(), this.#openBefore, 'no descriptor is left open');
    return true;
  }
}

function openFiles(): number {
  return readdirSync('/proc/self/fd').length;
}
