import { VolumeError } from '../base/errors.js';
import { systemRandom, type Random } from '../base/random.js';

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
/** 40 bits: a family prefix is new each time, also for a job that runs a thousand times a day. */
const FAMILY_ID_CHARACTERS = 8;

/** A volume's name as given, checked. @throws VolumeError `invalid` */
export function checkName(name: unknown, what = 'name'): string {
  if (typeof name !== 'string' || !NAME.test(name)) {
    throw new VolumeError(
      'invalid',
      `${what} ${JSON.stringify(name)} is not a volume name: 1 to 63 of A-Z a-z 0-9 . _ - with a letter or digit first`,
    );
  }
  return name;
}

export function generateName(random: Random = systemRandom): string {
  return `volume-${random.id(FAMILY_ID_CHARACTERS)}`;
}

/** The family of a volume made by `Volume.new`: its name and a short unique id. */
export function newFamily(name: string, random: Random = systemRandom): string {
  return `${name}-${random.id(FAMILY_ID_CHARACTERS)}`;
}

const FAMILY = /^[A-Za-z0-9][A-Za-z0-9._-]{0,126}$/;

/** A family found in a handle or locator. It may be longer than a name, by the id. @throws VolumeError `invalid` */
export function checkFamily(family: unknown): string {
  if (typeof family !== 'string' || !FAMILY.test(family)) {
    throw new VolumeError('invalid', `family ${JSON.stringify(family)} is not a family name`);
  }
  return family;
}
