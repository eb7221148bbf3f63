import { toVolumeError } from '../base/errors.js';
import { openStore } from '../cloud/open-store.js';
import type { ObjectStore } from '../cloud/object-store.js';
import { head, readVersion } from '../version/history.js';
import { parseLocator } from '../version/locator.js';
import type { VersionRecord } from '../version/record.js';
import { HANDLE_FORMAT, HANDLE_KIND, parseHandle, type HandleJson } from './handle.js';

/** The store of a bucket, with errors for people. @throws VolumeError `denied` when it is a file, `unsupported` */
export async function openBucket(bucket: string): Promise<ObjectStore> {
  try {
    return await openStore(bucket);
  } catch (error) {
    throw toVolumeError(error);
  }
}

/** @throws VolumeError `invalid`, `not-found`, `unsupported` (a newer format), `corrupt` */
export async function readLocator(locator: string): Promise<VersionRecord> {
  return (await openVersion(locator)).record;
}

export async function openVersion(locator: string): Promise<{ store: ObjectStore; record: VersionRecord }> {
  const { bucket, family, volume, seq } = parseLocator(locator);
  const store = await openBucket(bucket);
  return { store, record: await readVersion(store, family, volume, seq) };
}

/** The newest published version of a volume; null when it has none. */
export async function newestVersion(bucket: string, family: string, volume: string): Promise<VersionRecord | null> {
  const store = await openBucket(bucket);
  const seq = await head(store, family, volume);
  return seq === 0 ? null : readVersion(store, family, volume, seq);
}

/** The handle of a version, or of the volume that goes on from it. `from`: the handle whose other fields go along. */
export function handleOfRecord(record: VersionRecord, access: 'ro' | 'rw', from?: HandleJson): HandleJson {
  return parseHandle({
    ...from,
    kind: HANDLE_KIND,
    name: record.volume,
    bucket: record.bucket,
    storage: record.storage,
    region: record.region ?? from?.region ?? null,
    index: { path: `${record.bucket}/${record.family}/${record.indexKey}`, sha256: record.indexSha256 },
    metadata_store_type: record.metadataStoreType,
    used_bytes: record.usedBytes,
    inode_count: record.inodeCount,
    index_bytes: record.indexBytes,
    message: record.message,
    produced_by: record.producedBy,
    parent_produced_by: record.parentProducedBy,
    access,
    family: record.family,
    volume: record.volume,
    version: record.version,
    locator: record.locator,
    format: HANDLE_FORMAT,
  });
}
