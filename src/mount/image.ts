import { systemClock } from '../base/clock.js';
import { newUuid } from '../base/random.js';
import { emptyImage } from '../meta/stores/schema.js';
import { newSetting, refuseWriting } from '../meta/stores/setting.js';
import { loadSqlJs } from '../meta/stores/sql.js';
import { writeImage } from '../version/index-build.js';
import { checkIndexFile } from '../version/index-builder.js';

/** How a volume's blocks are named and cut; it never changes. */
export interface BlockFormat {
  blockBytes: number;
  hashPrefix: boolean;
}

/**
 * Checks an image that came from outside, before anything follows it.
 * @throws VolumeError `corrupt`, or `unsupported` when it holds what we cannot serve (or, for writing, must not change)
 */
export async function checkImage(path: string, options: { forWriting: boolean }): Promise<BlockFormat> {
  const { setting } = await checkIndexFile(path);
  if (options.forWriting) refuseWriting(setting);
  return { blockBytes: setting.blockBytes, hashPrefix: setting.hashPrefix };
}

/** The index of a new volume: a root directory that belongs to whoever makes it. */
export async function writeEmptyImage(path: string, family: string): Promise<{ sha256: string }> {
  const setting = newSetting({ name: family, uuid: newUuid() });
  const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  const image = emptyImage(await loadSqlJs(), setting, { timeMs: systemClock.nowMs(), ...owner });
  return writeImage(path, image);
}
