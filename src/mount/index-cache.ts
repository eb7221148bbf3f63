import { readdirSync, rmSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../base/clock.js';
import { INDEX_CACHE_BYTES } from '../base/limits.js';

/** What was used this recently may be about to be read by another daemon. */
const IN_USE_MS = 600_000;

/**
 * Marks an image of the cache as used, and deletes those used longest ago until INDEX_CACHE_BYTES stay, together with
 * what an interrupted download left. A daemon reads its image whole when it starts, so none is in use for long.
 */
export function useCachedImage(directory: string, path: string, limitBytes = INDEX_CACHE_BYTES): void {
  const now = systemClock.nowMs();
  utimesSync(path, now / 1000, now / 1000);
  const files = readdirSync(directory)
    .map((name) => join(directory, name))
    .flatMap((file) => {
      // Another daemon may be doing the same.
      const stat = statSync(file, { throwIfNoEntry: false });
      return stat === undefined ? [] : [{ file, bytes: stat.size, usedMs: stat.mtimeMs }];
    })
    .sort((a, b) => b.usedMs - a.usedMs);
  let kept = 0;
  for (const { file, bytes, usedMs } of files) {
    kept += bytes;
    const isOld = now - usedMs > IN_USE_MS;
    if (isOld && (kept > limitBytes || file.endsWith('.tmp'))) rmSync(file, { force: true });
  }
}
