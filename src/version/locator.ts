import { VolumeError } from '../base/errors.js';
import { parseBucket } from '../cloud/open-store.js';

/**
 * The address of a version: the URL of its record, `<bucket URL>/<family>/versions/<volume>/<seq>/volume.json`. Only the
 * bucket's URL may need percent-encoding: names of families and volumes have no characters that do.
 */
export interface Locator {
  /** `file:///data/bucket`, without a slash at the end. */
  bucket: string;
  family: string;
  volume: string;
  /** Number of the version, from 1. */
  seq: number;
}

const SHAPE = /^(.+?)\/+([^/]+)\/versions\/([^/]+)\/([1-9]\d{0,15})\/volume\.json$/;
/** A family is a volume's name, with an id behind it when it was new. */
const FAMILY = /^[A-Za-z0-9][A-Za-z0-9._-]{0,126}$/;
const VOLUME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

export function isFamilyName(text: string): boolean {
  return FAMILY.test(text);
}

export function isVolumeName(text: string): boolean {
  return VOLUME.test(text);
}

/** @throws VolumeError `invalid` when the text is not of this shape */
export function parseLocator(text: string): Locator {
  const [, bucket = '', family = '', volume = '', digits = ''] = SHAPE.exec(text) ?? [];
  const seq = Number(digits);
  if (!isFamilyName(family) || !isVolumeName(volume) || !Number.isSafeInteger(seq)) {
    // What might hold a password is not repeated.
    const shown = text.length > 300 || /[@?#\p{Cc}]/u.test(text) ? 'the text given' : `'${text}'`;
    throw new VolumeError(
      'invalid',
      `${shown} is not the locator of a version: <bucket>/<family>/versions/<volume>/<number>/volume.json`,
    );
  }
  return { bucket: parseBucket(bucket).url, family, volume, seq };
}

export function formatLocator({ bucket, family, volume, seq }: Locator): string {
  return `${bucket.replace(/\/+$/, '')}/${versionKey(family, volume, seq)}`;
}

/** Key of a version's record in the bucket. */
export function versionKey(family: string, volume: string, seq: number): string {
  return `${versionsPrefix(family, volume)}${seq}/volume.json`;
}

/** What the keys of all versions of a volume start with. */
export function versionsPrefix(family: string, volume: string): string {
  return `${family}/versions/${volume}/`;
}
