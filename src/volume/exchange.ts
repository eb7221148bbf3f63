import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../base/clock.js';
import { StoreError, toVolumeError, VolumeError } from '../base/errors.js';
import { systemRandom } from '../base/random.js';
import { blockKey } from '../chunk/block-key.js';
import type { ObjectStore } from '../cloud/object-store.js';
import { exportIndex, juicefsPlace } from '../version/export-index.js';
import { head } from '../version/history.js';
import { importIndex, type ImportedIndex } from '../version/import-index.js';
import { getIndex, putIndex } from '../version/index-object.js';
import { formatLocator, isFamilyName, isVolumeName } from '../version/locator.js';
import { publishVersion } from '../version/publish.js';
import { versionRecord } from '../version/record.js';
import { claimSession, reserveIds } from '../version/session.js';
import { openBucket, openVersion } from './versions.js';

/**
 * Writes the index of a version as a file that juicefs opens as it is, guarded so that nothing juicefs does through it
 * harms any version: it has a range of ids of its own, which stays claimed.
 * @throws VolumeError `exists` when the file is there
 */
export async function exportVersion(locator: string, file: string): Promise<void> {
  const { store, record } = await openVersion(locator);
  const { bucket, family, volume, version } = record;
  const place = juicefsPlace(bucket, family, record.region === null ? {} : { region: record.region });
  await inFolder(async (folder) => {
    const image = join(folder, 'index.db');
    await getIndex(store, record, image);
    const ids = await claimSession(store, family, { volume, parentSeq: version });
    await exportIndex({ image: await readFile(image), out: file, place, ids });
  });
}

export interface ImportResult {
  locator: string;
  /** Where the old index is now: nobody may write through it any more. */
  retired: string;
  /** What was left behind, as sentences for people. */
  notes: string[];
}

/**
 * Adopts a JuiceFS volume with an SQLite index in place: its blocks stay where they are and are shared from now on.
 * @throws VolumeError `busy` when a client has it mounted, `exists` when it was adopted already, `not-found` when the
 *   bucket is not the volume's, `unsupported` or `corrupt` for the index
 */
export async function importVolume(path: string, bucket: string): Promise<ImportResult> {
  const imported = await importIndex(path);
  const name = familyOf(imported);
  const store = await openBucket(bucket);
  await checkBucket(store, name, imported);
  const published = await head(store, name, name);
  if (published > 0) {
    const locator = formatLocator({ bucket: store.url, family: name, volume: name, seq: published });
    throw new VolumeError('exists', `the volume is adopted already; its newest version is ${locator}`);
  }
  await reserveIds(store, name, { volume: name, parentSeq: 0, endId: imported.lastId + 1 });
  const locator = await publishImage(store, name, imported);
  return { locator, retired: await retire(path), notes: imported.notes };
}

/** The prefix of its blocks is the family, and its name the volume's. */
function familyOf({ name }: ImportedIndex): string {
  if (isFamilyName(name) && isVolumeName(name)) return name;
  if (name.includes('/')) {
    throw new VolumeError('unsupported', `the volume's name '${name}' holds a path, which forkfs does not adopt`);
  }
  throw new VolumeError('unsupported', `the volume's name '${name}' is not a name here`);
}

/** Is this the bucket that the index belongs to? */
async function checkBucket(store: ObjectStore, family: string, imported: ImportedIndex): Promise<void> {
  const key = `${family}/juicefs_uuid`;
  try {
    if ((await store.put(key, Buffer.from(imported.uuid, 'latin1'), { ifAbsent: true })) === 'exists') {
      const found = Buffer.from(await store.get(key, { offset: 0, length: 64 }))
        .toString('latin1')
        .trim();
      if (found !== imported.uuid) {
        throw new VolumeError(
          'invalid',
          `the bucket holds another volume of this name: its UUID is ${found}, not ${imported.uuid}`,
        );
      }
    }
    if (imported.sample === null) return;
    const { blockBytes, hashPrefix, sample } = imported;
    const block = `${family}/${blockKey(sample.id, 0, Math.min(sample.sizeBytes, blockBytes), hashPrefix)}`;
    if ((await store.head(block)) !== undefined) return;
    throw new VolumeError('not-found', `the bucket ${store.url} does not hold the volume's data: there is no ${block}`);
  } catch (error) {
    const isMissing = error instanceof StoreError && error.kind === 'not-found';
    throw isMissing
      ? new VolumeError('not-found', `there is no bucket ${store.url}`, { cause: error })
      : toVolumeError(error);
  }
}

async function publishImage(store: ObjectStore, name: string, imported: ImportedIndex): Promise<string> {
  const place = { bucket: store.url, family: name, volume: name, seq: 1 };
  const locator = formatLocator(place);
  const token = systemRandom.id(16);
  const sha256 = createHash('sha256').update(imported.image).digest('hex');
  const bytes = imported.image.length;
  await inFolder(async (folder) => {
    const path = join(folder, 'index.db');
    await writeFile(path, imported.image, { mode: 0o600 });
    const { key } = await putIndex(store, { family: name, volume: name, seq: 1, token, path, sha256, bytes });
    const record = versionRecord({
      ...place,
      locator,
      parent: null,
      index: { key, sha256, bytes },
      usedBytes: imported.usedBytes,
      inodeCount: imported.inodes,
      message: 'adopted from JuiceFS',
      producedBy: null,
      writer: token,
      session: 0,
      createdMs: systemClock.nowMs(),
      blockBytes: imported.blockBytes,
      hashPrefix: imported.hashPrefix,
      adopted: true,
    });
    await publishVersion(store, name, record);
  });
  return locator;
}

/** Moves the old index and its journals aside: a client that mounted it would delete blocks that versions share. */
async function retire(path: string): Promise<string> {
  const retired = `${path}.retired`;
  for (const ending of ['', '-wal', '-shm']) {
    if (existsSync(path + ending)) await rename(path + ending, retired + ending);
  }
  return retired;
}

async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'forkfs-'));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
