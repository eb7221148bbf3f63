import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GRANULE_BYTES } from '../../dist/base/limits.js';
import type { Logger } from '../../dist/base/log.js';
import { blockKey } from '../../dist/chunk/block-key.js';
import { segmentPath } from '../../dist/chunk/log-names.js';
import type { BlockRef, SealedPack } from '../../dist/chunk/messages.js';
import type { GetOptions, ObjectEntry, ObjectStore, PutOptions, StoreCounts } from '../../dist/cloud/object-store.js';

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

/** CRC-32C by a table: another way than the kernels'. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = TABLE[(crc ^ byte) & 0xff]! ^ (crc >>> 8);
  return ~crc >>> 0;
}

export function granules(bytes: Uint8Array): Uint32Array {
  const count = Math.ceil(bytes.length / GRANULE_BYTES);
  return Uint32Array.from({ length: count }, (_, i) =>
    crc32c(bytes.subarray(i * GRANULE_BYTES, (i + 1) * GRANULE_BYTES)),
  );
}

export function temporaryFolder(name: string): { path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), `forkfs-${name}-`));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** Bytes that differ from each other in every granule and from one seed to the next. */
export function noise(length: number, seed: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(length / 4));
  let state = (seed * 0x9e3779b9) >>> 0 || 1;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return new Uint8Array(words.buffer, 0, length);
}

export interface TestBlock {
  ref: BlockRef;
  body: Uint8Array;
  /** With the family. */
  key: string;
}

export const FAMILY = 'data-abcd';

export function makeBlock(id: number, sizeBytes: number, options: { adopted?: boolean } = {}): TestBlock {
  const body = noise(sizeBytes, id);
  const ref: BlockRef = { id, indx: 0, sizeBytes };
  if (options.adopted !== true) ref.crcs = granules(body);
  return { ref, body, key: `${FAMILY}/${blockKey(id, 0, sizeBytes, false)}` };
}

/** Segment files of a log, and packs whose pieces lie in them with gaps in between. */
export function makePacks(
  directory: string,
  segmentBytes: number,
  sizes: number[],
): { pack: SealedPack; body: Uint8Array }[] {
  mkdirSync(directory, { recursive: true });
  const segments = new Map<number, Uint8Array>();
  let lsn = 5 * segmentBytes + 96;
  const packs = sizes.map((sizeBytes, n) => {
    const body = noise(sizeBytes, 1000 + n);
    const lsns: number[] = [];
    const lens: number[] = [];
    for (let at = 0; at < sizeBytes;) {
      const left = segmentBytes - (lsn % segmentBytes);
      const len = Math.min(left, sizeBytes - at, 30_000 + ((at * 7) % 90_000));
      const start = lsn - (lsn % segmentBytes);
      if (!segments.has(start)) segments.set(start, new Uint8Array(segmentBytes));
      segments.get(start)!.set(body.subarray(at, at + len), lsn % segmentBytes);
      lsns.push(lsn);
      lens.push(len);
      at += len;
      lsn += len + 104;
    }
    return { pack: { id: 77 + n, sizeBytes, lsns: Float64Array.from(lsns), lens: Uint32Array.from(lens) }, body };
  });
  for (const [start, bytes] of segments) writeFileSync(segmentPath(directory, start), bytes);
  return packs;
}

export interface Line {
  level: keyof Logger;
  fields: Record<string, unknown>;
  message: string;
}

/** Remembers what was said. */
export function listeningLogger(): Logger & { lines: Line[]; text(): string } {
  const lines: Line[] = [];
  const say =
    (level: keyof Logger) =>
    (fields: object, message: string): void => {
      lines.push({ level, fields: fields as Record<string, unknown>, message });
    };
  return {
    lines,
    text: () => JSON.stringify(lines),
    debug: say('debug'),
    info: say('info'),
    warn: say('warn'),
    error: say('error'),
  };
}

/** A store whose requests can be held back, failed or changed, and that says how many were under way at one time. */
export class WatchedStore implements ObjectStore {
  readonly #inner: ObjectStore;
  readonly puts: { key: string; options: PutOptions }[] = [];
  readonly gets: { key: string; offset: number | undefined; length: number | undefined }[] = [];
  running = 0;
  runningMax = 0;
  beforePut: (key: string, signal?: AbortSignal) => Promise<void> = () => Promise.resolve();
  afterPut: (key: string) => Promise<void> = () => Promise.resolve();
  beforeGet: (key: string, signal?: AbortSignal) => Promise<void> = () => Promise.resolve();
  onBody: (body: Uint8Array, key: string) => Uint8Array = (body) => body;

  constructor(inner: ObjectStore) {
    this.#inner = inner;
  }

  get url(): string {
    return this.#inner.url;
  }

  get counts(): StoreCounts {
    return this.#inner.counts;
  }

  async put(key: string, body: Uint8Array, options: PutOptions = {}): Promise<'created' | 'exists'> {
    this.puts.push({ key, options });
    this.runningMax = Math.max(this.runningMax, ++this.running);
    try {
      await this.beforePut(key, options.signal);
      const answer = await this.#inner.put(key, body, options);
      await this.afterPut(key);
      return answer;
    } finally {
      this.running--;
    }
  }

  async get(key: string, options: GetOptions = {}): Promise<Uint8Array> {
    this.gets.push({ key, offset: options.offset, length: options.length });
    await this.beforeGet(key, options.signal);
    return this.onBody(await this.#inner.get(key, options), key);
  }

  head(key: string): Promise<{ sizeBytes: number } | undefined> {
    return this.#inner.head(key);
  }

  list(prefix: string): AsyncIterable<ObjectEntry> {
    return this.#inner.list(prefix);
  }

  delete(key: string): Promise<void> {
    return this.#inner.delete(key);
  }
}

/** Gives the event loop turns until the condition holds; a test that waits in vain fails by its runner's limit. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}
