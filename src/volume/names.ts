import { VolumeError } from '../base/errors.js';
import { systemRandom, type Random } from '../base/random.js';
import { isFamilyName, isVolumeName } from '../version/locator.js';

/** 40 bits: a family prefix is new each time, also for a job that runs a thousand times a day. */
const ID_CHARACTERS = 8;

/** A volume's name as given, checked. @throws VolumeError `invalid` */
export function checkName(name: unknown, what = 'name'): string {
  if (typeof name === 'string' && isVolumeName(name)) return name;
  const rule = '1 to 63 of A-Z a-z 0-9 . _ - with a letter or digit first';
  throw new VolumeError('invalid', `${what} is ${show(name)}, which is not the name of a volume: ${rule}`);
}

export function generateName(random: Random = systemRandom): string {
  return `volume-${random.id(ID_CHARACTERS)}`;
}

/** The family of a volume made by `Volume.new`: its name and a short unique id. */
export function newFamily(name: string, random: Random = systemRandom): string {
  return `${name}-${random.id(ID_CHARACTERS)}`;
}

/** A family found in a handle. It may be longer than a name, by the id. @throws VolumeError `invalid` */
export function checkFamily(family: unknown): string {
  if (typeof family === 'string' && isFamilyName(family)) return family;
  throw new VolumeError('invalid', `family is ${show(family)}, which is not the name of a family`);
}

function show(name: unknown): string {
  return (JSON.stringify(name) ?? 'missing').slice(0, 80);
}
