import { VolumeError } from '../base/errors.js';
import { systemClock } from '../base/clock.js';
import { systemRandom } from '../base/random.js';
import { head } from '../version/history.js';
import { formatLocator } from '../version/locator.js';
import { publishVersion } from '../version/publish.js';
import { versionRecord, type VersionRecord } from '../version/record.js';
import { checkName } from './names.js';
import { openBucket } from './versions.js';

/** A fork of a volume begins its own history. */
const FIRST_SEQ = 1;
/** No session wrote anything for it. */
const NO_SESSION = 0;

/**
 * Publishes version 1 of a new volume in the family of `parent`: the same index and the same blocks, so one small object
 * whatever the size.
 * @throws VolumeError `exists` when the family has a volume of this name
 */
export async function publishFork(parent: VersionRecord, name: string): Promise<VersionRecord> {
  const volume = checkName(name);
  const { bucket, family } = parent;
  const store = await openBucket(bucket);
  const taken = new VolumeError(
    'exists',
    `the family ${family} already has a volume named ${volume}; choose another name`,
  );
  if ((await head(store, family, volume)) > 0) throw taken;
  const record = versionRecord({
    bucket,
    family,
    volume,
    seq: FIRST_SEQ,
    locator: formatLocator({ bucket, family, volume, seq: FIRST_SEQ }),
    parent,
    index: { key: parent.indexKey, sha256: parent.indexSha256, bytes: parent.indexBytes },
    usedBytes: parent.usedBytes,
    inodeCount: parent.inodeCount,
    message: null,
    producedBy: null,
    writer: systemRandom.id(16),
    session: NO_SESSION,
    createdMs: systemClock.nowMs(),
    blockBytes: parent.blockBytes,
    hashPrefix: parent.hashPrefix,
    adopted: parent.adopted,
  });
  try {
    await publishVersion(store, family, record);
  } catch (error) {
    // Somebody else took the name at this very moment.
    if (error instanceof VolumeError && error.kind === 'conflict') throw taken;
    throw error;
  }
  return record;
}
