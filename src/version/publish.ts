import { assert } from '../base/assert.js';
import { StoreError, toVolumeError, VolumeError } from '../base/errors.js';
import type { ObjectStore } from '../cloud/object-store.js';
import { readVersion } from './history.js';
import { parseLocator, versionKey } from './locator.js';
import { recordToJson, type VersionRecord } from './record.js';
import { retry, type RetryOptions } from './retry.js';

/**
 * Publishes a version: its record is created at the number after its parent's, where nobody else may have published. This
 * is the last step of a commit; everything that the record names is in the store before.
 *
 * A request that fails or is not answered may have arrived nevertheless, so it is repeated until the store says which
 * record stands there, and the writer's token in it tells whether it is ours.
 *
 * @throws VolumeError `conflict` when another writer published this number first; `unavailable` when the store gives no
 *   answer: then it is unknown whether the version is published, and {@link wasPublished} tells later
 */
export async function publishVersion(
  store: ObjectStore,
  family: string,
  record: VersionRecord,
  options: RetryOptions = {},
): Promise<void> {
  const { volume, version } = record;
  assert(record.family === family, 'a version is published in its own family');
  assert(continuesParent(record), 'a version follows its parent without a gap');
  const key = versionKey(family, volume, version);
  const body = Buffer.from(recordToJson(record), 'utf8');
  const put = { ifAbsent: true, ...(options.signal === undefined ? {} : { signal: options.signal }) };
  try {
    const answer = await retry(() => putOrFind(store, key, body, put), options);
    if (answer === 'created') return;
  } catch (error) {
    if (!(error instanceof StoreError && error.retryable))
      throw toVolumeError(error, `${record.locator} cannot be published`);
    throw new VolumeError(
      'unavailable',
      `the store does not answer: whether ${record.locator} is published is not known yet; nothing is lost, try again`,
      { cause: error },
    );
  }
  const standing = await readVersion(store, family, volume, version, options);
  if (standing.writer !== record.writer) throw conflict(standing);
}

/** Some stores answer a lost race with an error. */
async function putOrFind(
  store: ObjectStore,
  key: string,
  body: Uint8Array,
  options: { ifAbsent: boolean; signal?: AbortSignal },
): Promise<'created' | 'exists'> {
  try {
    return await store.put(key, body, options);
  } catch (error) {
    if (error instanceof StoreError && error.kind === 'precondition') return 'exists';
    throw error;
  }
}

/** Does the version with this writer's token stand at this number? For a publication whose outcome was not known. */
export async function wasPublished(
  store: ObjectStore,
  family: string,
  of: Pick<VersionRecord, 'volume' | 'version' | 'writer'>,
  options: RetryOptions = {},
): Promise<boolean> {
  try {
    return (await readVersion(store, family, of.volume, of.version, options)).writer === of.writer;
  } catch (error) {
    if (error instanceof VolumeError && error.kind === 'not-found') return false;
    throw error;
  }
}

function continuesParent({ family, volume, version, parent }: VersionRecord): boolean {
  if (version === 1) return true;
  if (parent === null) return false;
  const before = parseLocator(parent);
  return before.family === family && before.volume === volume && before.seq === version - 1;
}

function conflict(standing: VersionRecord): VolumeError {
  const { producedBy, host, createdMs } = standing;
  const who =
    producedBy === null ? 'another writer' : typeof producedBy === 'string' ? producedBy : JSON.stringify(producedBy);
  const where = host === null ? '' : ` on ${host}`;
  const when = createdMs === null ? '' : ` at ${new Date(createdMs).toISOString()}`;
  return new VolumeError(
    'conflict',
    `version ${standing.version} of ${standing.volume} was published first by ${who}${where}${when}; ` +
      'this work is kept: publish it with fork under a new name',
  );
}
