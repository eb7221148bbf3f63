import { VolumeError } from '../base/errors.js';
import { parseBucket } from '../cloud/open-store.js';
import { listUnpublished } from '../mount/client.js';
import type { MountStatus } from '../mount/spec.js';
import type { ProducedBy, Storage, VersionRecord, VersionStats } from '../version/record.js';
import { publishFork } from './fork.js';
import type { VolumeFs } from './fs-types.js';
import { checkStoreType, HANDLE_FORMAT, HANDLE_KIND, parseHandle, type HandleJson } from './handle.js';
import { checkName, generateName, newFamily } from './names.js';
import type { MountOptions, OpenOptions } from './options.js';
import { defaultBucket, places } from './places.js';
import { parseDuration, parseFlag, parseText, type Duration } from './quantities.js';
import { daemonEnd, startSession, type Session } from './session.js';
import { handleOfRecord, newestVersion, readLocator } from './versions.js';
import { closedFs } from './volume-fs.js';

export interface NewVolumeOptions {
  /** 1 to 63 of A-Z a-z 0-9 . _ - with a letter or digit first. Generated when absent. */
  name?: string;
  /** Where volumes are kept: `file:///folder`. Default: `$FORKFS_BUCKET`, else the user's data folder. */
  bucket?: string;
  /** Inferred from the bucket; an error when it is not the bucket's. */
  storage?: Storage;
  region?: string;
  /** Default: 'sqlite'. */
  metadataStoreType?: string;
}

export interface CommitOptions {
  /** Kept with the version. */
  message?: string;
  signal?: AbortSignal;
  /** Steps of the commit as they begin, and bytes that are still to upload. */
  onProgress?: (progress: { step: string; bytesLeft?: number }) => void;
}

export interface FinalizeOptions extends CommitOptions {
  /** Give up after this long: what was written stays staged. Default: no limit. */
  timeout?: Duration;
}

/** What both kinds of handle have in common. Make one with `Volume.new`, `empty`, `fromLocator` or `fromJSON`. */
export abstract class Volume {
  /** @internal */
  protected handle: HandleJson;
  /** @internal */
  protected session: Session | undefined;
  #isStarting = false;

  /** @internal Use `Volume.new`, `Volume.empty`, `Volume.fromLocator` or `Volume.fromJSON`. */
  constructor(handle: HandleJson) {
    this.handle = handle;
  }

  /** A new volume in a family of its own: the name and a short unique id. Nothing is stored before the first mount. */
  static new(options: NewVolumeOptions = {}): RWVolume {
    checkOptions(options);
    const name = options.name === undefined ? generateName() : checkName(options.name);
    return new RWVolume(freshHandle(name, newFamily(name), options));
  }

  /** A new volume whose family is the name itself. Mounting it is refused when the prefix already holds something. */
  static empty(options: NewVolumeOptions & { name: string }): RWVolume {
    checkOptions(options);
    const name = checkName(options.name);
    return new RWVolume(freshHandle(name, name, options));
  }

  /**
   * The version with this address, from the store.
   * @throws VolumeError `invalid`, `not-found`, `unsupported` (a newer format), `corrupt`
   */
  static async fromLocator(address: string): Promise<ROVolume> {
    return roVolume(await readLocator(address));
  }

  /**
   * The handle that `toJSON` made, as an object or as text. Fields that are not ours are kept.
   * @throws VolumeError `invalid`, naming the field
   */
  static fromJSON(json: unknown): RWVolume | ROVolume {
    const handle = parseHandle(json);
    return handle.access === 'ro' ? new ROVolume(handle) : new RWVolume(handle);
  }

