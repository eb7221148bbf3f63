import { StoreError } from '../base/errors.js';
import { checkKey, checkPrefix, compareKeys } from './keys.js';
import { zeroCounts, type GetOptions, type ObjectEntry, type ObjectStore, type PutOptions } from './object-store.js';

type Signalled = { signal?: AbortSignal };

/** Stores that can be found by their URL. */
const named = new Map<string, MemoryStore>();

/** Objects in this process's memory: the twin of the other stores, for tests. */
export class MemoryStore implements ObjectStore {
  readonly url: string;
  readonly counts = zeroCounts();
  readonly #objects = new Map<string, Uint8Array>();

  constructor(name = 'store') {
    this.url = `memory:${name}`;
  }

  /** The store of this name, the same one each time; `openStore` finds it in this process from now on. */
  static named(name: string): MemoryStore {
    const store = named.get(name) ?? new MemoryStore(name);
    named.set(name, store);
    return store;
  }

  static find(url: string): MemoryStore | undefined {
    return named.get(url.slice('memory:'.length));
  }

  async put(key: string, body: Uint8Array, options: PutOptions = {}): Promise<'created' | 'exists'> {
    checkKey(key);
    options.signal?.throwIfAborted();
    this.counts.put++;
    if (options.ifAbsent === true && this.#objects.has(key)) return 'exists';
    this.#objects.set(key, Uint8Array.from(body));
    this.counts.bytesPut += body.length;
    return 'created';
  }

  async get(key: string, options: GetOptions = {}): Promise<Uint8Array> {
    checkKey(key);
    options.signal?.throwIfAborted();
    this.counts.get++;
    const object = this.#objects.get(key);
    if (object === undefined) throw new StoreError('not-found', 'there is no such object', { key });
    const { offset = 0, length = Infinity } = options;
    const body = object.slice(offset, Math.min(object.length, offset + length));
    this.counts.bytesGot += body.length;
    return body;
  }

  async head(key: string, options: Signalled = {}): Promise<{ sizeBytes: number } | undefined> {
    checkKey(key);
    options.signal?.throwIfAborted();
    this.counts.head++;
    const object = this.#objects.get(key);
    return object === undefined ? undefined : { sizeBytes: object.length };
  }

  async *list(prefix: string, options: Signalled = {}): AsyncIterable<ObjectEntry> {
    checkPrefix(prefix);
    this.counts.list++;
    const keys = [...this.#objects.keys()].filter((key) => key.startsWith(prefix)).sort(compareKeys);
    for (const key of keys) {
      options.signal?.throwIfAborted();
      const object = this.#objects.get(key);
      if (object !== undefined) yield { key, sizeBytes: object.length };
    }
  }

  async delete(key: string, options: Signalled = {}): Promise<void> {
    checkKey(key);
    options.signal?.throwIfAborted();
    this.counts.delete++;
    this.#objects.delete(key);
  }
}
