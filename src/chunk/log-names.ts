import { readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Path of the segment file whose first byte has this LSN. */
export function segmentPath(directory: string, startLsn: number): string {
  return join(directory, `${startLsn.toString(16).padStart(16, '0')}.seg`);
}

/** LSN of the first byte of the segment in which `lsn` lies. */
export function segmentStart(lsn: number, segmentBytes: number): number {
  return lsn - (lsn % segmentBytes);
}

export interface SegmentFile {
  path: string;
  startLsn: number;
}

/** Segment files of a folder in the order of the log. A folder that does not exist has none. */
export function listSegments(directory: string): SegmentFile[] {
  let names: string[];
  try {
    names = readdirSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  return names
    .filter((name) => /^[0-9a-f]{16}\.seg$/.test(name))
    .toSorted()
    .map((name) => ({ path: join(directory, name), startLsn: Number.parseInt(name.slice(0, 16), 16) }));
}
