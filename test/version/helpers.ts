import { StoreError } from '../../dist/base/errors.js';
import type { GetOptions, ObjectEntry, ObjectStore, PutOptions, StoreCounts } from '../../dist/cloud/object-store.js';
import { formatLocator } from '../../dist/version/locator.js';
import { versionRecord, type NewVersion, type VersionRecord } from '../../dist/version/record.js';

/** Waits for nothing: retries are made at once. */
export const fast = { pause: () => Promise.resolve() };

export const text = (body: Uint8Array): string => Buffer.from(body).toString('utf8');

let ids = 0;

/** A number generator that gives these values, one after the other; its ids are all different. */
export function scripted(values: number[]): { below(limit: number): number; id(characters: number): string } {
  return {
    below(limit) {
      const value = values.shift();
      if (value === undefined || value >= limit) throw new Error('the script is over');
      return value;
    },
    id: (characters) => `${++ids}`.padStart(characters, 'x'),
  };
}

export function record(store: ObjectStore, of: Partial<NewVersion> = {}): VersionRecord {
  const place = { bucket: store.url, family: of.family ?? 'data-abcd', volume: of.volume ?? 'data', seq: of.seq ?? 1 };
  return versionRecord({
    ...place,
    locator: formatLocator(place),
    parent: null,
    index: { key: 'index/data-1-x.db', sha256: 'ab'.repeat(32), bytes: 4096 },
    usedBytes: 8192,
    inodeCount: 2,
    message: null,
    producedBy: null,
    writer: 'w1',
    session: 7,
    createdMs: Date.UTC(2026, 0, 2, 3, 4, 5, 678),
    blockBytes: 4 * 1024 * 1024,
    hashPrefix: false,
    adopted: false,
    host: 'here',
    ...of,
  });
}

/** The kind and message of the error that `work` ends with. */
export async function failure(work: Promise<unknown>): Promise<{ kind: string; message: string }> {
  try {
    await work;
  } catch (error) {
    const { kind, message } = error as { kind: string; message: string };
    return { kind, message };
  }
  return { kind: 'none', message: 'no error' };
}

/**
 * What happens to a request: `lost` = it never arrived; `unanswered` = it was done, but the answer was lost.
 */
export type Fault = 'lost' | 'unanswered';

/** A store whose requests fail as a script says. */
export class FaultyStore implements ObjectStore {
  readonly #inner: ObjectStore;
  /** Asked before each request. */
  fault: (method: string, key: string) => Fault | undefined = () => undefined;
  /** Called before each put arrives. */
  beforePut: (key: string) => Promise<void> = () => Promise.resolve();

  constructor(inner: ObjectStore) {
    this.#inner = inner;
  }

  get url(): string {
    return this.#inner.url;
  }

  get counts(): StoreCounts {
    return this.#inner.counts;
  }

  async put(key: string, body: Uint8Array, options?: PutOptions): Promise<'created' | 'exists'> {
    await this.beforePut(key);
    return this.#request('put', key, () => this.#inner.put(key, body, options));
  }

  get(key: string, options?: GetOptions): Promise<Uint8Array> {
    return this.#request('get', key, () => this.#inner.get(key, options));
  }

  head(key: string): Promise<{ sizeBytes: number } | undefined> {
    return this.#request('head', key, () => this.#inner.head(key));
  }

  async *list(prefix: string): AsyncIterable<ObjectEntry> {
    await this.#request('list', prefix, () => Promise.resolve());
    yield* this.#inner.list(prefix);
  }

  delete(key: string): Promise<void> {
    return this.#request('delete', key, () => this.#inner.delete(key));
  }

  async #request<T>(method: string, key: string, work: () => Promise<T>): Promise<T> {
    const fault = this.fault(method, key);
    const answer = fault === 'lost' ? undefined : await work();
    if (fault !== undefined) throw new StoreError('unavailable', 'no answer', { key });
    return answer as T;
  }
}
