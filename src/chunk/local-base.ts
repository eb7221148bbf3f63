import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { VolumeError } from '../base/errors.js';

/** `base.json`: the image that the log continues. */
export interface BaseRecord {
  format: 1;
  volume: string;
  family: string;
  bucket: string;
  /** Version that the image is; 0 and null before the first. */
  seq: number;
  locator: string | null;
  /** File name of the image in the same folder. */
  image: string | null;
  imageSha256: string;
  /** Everything before this position of the log is in the image. */
  lsn: number;
  /** Kept as it is: what a volume that was made elsewhere needs to be known by. */
  adopted?: unknown;
}

/**
 * The base of the state in this folder; undefined when it is new.
 *
 * @throws VolumeError `corrupt`; `unsupported` when a newer version of this program wrote it
 */
export function readBase(directory: string): BaseRecord | undefined {
  const path = join(directory, 'base.json');
  if (!existsSync(path)) return undefined;
  let record: Partial<BaseRecord> & { format?: unknown };
  try {
    record = JSON.parse(readFileSync(path, 'utf8')) as typeof record;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new VolumeError('corrupt', `${path} is not JSON`, { cause: error });
  }
  if (typeof record.format === 'number' && record.format > 1) {
    throw new VolumeError(
      'unsupported',
      `${path} has format ${record.format}: a newer version of this program wrote it`,
    );
  }
  const { volume, family, bucket, seq, locator, image, imageSha256, lsn } = record;
  const texts = [volume, family, bucket, imageSha256].every((value) => typeof value === 'string');
  const names = [locator, image].every((value) => value === null || typeof value === 'string');
  const numbers = [seq, lsn].every((value) => Number.isSafeInteger(value) && (value as number) >= 0);
  const isPlain = typeof image !== 'string' || image === basename(image);
  if (record.format !== 1 || !texts || !names || !numbers || !isPlain) {
    throw new VolumeError('corrupt', `${path} is not a record of a local state`);
  }
  return record as BaseRecord;
}
