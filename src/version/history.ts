import { VolumeError, StoreError, toVolumeError } from '../base/errors.js';
import { RECORD_BYTES_MAX } from '../base/limits.js';
import type { ObjectStore } from '../cloud/object-store.js';
import { parseBucket } from '../cloud/open-store.js';
import { formatLocator, isVolumeName, versionKey, versionsPrefix } from './locator.js';
import { parseRecord, type VersionRecord } from './record.js';
import { retry, type RetryOptions } from './retry.js';

const RECORD = /^([1-9]\d{0,15})\/volume\.json$/;

/** Numbers of all published versions of a volume, ascending. Numbers are plain decimals, so keys do not list in order. */
export async function listVersions(
  store: ObjectStore,
  family: string,
  volume: string,
  options: RetryOptions = {},
): Promise<number[]> {
  const prefix = versionsPrefix(family, volume);
  const read = async (): Promise<number[]> => {
    const seqs: number[] = [];
    for await (const { key } of store.list(prefix, signalOf(options))) {
      const seq = Number(RECORD.exec(key.slice(prefix.length))?.[1] ?? NaN);
      if (Number.isSafeInteger(seq)) seqs.push(seq);
    }
    return seqs.toSorted((a, b) => a - b);
  };
  return retry(read, options).catch((error: unknown) => {
    throw toVolumeError(error, `the versions of ${volume} cannot be listed`);
  });
}

/** Number of the newest published version; 0 when there is none. */
export async function head(
  store: ObjectStore,
  family: string,
  volume: string,
  options: RetryOptions = {},
): Promise<number> {
  return (await listVersions(store, family, volume, options)).at(-1) ?? 0;
}

/** Names of the volumes of a family that have published anything, sorted. */
export async function listVolumes(store: ObjectStore, family: string, options: RetryOptions = {}): Promise<string[]> {
  const prefix = `${family}/versions/`;
  const names = new Set<string>();
  try {
    for await (const { key } of store.list(prefix, signalOf(options))) {
      const [name = ''] = key.slice(prefix.length).split('/');
      if (isVolumeName(name)) names.add(name);
    }
  } catch (error) {
    throw toVolumeError(error, `the volumes of ${family} cannot be listed`);
  }
  return [...names].toSorted();
}

/**
 * The record of a version. A bucket may have been moved or copied: bucket and locator are those where it was found.
 * @throws VolumeError `not-found`; `corrupt`, `invalid` or `unsupported` for what is there
 */
export async function readVersion(
  store: ObjectStore,
  family: string,
  volume: string,
  seq: number,
  options: RetryOptions = {},
): Promise<VersionRecord> {
  const locator = formatLocator({ bucket: store.url, family, volume, seq });
  const key = versionKey(family, volume, seq);
  let body: Uint8Array;
  try {
    const range = { offset: 0, length: RECORD_BYTES_MAX + 1, ...signalOf(options) };
    body = await retry(() => store.get(key, range), options);
  } catch (error) {
    if (error instanceof StoreError && error.kind === 'not-found') {
      throw new VolumeError('not-found', `there is no version at ${locator}`, { cause: error });
    }
    throw toVolumeError(error, `version ${seq} of ${volume} cannot be read`);
  }
  if (body.length > RECORD_BYTES_MAX) throw new VolumeError('corrupt', `${locator} is larger than any record`);
  const record = parseRecord(Buffer.from(body).toString('utf8'), locator);
  if (record.family !== family || record.volume !== volume || record.version !== seq) {
    const said = `version ${record.version} of ${record.family}/${record.volume}`;
    throw new VolumeError('corrupt', `${locator} holds the record of ${said}`);
  }
  const { url: bucket, storage } = parseBucket(store.url);
  return { ...record, bucket, storage, locator };
}

function signalOf({ signal }: RetryOptions): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}