  get name(): string {
    return this.handle.name;
  }
  get bucket(): string {
    return this.handle.bucket;
  }
  get storage(): Storage {
    return this.handle.storage;
  }
  get region(): string | null {
    return this.handle.region;
  }
  get metadataStoreType(): string {
    return this.handle.metadata_store_type;
  }
  /** The prefix in the bucket that a volume shares with all its forks. */
  get family(): string {
    return this.handle.family;
  }
  /** The newest version that this handle knows, or the one that it names; 0 before the first. */
  get version(): number {
    return this.handle.version;
  }
  /** URL of that version's volume.json; null before the first commit. */
  get locator(): string | null {
    return this.handle.locator;
  }
  get message(): string | null {
    return this.handle.message;
  }
  get usedBytes(): number | null {
    return this.handle.used_bytes;
  }
  get inodeCount(): number | null {
    return this.handle.inode_count;
  }
  get indexBytes(): number | null {
    return this.handle.index_bytes;
  }
  get producedBy(): ProducedBy | null {
    return this.handle.produced_by;
  }
  get parentProducedBy(): ProducedBy | null {
    return this.handle.parent_produced_by;
  }
  /** Where this handle is mounted; null when it is not. */
  get mountPath(): string | null {
    return this.session === undefined || this.session.isEnded ? null : this.session.mountPath;
  }

  /** The files, by calls shaped like node:fs/promises. Needs `mount` or `open`; while mounted it is node:fs. */
  get fs(): VolumeFs {
    if (this.session !== undefined && !this.session.isEnded) return this.session.fs;
    return closedFs(() => this.#notAttached());
  }

  /**
   * Mounts the volume and returns the path when the kernel says that it answers. The mount ends with this process.
   * @throws VolumeError `busy`, `invalid`, `denied`, `timeout`, `unsupported`, ...
   */
  async mount(options: MountOptions = {}): Promise<string> {
    const session = await this.#start(options, 'mount');
    return session.mountPath!;
  }

  /** Opens the same session that a mount would, for `volume.fs` alone: for places without /dev/fuse. */
  async open(options: OpenOptions = {}): Promise<void> {
    await this.#start(options, 'open');
  }

  async #start(options: MountOptions, mode: 'mount' | 'open'): Promise<Session> {
    if (this.#isStarting) throw new VolumeError('busy', `${this.name} is being mounted by this handle already`);
    if (this.session !== undefined && !this.session.isEnded) {
      const where = this.session.mountPath === null ? 'open' : `mounted at ${this.session.mountPath}`;
      throw new VolumeError('busy', `${this.name} is already ${where} by this handle`);
    }
    this.#isStarting = true;
    try {
      this.session = await startSession(this.handle, options, { mode, attached: true });
      return this.session;
    } finally {
      this.#isStarting = false;
    }
  }

  /** How the mount does: dirty and staged bytes, uploads, kernels, log. Unmounted: what is staged on this machine, if anything. */
  async status(): Promise<MountStatus> {
    if (this.session !== undefined && !this.session.isEnded) return this.session.client.call<MountStatus>('status');
    return this.staged() ?? idleStatus(this.handle);
  }

  /** The handle as JSON (`flyte.volume/v1`), to hand to another task. */
  toJSON(): HandleJson {
    return structuredClone(this.handle);
  }

  /** @internal @throws VolumeError `state` */
  protected attached(): Session {
    if (this.session === undefined || this.session.isEnded) throw this.#notAttached();
    return this.session;
  }

  /** @internal Unpublished work of this volume on this machine. */
  protected staged(): MountStatus | undefined {
    if (this.handle.access === 'ro') return undefined;
    const all = listUnpublished(this.session?.metaDir ?? places().metaDir);
    return all.find((status) => status.family === this.family && status.volume === this.handle.volume);
  }

  /** @internal Waits until the daemon is gone, and forgets it. */
  protected async detach(session: Session): Promise<void> {
    await daemonEnd(session.client);
    if (this.session === session) this.session = undefined;
  }

  #notAttached(): VolumeError {
    if (this.session === undefined) return new VolumeError('state', `${this.name} is not mounted; mount it first`);
    const log = this.session.client.info.logPath;
    return new VolumeError(
      'state',
      `${this.name} is no longer mounted (log: ${log}); what was staged is kept: mount it again`,
    );
  }
}

