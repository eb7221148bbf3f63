import { fileURLToPath } from 'node:url';
import { VolumeError } from '../base/errors.js';
import { parseBucket } from './bucket.js';
import { FileStore } from './file.js';
import { MemoryStore } from './memory.js';
import type { ObjectStore } from './object-store.js';

export { parseBucket, type Bucket } from './bucket.js';

/** By name, so that whoever opens one twice finds what it put there. */
const memoryStores = new Map<string, MemoryStore>();

/**
 * Opens the store of a bucket: `file:///absolute/folder` (which need not be there yet), or `memory:name` in tests.
 * @throws VolumeError `invalid` for a URI that is none, `unsupported` for a kind of store that this forkfs does not have;
 *   StoreError `denied` when the folder is a file
 */
export async function openStore(url: string): Promise<ObjectStore> {
  const bucket = parseBucket(url);
  if (bucket.url.startsWith('memory:')) return memoryStore(bucket.url.slice('memory:'.length));
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

function memoryStore(name: string): MemoryStore {
  let store = memoryStores.get(name);
  if (store === undefined) {
    store = new MemoryStore(name);
    memoryStores.set(name, store);
  }
  return store;
}
