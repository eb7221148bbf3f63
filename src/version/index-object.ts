import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { StoreError, toVolumeError, VolumeError } from '../base/errors.js';
import { INDEX_BYTES_MAX, MIB } from '../base/limits.js';
import { systemRandom } from '../base/random.js';
import type { ObjectStore } from '../cloud/object-store.js';
import type { VersionRecord } from './record.js';
import { retry, type RetryOptions } from './retry.js';

/** Bytes of an index that are in memory at one time while it is fetched. */
const PART_BYTES = 8 * MIB;

export interface IndexImage {
  family: string;
  volume: string;
  seq: number;
  /** Random text: two writers of one version do not meet at one key. */
  token: string;
  /** The local file. */
  path: string;
  sha256: string;
  bytes: number;
}

/**
 * Stores an index image; answers its key below the family's prefix.
 * @throws VolumeError `corrupt` when the local file is not what it was built as
 */
export async function putIndex(
  store: ObjectStore,
  image: IndexImage,
  options: RetryOptions = {},
): Promise<{ key: string }> {
  const key = `index/${image.volume}-${image.seq}-${image.token}.db`;
  try {
    const body = await readFile(image.path);
    if (body.length !== image.bytes || createHash('sha256').update(body).digest('hex') !== image.sha256) {
      throw new VolumeError('corrupt', `the index image ${image.path} is not what was built`);
    }
    const put = { ifAbsent: true, ...(options.signal === undefined ? {} : { signal: options.signal }) };
    // 'exists' is our own request whose answer was lost: nobody else has the token.
    await retry(() => store.put(`${image.family}/${key}`, body, put), options);
  } catch (error) {
    throw toVolumeError(error, `the index of version ${image.seq} of ${image.volume} cannot be stored`);
  }
  return { key };
}

/**
 * Brings a version's index image to a local file (mode 0600), whole and checked, or not at all. A file that is there and
 * right is left as it is.
 * @throws VolumeError `not-found`, `corrupt` when the bytes are not those that the record names, `no-space`
 */
export async function getIndex(
  store: ObjectStore,
  record: Pick<VersionRecord, 'family' | 'indexKey' | 'indexSha256' | 'indexBytes' | 'locator'>,
  path: string,
  options: RetryOptions = {},
): Promise<void> {
  if (record.indexBytes > INDEX_BYTES_MAX) {
    throw new VolumeError(
      'unsupported',
      `the index of ${record.locator} has ${record.indexBytes} bytes: too many to open`,
    );
  }
  const temporary = `${path}.${systemRandom.id(8)}.tmp`;
  try {
    if (await isIntact(path, record)) return;
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const sha256 = await download(store, record, temporary, options);
    if (sha256 !== record.indexSha256) {
      throw new VolumeError(
        'corrupt',
        `the index of ${record.locator} has the SHA-256 ${sha256}, not ${record.indexSha256}`,
      );
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    if (error instanceof StoreError && error.kind === 'not-found') {
      throw new VolumeError('not-found', `the index of ${record.locator} is missing: ${record.indexKey}`, {
        cause: error,
      });
    }
    throw toVolumeError(error, `the index of ${record.locator} cannot be fetched`);
  }
}

async function isIntact(path: string, record: Pick<VersionRecord, 'indexSha256' | 'indexBytes'>): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isFile() !== true || found.size !== record.indexBytes) return false;
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: MIB }), hash);
  return hash.digest('hex') === record.indexSha256;
}

/** Answers the hash of what came. An object that is longer or shorter than the record says is no match either. */
async function download(
  store: ObjectStore,
  record: Pick<VersionRecord, 'family' | 'indexKey' | 'indexBytes'>,
  path: string,
  options: RetryOptions,
): Promise<string> {
  const key = `${record.family}/${record.indexKey}`;
  const file = await open(path, 'wx', 0o600);
  try {
    const hash: Hash = createHash('sha256');
    for (let offset = 0; offset < record.indexBytes;) {
      const left = record.indexBytes - offset;
      // The last request asks for one byte more than there should be: an object that is too long shows.
      const length = left <= PART_BYTES ? left + 1 : PART_BYTES;
      const range = { offset, length, ...(options.signal === undefined ? {} : { signal: options.signal }) };
      const part = await retry(() => store.get(key, range), options);
      hash.update(part);
      await file.writev([part]);
      offset += part.length;
      if (part.length < Math.min(left, length)) break;
    }
    await file.sync();
    return hash.digest('hex');
  } finally {
    await file.close();
  }
}
