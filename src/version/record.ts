import { hostname } from 'node:os';
import { assert } from '../base/assert.js';
import { VolumeError } from '../base/errors.js';
import { KIB, MIB } from '../base/limits.js';
import { parseBucket, type Bucket } from '../cloud/open-store.js';
import { isCount, isObject, isText, JsonFields, type JsonObject, type JsonValue } from './json.js';
import { formatLocator, isFamilyName, isVolumeName, parseLocator } from './locator.js';

const KIND = 'flyte.volume/v1';
const FORMAT = 1;
const METADATA_STORE_TYPE = 'sqlite';

export type Storage = Bucket['storage'];
/** Who made a version: a text, or a record such as the peers' ActionRef. */
export type ProducedBy = string | JsonObject;

/** What publishing a version cost. */
export interface VersionStats {
  /** Time of each step. */
  seconds: Record<string, number>;
  /** Objects and bytes that were put, and requests of every kind. */
  objects: number;
  bytes: number;
  requests: number;
}

/**
 * A published version: the body of its `volume.json`, which is a handle (`flyte.volume/v1`) with what forkfs needs to
 * open it. In the JSON, names are snake_case. A record never changes.
 */
export interface VersionRecord {
  /** Version of this form, 1. */
  format: number;
  bucket: string;
  storage: Storage;
  region: string | null;
  family: string;
  volume: string;
  /** Number in the volume's history, from 1. */
  version: number;
  locator: string;
  /** Locator of the version that this one continues or forks. */
  parent: string | null;
  /** The index image: its key below the family's prefix, hash in hexadecimal, size. */
  indexKey: string;
  indexSha256: string;
  indexBytes: number;
  metadataStoreType: string;
  /** As the format accounts it: each file by its length rounded up to 4 KiB, everything else 4 KiB. */
  usedBytes: number;
  inodeCount: number;
  message: string | null;
  producedBy: ProducedBy | null;
  parentProducedBy: ProducedBy | null;
  /** Random text that tells this writer's record from another's at the same place. */
  writer: string;
  /** Number of the writing session; 0 when none wrote (a fork of a version). */
  session: number;
  /** Machine that published it. */
  host: string | null;
  /** Milliseconds since 1970, on the publisher's clock. */
  createdMs: number | null;
  blockBytes: number;
  /** Are the blocks' keys spread by the format's hash prefix? */
  hashPrefix: boolean;
  /** Does the family's data come from a volume that JuiceFS made? */
  adopted: boolean;
  stats?: VersionStats;
  /** Fields that this forkfs does not know; they survive. */
  extra: JsonObject;
}

export interface NewVersion {
  bucket: string;
  region?: string | null;
  family: string;
  volume: string;
  seq: number;
  locator: string;
  /** The version that is continued (same volume) or forked (another volume). */
  parent: VersionRecord | null;
  index: { key: string; sha256: string; bytes: number };
  usedBytes: number;
  inodeCount: number;
  message: string | null;
  producedBy: ProducedBy | null;
  writer: string;
  session: number;
  createdMs: number;
  blockBytes: number;
  hashPrefix: boolean;
  adopted: boolean;
  host?: string;
}

/** The record of a version that is about to be published. */
export function versionRecord(of: NewVersion): VersionRecord {
  const { url: bucket, storage } = parseBucket(of.bucket);
  const { family, volume, seq } = of;
  assert(isFamilyName(family) && isVolumeName(volume), 'family and volume have proper names');
  assert(of.locator === formatLocator({ bucket, family, volume, seq }), 'the locator is the address of this version');
  return {
    format: FORMAT,
    bucket,
    storage,
    region: of.region ?? of.parent?.region ?? null,
    family,
    volume,
    version: seq,
    locator: of.locator,
    parent: of.parent?.locator ?? null,
    indexKey: of.index.key,
    indexSha256: of.index.sha256,
    indexBytes: of.index.bytes,
    metadataStoreType: METADATA_STORE_TYPE,
    usedBytes: of.usedBytes,
    inodeCount: of.inodeCount,
    message: of.message,
    producedBy: of.producedBy,
    parentProducedBy: of.parent?.producedBy ?? null,
    writer: of.writer,
    session: of.session,
    host: of.host ?? hostname(),
    createdMs: Math.round(of.createdMs),
    blockBytes: of.blockBytes,
    hashPrefix: of.hashPrefix,
    adopted: of.adopted,
    extra: {},
  };
}

/** The JSON of a record, as it is stored. */
export function recordToJson(record: VersionRecord): string {
  const body: JsonObject = {
    kind: KIND,
    format: record.format,
    name: record.volume,
    bucket: record.bucket,
    storage: record.storage,
    region: record.region,
    index: record.indexKey,
    index_sha256: record.indexSha256,
    index_bytes: record.indexBytes,
    metadata_store_type: record.metadataStoreType,
    used_bytes: record.usedBytes,
    inode_count: record.inodeCount,
    message: record.message,
    produced_by: record.producedBy,
    parent_produced_by: record.parentProducedBy,
    access: 'ro',
    family: record.family,
    volume: record.volume,
    version: record.version,
    locator: record.locator,
    parent: record.parent,
    created_at: record.createdMs === null ? null : new Date(record.createdMs).toISOString(),
    host: record.host,
    session: record.session,
    writer: record.writer,
    block_bytes: record.blockBytes,
    hash_prefix: record.hashPrefix,
    adopted: record.adopted,
  };
  if (record.stats !== undefined) body['stats'] = { ...record.stats };
  return `${JSON.stringify({ ...record.extra, ...body }, null, 2)}\n`;
}