/** A writable volume: one writer at a time, a linear history of versions. */
export class RWVolume extends Volume {
  /**
   * Publishes the present state as the next version. The volume stays mounted and writable.
   * @throws VolumeError `conflict` when another writer published first; the work is kept
   */
  async commit(options: CommitOptions = {}): Promise<ROVolume> {
    const session = this.#writable();
    const { signal, onProgress } = options;
    const record = await session.client.call<VersionRecord>(
      'commit',
      messageOf(options),
      callOptions(signal, onProgress),
    );
    return this.#published(record);
  }

  /** Brings everything to the store, unmounts, and publishes the last version. */
  async finalize(options: FinalizeOptions = {}): Promise<ROVolume> {
    if (this.session === undefined || this.session.isEnded) throw this.#cannotFinalize();
    const session = this.#writable();
    const limit = options.timeout === undefined ? {} : { timeoutMs: parseDuration(options.timeout, 'timeout') };
    const params = { ...messageOf(options), ...limit };
    const { signal, onProgress } = options;
    const record = await session.client.call<VersionRecord>('finalize', params, callOptions(signal, onProgress));
    await this.detach(session);
    return this.#published(record);
  }

  /**
   * A branch: version 1 of a new volume of this family, which shares all data. From the live state when mounted, else from
   * the newest version. This volume goes on as it was.
   */
  fork(name: string, options: { as: 'ro' }): Promise<ROVolume>;
  fork(name: string, options?: { as?: 'rw' }): Promise<RWVolume>;
  fork(name: string, options?: { as?: 'rw' | 'ro' }): Promise<RWVolume | ROVolume>;
  async fork(name: string, options: { as?: 'rw' | 'ro' } = {}): Promise<RWVolume | ROVolume> {
    checkName(name);
    const access = options.as ?? 'rw';
    if (access !== 'rw' && access !== 'ro') {
      throw new VolumeError('invalid', `as: '${String(access)}' is neither 'rw' nor 'ro'`);
    }
    const record = await this.#forkRecord(name);
    return access === 'ro' ? roVolume(record) : new RWVolume(handleOfRecord(record, 'rw', this.handle));
  }

  async #forkRecord(name: string): Promise<VersionRecord> {
    const { session } = this;
    if (session !== undefined && !session.isEnded && session.access === 'rw') {
      return session.client.call<VersionRecord>('fork', { name });
    }
    const newest = await newestVersion(this.bucket, this.family, this.handle.volume);
    if (newest === null)
      throw new VolumeError('state', `${this.name} has no version to fork; mount and commit it first`);
    return publishFork(newest, name);
  }

  /** Unmounts without publishing. What is staged stays on this machine, and the next mount goes on with it, unless `delete`. */
  async abandon(options: { delete?: boolean } = {}): Promise<void> {
    const session = this.attached();
    await session.client.call('abandon', { delete: parseFlag(options.delete ?? false, 'delete') });
    await this.detach(session);
  }

  /** Abandons, and keeps what is staged: a block that threw and one that did not look the same from here. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.session !== undefined && !this.session.isEnded) await this.abandon();
  }

  #writable(): Session {
    const session = this.attached();
    if (session.access === 'rw') return session;
    throw new VolumeError('state', `${this.name} is mounted read-only; mount it writable to publish a version`);
  }

  #published(record: VersionRecord): ROVolume {
    this.handle = handleOfRecord(record, 'rw', this.handle);
    return roVolume(record);
  }

  #cannotFinalize(): VolumeError {
    const staged = this.staged();
    const what = staged === undefined ? 'there is nothing to publish' : `unpublished work is staged in ${staged.state}`;
    return new VolumeError('state', `${this.name} is not mounted; ${what}: mount it first`);
  }
}

/** A committed version. It never changes; to go on from it, fork it. */
export class ROVolume extends Volume {
  /** What publishing this version cost; null when the handle did not come from a commit or the store. */
  readonly stats: VersionStats | null;

