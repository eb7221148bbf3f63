import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { VolumeError } from '../base/errors.js';
import { BLOCK_BYTES } from '../base/limits.js';
import type { Logger } from '../base/log.js';
import type { LocalState } from '../chunk/local-state.js';
import type { SealedPack } from '../chunk/messages.js';
import type { ObjectStore } from '../cloud/object-store.js';
import { getIndex } from '../version/index-object.js';
import { head, readVersion } from '../version/history.js';
import { buildIndex, type BuildResult } from '../version/index-builder.js';
import { parseLocator } from '../version/locator.js';
import { ensureFamily } from '../version/family.js';
import type { VersionRecord } from '../version/record.js';
import { checkImage, writeEmptyImage, type BlockFormat } from './image.js';
import { useCachedImage } from './index-cache.js';
import type { MountSpec } from './spec.js';

/** What a session starts from: an index image on the local disk, and what the log has on top of it. */
export interface SessionBase {
  imagePath: string;
  /** Version that the image (without the log's part) is; null before the first. */
  record: VersionRecord | null;
  seq: number;
  locator: string | null;
  /** Where the log goes on. */
  endLsn: number;
  packs: SealedPack[];
  /** Did an earlier session leave work that no version has? */
  isResumed: boolean;
  /** Of the blocks that are there, and of new ones. */
  format: BlockFormat;
}

const NEW_FORMAT: BlockFormat = { blockBytes: BLOCK_BYTES, hashPrefix: false };

function formatOf(record: VersionRecord | null): BlockFormat {
  return record === null ? NEW_FORMAT : { blockBytes: record.blockBytes, hashPrefix: record.hashPrefix };
}

/** The image of a version for reading, kept by its hash so that every mount of it shares one file. */
export async function readOnlyBase(spec: MountSpec, store: ObjectStore): Promise<SessionBase> {
  if (spec.volume.locator === null)
    throw new VolumeError('state', 'a volume without a version cannot be mounted read-only');
  const { family, volume, seq } = parseLocator(spec.volume.locator);
  const record = await readVersion(store, family, volume, seq);
  const directory = join(spec.cacheDir, 'index');
  const imagePath = join(directory, `${record.indexSha256}.db`);
  await getIndex(store, record, imagePath);
  useCachedImage(directory, imagePath);
  const format = await checkImage(imagePath, { forWriting: false });
  const { locator } = spec.volume;
  return { imagePath, record, seq, locator, endLsn: 0, packs: [], isResumed: false, format };
}

/**
 * What a writer starts from: the newest published version, or the unpublished work that an earlier session on this
 * machine left, on top of the version which that one continued.
 */
export async function writableBase(
  spec: MountSpec,
  store: ObjectStore,
  state: LocalState,
  logger: Logger,
): Promise<SessionBase> {
  const { family, name } = spec.volume;
  const newest = await head(store, family, name);
  if (state.base === undefined) clearLog(state);
  else if (state.hasUnpublished()) return resume(spec, store, state, newest, logger);
  if (newest > 0) {
    // The log goes on where it was: were it begun anew, its old records could be read as changes of the newer version.
    const record = await useVersion(spec, store, state, newest, state.base?.lsn ?? 0);
    return { ...current(state), record, packs: [], isResumed: false, format: formatOf(record) };
  }
  if (state.base === undefined || state.base.seq !== 0) {
    await ensureFamily(store, family, { mode: spec.volume.fresh ?? 'new', volume: name });
    const image = state.imagePath(0);
    const { sha256 } = await writeEmptyImage(image, family);
    await setBase(spec, state, { seq: 0, locator: null, sha256, lsn: 0 });
  }
  return { ...current(state), record: null, packs: [], isResumed: false, format: NEW_FORMAT };
}

/** What an interrupted deletion of the state left must never be read as a log. */
function clearLog(state: LocalState): void {
  for (const name of readdirSync(state.logDirectory)) rmSync(join(state.logDirectory, name));
}

async function resume(
  spec: MountSpec,
  store: ObjectStore,
  state: LocalState,
  newest: number,
  logger: Logger,
): Promise<SessionBase> {
  let built = await replay(state);
  const intent = built.lastCommit;
  if (intent !== null && intent.lsn > state.base!.lsn && newest >= intent.seq) {
    // The last session ended between the publication and the note of it: is that version ours?
    const published = await readVersion(store, spec.volume.family, spec.volume.name, intent.seq);
    if (published.writer === intent.writer) {
      logger.info({ locator: intent.locator }, 'a commit that was under way had been published');
      await useVersion(spec, store, state, intent.seq, intent.lsn);
      built = await replay(state);
    }
  }
  const base = state.base!;
  if (newest > base.seq) {
    logger.warn(
      { seq: base.seq, newest },
      'another writer published meanwhile: this work can only be published as a fork',
    );
  }
  const record = base.seq === 0 ? null : await readVersion(store, spec.volume.family, spec.volume.name, base.seq);
  return {
    imagePath: replayPath(state),
    record,
    seq: base.seq,
    locator: base.locator,
    endLsn: built.endLsn,
    packs: built.packs,
    isResumed: true,
    format: formatOf(record),
  };
}

function replayPath(state: LocalState): string {
  return join(state.directory, 'resumed.db');
}

/** The base image and everything good in the log, as one image to start from. */
function replay(state: LocalState): Promise<BuildResult> {
  const base = state.base!;
  return buildIndex({
    base: state.baseImagePath(),
    setting: null,
    logDirectory: state.logDirectory,
    fromLsn: base.lsn,
    toLsn: Infinity,
    out: replayPath(state),
    meta: {},
  });
}

/** Makes a published version the local base. */
async function useVersion(
  spec: MountSpec,
  store: ObjectStore,
  state: LocalState,
  seq: number,
  lsn: number,
): Promise<VersionRecord> {
  const record = await readVersion(store, spec.volume.family, spec.volume.name, seq);
  const image = state.imagePath(seq);
  const isHere = state.base?.seq === seq && state.base.imageSha256 === record.indexSha256 && existsSync(image);
  if (!isHere || state.base?.lsn !== lsn) {
    await getIndex(store, record, image);
    await checkImage(image, { forWriting: true });
    await setBase(spec, state, { seq, locator: record.locator, sha256: record.indexSha256, lsn });
    state.removeOldImages();
  }
  return record;
}

async function setBase(
  spec: MountSpec,
  state: LocalState,
  base: { seq: number; locator: string | null; sha256: string; lsn: number },
): Promise<void> {
  await state.setBase({
    format: 1,
    volume: spec.volume.name,
    family: spec.volume.family,
    bucket: spec.volume.bucket,
    seq: base.seq,
    locator: base.locator,
    image: state.imagePath(base.seq).split('/').at(-1)!,
    imageSha256: base.sha256,
    lsn: base.lsn,
  });
}

function current(state: LocalState): Pick<SessionBase, 'imagePath' | 'seq' | 'locator' | 'endLsn'> {
  const base = state.base!;
  return { imagePath: state.baseImagePath(), seq: base.seq, locator: base.locator, endLsn: base.lsn };
}