/**
 * Reads the JSON of a record.
 * @throws VolumeError `invalid` when it is of another kind, `unsupported` when a newer forkfs wrote it, `corrupt` naming
 *   the field that is not as it should be
 */
export function parseRecord(text: string, what = 'version record'): VersionRecord {
  const fields = JsonFields.parse(text, { what });
  checkKind(fields.raw('kind'), what);
  const format = fields.count('format');
  if (format > FORMAT) {
    throw new VolumeError(
      'unsupported',
      `${what}: format ${format} needs a newer forkfs; this one knows up to ${FORMAT}`,
    );
  }
  const volume = fields.get('volume', isVolume, 'the name of a volume');
  fields.get('name', isVolume, 'the name of a volume');
  fields.get('access', (value): value is string => value === 'ro', "'ro'");
  const record: VersionRecord = {
    format,
    bucket: fields.text('bucket'),
    storage: fields.get('storage', isStorage, "'s3', 'gs', 'wasb' or 'file'"),
    region: fields.optional('region', isText, 'a text'),
    family: fields.get('family', isFamily, 'the name of a family'),
    volume,
    version: fields.get('version', isSeq, 'a number from 1'),
    locator: fields.get('locator', isLocator, 'a locator'),
    parent: fields.optional('parent', isLocator, 'a locator'),
    indexKey: fields.get('index', isKey, 'a key below the family'),
    indexSha256: fields.text('index_sha256', /^[0-9a-f]{64}$/, 'a SHA-256 in hexadecimal'),
    indexBytes: fields.count('index_bytes'),
    metadataStoreType: checkStoreType(fields.text('metadata_store_type'), what),
    usedBytes: fields.count('used_bytes'),
    inodeCount: fields.count('inode_count'),
    message: fields.optional('message', isText, 'a text'),
    producedBy: fields.optional('produced_by', isProducer, 'a text or an object'),
    parentProducedBy: fields.optional('parent_produced_by', isProducer, 'a text or an object'),
    writer: fields.text('writer'),
    session: fields.count('session'),
    host: fields.optional('host', isText, 'a text'),
    createdMs: parseTime(fields.optional('created_at', isTime, 'a time in ISO 8601')),
    blockBytes: fields.get('block_bytes', isBlockSize, 'a power of two from 64 KiB to 16 MiB'),
    hashPrefix: fields.flag('hash_prefix'),
    adopted: fields.flag('adopted'),
    extra: {},
  };
  const stats = fields.optional('stats', isStats, 'the cost of a publication');
  if (stats !== null) record.stats = stats;
  record.extra = fields.rest;
  return record;
}

function checkKind(kind: JsonValue | undefined, what: string): void {
  if (kind === KIND) return;
  const shown = JSON.stringify(kind) ?? 'missing';
  if (typeof kind === 'string' && kind.startsWith('flyte.volume/')) {
    throw new VolumeError('unsupported', `${what}: kind ${shown} needs a newer forkfs; this one knows '${KIND}'`);
  }
  throw new VolumeError('invalid', `${what}: kind is ${shown.slice(0, 80)}, not '${KIND}'`);
}

function checkStoreType(type: string, what: string): string {
  if (type === METADATA_STORE_TYPE) return type;
  throw new VolumeError('unsupported', `${what}: metadata_store_type '${type}' is not '${METADATA_STORE_TYPE}'`);
}

function parseTime(time: string | null): number | null {
  return time === null ? null : Date.parse(time);
}

function isVolume(value: JsonValue): value is string {
  return isText(value) && isVolumeName(value);
}

function isFamily(value: JsonValue): value is string {
  return isText(value) && isFamilyName(value);
}

function isStorage(value: JsonValue): value is Storage {
  return value === 's3' || value === 'gs' || value === 'wasb' || value === 'file';
}

function isSeq(value: JsonValue): value is number {
  return isCount(value) && value > 0;
}

function isLocator(value: JsonValue): value is string {
  if (!isText(value)) return false;
  try {
    parseLocator(value);
    return true;
  } catch {
    return false;
  }
}

/** A key cannot leave the family's prefix. */
function isKey(value: JsonValue): value is string {
  return isText(value) && value.split('/').every((segment) => /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/.test(segment));
}

function isProducer(value: JsonValue): value is ProducedBy {
  return isText(value) || isObject(value);
}

function isTime(value: JsonValue): value is string {
  return isText(value) && !Number.isNaN(Date.parse(value));
}

function isBlockSize(value: JsonValue): value is number {
  return isCount(value) && value >= 64 * KIB && value <= 16 * MIB && Number.isInteger(Math.log2(value));
}

function isStats(value: JsonValue): value is VersionStats & JsonObject {
  if (!isObject(value)) return false;
  const { seconds, ...counts } = value;
  const isTimes =
    seconds !== undefined && isObject(seconds) && Object.values(seconds).every((s) => typeof s === 'number');
  return isTimes && ['objects', 'bytes', 'requests'].every((name) => isCount(counts[name] ?? null));
}