  /** @internal Use `Volume.fromLocator`, `Volume.fromJSON`, or what `commit` returns. */
  constructor(handle: HandleJson, stats: VersionStats | null = null) {
    super(handle);
    this.stats = stats;
  }

  /** URL of its volume.json. @throws VolumeError `unsupported` for a peer's handle, which names an index alone */
  override get locator(): string {
    if (this.handle.locator !== null) return this.handle.locator;
    throw new VolumeError(
      'unsupported',
      `the handle of ${this.name} has no locator; adopt its index with \`forkfs import-index\``,
    );
  }

  /** A new writable volume that begins as this version: one small object, whatever the size. */
  async fork(name: string): Promise<RWVolume> {
    checkName(name);
    const record = await publishFork(await readLocator(this.locator), name);
    return new RWVolume(handleOfRecord(record, 'rw', this.handle));
  }

  /** Ends the mount. @throws VolumeError `busy`, naming who uses it */
  async unmount(): Promise<void> {
    const session = this.attached();
    await session.client.call('umount');
    await this.detach(session);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.session !== undefined && !this.session.isEnded) await this.unmount();
  }
}

function roVolume(record: VersionRecord): ROVolume {
  return new ROVolume(handleOfRecord(record, 'ro'), record.stats ?? null);
}

function freshHandle(name: string, family: string, options: NewVolumeOptions): HandleJson {
  const bucket = parseBucket(options.bucket === undefined ? defaultBucket() : parseText(options.bucket, 'bucket'));
  if (options.storage !== undefined && options.storage !== bucket.storage) {
    throw new VolumeError(
      'invalid',
      `storage: the bucket ${bucket.url} is a '${bucket.storage}' one, not '${options.storage}'`,
    );
  }
  return parseHandle({
    kind: HANDLE_KIND,
    name,
    bucket: bucket.url,
    storage: bucket.storage,
    region: options.region === undefined ? null : parseText(options.region, 'region'),
    metadata_store_type: checkStoreType(options.metadataStoreType),
    access: 'rw',
    family,
    volume: name,
    version: 0,
    format: HANDLE_FORMAT,
  });
}

/** A misspelt option must not be taken for its default. */
function checkOptions(options: NewVolumeOptions): void {
  const known: Record<keyof NewVolumeOptions, true> = {
    name: true,
    bucket: true,
    storage: true,
    region: true,
    metadataStoreType: true,
  };
  for (const option of Object.keys(options)) {
    if (!Object.hasOwn(known, option))
      throw new VolumeError('invalid', `${option}: there is no such option of a volume`);
  }
}

function messageOf(options: CommitOptions): { message?: string } {
  if (options.message === undefined) return {};
  return { message: options.message === '' ? '' : parseText(options.message, 'message') };
}

function callOptions(
  signal: AbortSignal | undefined,
  onProgress: CommitOptions['onProgress'],
): { signal?: AbortSignal; onProgress?: (progress: unknown) => void } {
  return {
    ...(signal === undefined ? {} : { signal }),
    ...(onProgress === undefined ? {} : { onProgress: (progress) => onProgress(progress as { step: string }) }),
  };
}

function idleStatus(handle: HandleJson): MountStatus {
  return {
    volume: handle.volume,
    family: handle.family,
    bucket: handle.bucket,
    path: null,
    pid: null,
    transport: null,
    readOnly: false,
    attached: false,
    version: handle.version,
    locator: handle.locator,
    unpublished: false,
    dirtyBytes: 0,
    stagedBytes: 0,
    uploads: { queued: 0, bytes: 0, oldestMs: 0, lastError: null },
    files: handle.inode_count ?? 0,
    usedBytes: handle.used_bytes ?? 0,
    kernels: { jobs: {}, bytes: {} },
    log: null,
    state: null,
    startedMs: null,
  };
}
