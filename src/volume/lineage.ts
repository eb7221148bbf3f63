import { VolumeError } from '../base/errors.js';
import { readLocator } from './versions.js';

/** One version of a lineage, without its files. */
export interface LineageEntry {
  volume: string;
  family: string;
  version: number;
  locator: string;
  /** Locator of the version that it continues or forks; null for a first one. */
  parent: string | null;
  message: string | null;
  /** Milliseconds since 1970. */
  createdMs: number | null;
  inodeCount: number | null;
  usedBytes: number | null;
}

/**
 * A version and its ancestors, newest first, through all forks.
 * @throws VolumeError `corrupt` when versions name each other in a circle
 */
export async function* lineage(locator: string): AsyncGenerator<LineageEntry> {
  const seen = new Set<string>();
  for (let next: string | null = locator; next !== null;) {
    if (seen.has(next)) throw new VolumeError('corrupt', `${next} is its own ancestor`);
    seen.add(next);
    const record = await readLocator(next);
    const { volume, family, version, message, createdMs, inodeCount, usedBytes } = record;
    const entry = { volume, family, version, locator: record.locator, parent: record.parent };
    yield { ...entry, message, createdMs, inodeCount, usedBytes };
    next = entry.parent;
  }
}
