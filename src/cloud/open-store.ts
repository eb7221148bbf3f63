import { fileURLToPath } from 'node:url';
import { VolumeError } from '../base/errors.js';
import { parseBucket } from './bucket.js';
import { FileStore } from './file.js';
import { MemoryStore } from './memory.js';
import type { ObjectStore } from './object-store.js';

export { parseBucket, type Bucket } from './bucket.js';

/**
 * Opens the store of a bucket: `file:///absolute/folder` (which need not be there yet), or
 * `memory:name` in tests, which made it by `MemoryStore.named`.
 * @throws VolumeError `invalid` for a URI that is none, `unsupported` for a kind of store that this forkfs does not have;
 *   StoreError `denied` when the folder is a file
 */
export async function openStore(url: string): Promise<ObjectStore> {
  const bucket = parseBucket(url);
  if (bucket.url.startsWith('memory:')) return memoryStore(bucket.url);
  switch (bucket.storage) {
    case 'file':
      return FileStore.open(fileURLToPath(bucket.url));
    case 's3':
    case 'gs':
    case 'wasb':
      throw new VolumeError(
        'unsupported',
        `bucket: this forkfs has no '${bucket.storage}' store; use a file:/// URI (${bucket.url})`,
      );
    default:
      return bucket.storage satisfies never;
  }
}

/** A volume that ends with a process is nobody's wish, so a store like this is not made by naming it. */
function memoryStore(url: string): MemoryStore {
  const store = MemoryStore.find(url);
  if (store !== undefined) return store;
  throw new VolumeError(
    'unsupported',
    `bucket: ${url} is only for tests, in the process that made it; use a file:/// URI`,
  );
}
