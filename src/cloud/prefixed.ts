import { checkPrefix } from './keys.js';
import type { GetOptions, ObjectEntry, ObjectStore, PutOptions, StoreCounts } from './object-store.js';

type Signalled = { signal?: AbortSignal };

/** The part of a store below a prefix, as a store of its own. Keys in errors are those of the whole store. */
export class PrefixedStore implements ObjectStore {
  readonly url: string;
  readonly #inner: ObjectStore;
  readonly #prefix: string;
  readonly localPath?: (key: string) => string;

  /** `prefix` without a slash at the end. */
  constructor(inner: ObjectStore, prefix: string) {
    this.#inner = inner;
    this.#prefix = `${prefix}/`;
    checkPrefix(this.#prefix);
    this.url = `${inner.url}/${prefix.split('/').map(encodeURIComponent).join('/')}`;
    if (inner.localPath !== undefined) this.localPath = (key) => inner.localPath!(this.#prefix + key);
  }

  get counts(): StoreCounts {
    return this.#inner.counts;
  }

  put(key: string, body: Uint8Array, options?: PutOptions): Promise<'created' | 'exists'> {
    return this.#inner.put(this.#prefix + key, body, options);
  }

  get(key: string, options?: GetOptions): Promise<Uint8Array> {
    return this.#inner.get(this.#prefix + key, options);
  }

  head(key: string, options?: Signalled): Promise<{ sizeBytes: number } | undefined> {
    return this.#inner.head(this.#prefix + key, options);
  }

  async *list(prefix: string, options?: Signalled): AsyncIterable<ObjectEntry> {
    for await (const { key, sizeBytes } of this.#inner.list(this.#prefix + prefix, options)) {
      yield { key: key.slice(this.#prefix.length), sizeBytes };
    }
  }

  delete(key: string, options?: Signalled): Promise<void> {
    return this.#inner.delete(this.#prefix + key, options);
  }
}
