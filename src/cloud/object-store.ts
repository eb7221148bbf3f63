/**
 * What forkfs needs of an object store, and no more: whole-object puts, create-if-absent, range reads, listing, delete.
 * No compare-and-swap and no conditional delete: stores differ there, so nothing relies on them.
 *
 * Keys are relative, `/`-separated, without leading slash, `.` or `..` segments. Every failure is a `StoreError`.
 */
export interface ObjectStore {
  /** The URL this store was opened with, without a slash at the end: `file:///data/bucket`, `s3://bucket/prefix`. */
  readonly url: string;

  /**
   * Stores an object whole: a reader sees all of it or nothing, and after the promise is fulfilled it survives a crash.
   * With `ifAbsent` an existing object is left alone and the answer is `'exists'`.
   */
  put(key: string, body: Uint8Array, options?: PutOptions): Promise<'created' | 'exists'>;

  /**
   * Reads an object or a range of it. A range that reaches past the end is cut there; the whole object without one.
   * @throws StoreError `not-found` when there is no such object
   */
  get(key: string, options?: GetOptions): Promise<Uint8Array>;

  /** Size in bytes, or undefined when there is no such object. */
  head(key: string, options?: { signal?: AbortSignal }): Promise<{ sizeBytes: number } | undefined>;

  /** All objects whose key starts with `prefix`, in bytewise order of their keys. */
  list(prefix: string, options?: { signal?: AbortSignal }): AsyncIterable<ObjectEntry>;

  /** Deletes an object; one that is not there is no error. */
  delete(key: string, options?: { signal?: AbortSignal }): Promise<void>;

  /** Requests made so far, by kind: for `.stats` and for tests. */
  readonly counts: StoreCounts;

  /** Stores whose objects are files of this machine say which: the file holds the object's bytes and nothing else. */
  localPath?(key: string): string;
}

export interface PutOptions {
  ifAbsent?: boolean;
  /** CRC-32C of the body; stores that can check it on arrival do. */
  crc32c?: number;
  signal?: AbortSignal;
}

export interface GetOptions {
  offset?: number;
  length?: number;
  signal?: AbortSignal;
}

export interface ObjectEntry {
  key: string;
  sizeBytes: number;
}

export interface StoreCounts {
  put: number;
  get: number;
  head: number;
  list: number;
  delete: number;
  bytesPut: number;
  bytesGot: number;
}

export function zeroCounts(): StoreCounts {
  return { put: 0, get: 0, head: 0, list: 0, delete: 0, bytesPut: 0, bytesGot: 0 };
}
