import { parseBucket } from '../cloud/open-store.js';
import { VolumeError } from '../base/errors.js';
import { checkFamily, checkName } from './names.js';

export const HANDLE_KIND = 'flyte.volume/v1';
/** Version of our own fields in the handle. */
export const HANDLE_FORMAT = 1;

export type Storage = 's3' | 'gs' | 'wasb' | 'file';
export type JsonValue = null | boolean | number | string | JsonValue[] | { [key: string]: JsonValue };

/** Where the image of a version's metadata is. Others may add fields, which are kept. */
export type IndexRef = string | { [key: string]: JsonValue };
/** Who made a version: a text, or a record such as the peers' ActionRef. */
export type ProducedBy = string | { [key: string]: JsonValue };

/** A handle as it travels between tasks: `flyte.volume/v1`, snake_case as its Python peers write it. */
export interface HandleJson {
  kind: typeof HANDLE_KIND;
  name: string;
  /** `file:///...`, `s3://...`, without credentials. */
  bucket: string;
  storage: Storage;
  region: string | null;
  /** Null until a version is published. */
  index: IndexRef | null;
  metadata_store_type: string;
  /** As the format accounts it: each file by its length rounded up to 4 KiB, everything else 4 KiB. */
  used_bytes: number | null;
  inode_count: number | null;
  index_bytes: number | null;
  message: string | null;
  produced_by: ProducedBy | null;
  parent_produced_by: ProducedBy | null;
  access: 'ro' | 'rw';
  family: string;
  volume: string;
  /** The version that an 'ro' handle names; of an 'rw' handle the newest one it knows, 0 for none. */
  version: number;
  /** URL of the version's volume.json; null before the first commit. */
  locator: string | null;
  format: number;
  [unknown: string]: JsonValue;
}

const STORAGES = new Set<string>(['s3', 'gs', 'wasb', 'file']);
const COUNTS = ['used_bytes', 'inode_count', 'index_bytes'] as const;

/**
 * Checks a handle that comes from outside. Fields that are not ours are kept as they are.
 * @throws VolumeError `invalid` naming the field, `unsupported` for a newer format
 */
export function parseHandle(json: unknown): HandleJson {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw wrong('handle', json, 'a JSON object');
  const fields = json as Record<string, JsonValue | undefined>;
  if (fields['kind'] !== HANDLE_KIND) throw wrong('kind', fields['kind'], `'${HANDLE_KIND}'`);
  const format = fields['format'] ?? HANDLE_FORMAT;
  if (!isCount(format)) throw wrong('format', format, 'a number');
  if (format > HANDLE_FORMAT) {
    throw new VolumeError('unsupported', `format ${format} of the handle is newer than this forkfs; update it`);
  }
  const name = checkName(fields['name'], 'handle: name');
  const bucket = checkBucket(fields['bucket'], fields['storage']);
  const index = optional(fields, 'index', isReference, 'a text or an object');
  const access = fields['access'] ?? (index === null ? 'rw' : 'ro');
  if (access !== 'ro' && access !== 'rw') throw wrong('access', access, "'ro' or 'rw'");
  const locator = optional(fields, 'locator', isText, 'a text');
  if (access === 'ro' && locator === null && index === null) {
    throw new VolumeError('invalid', "handle: access is 'ro', but neither locator nor index names a version");
  }
  const version = fields['version'] ?? 0;
  if (!isCount(version)) throw wrong('version', version, 'a whole number');
  const known: HandleJson = {
    kind: HANDLE_KIND,
    name,
    ...bucket,
    region: optional(fields, 'region', isText, 'a text'),
    index,
    metadata_store_type: checkStoreType(fields['metadata_store_type']),
    used_bytes: null,
    inode_count: null,
    index_bytes: null,
    message: optional(fields, 'message', isText, 'a text'),
    produced_by: optional(fields, 'produced_by', isReference, 'a text or an object'),
    parent_produced_by: optional(fields, 'parent_produced_by', isReference, 'a text or an object'),
    access,
    family: checkFamily(fields['family'] ?? name),
    volume: checkName(fields['volume'] ?? name, 'handle: volume'),
    version,
    locator,
    format,
  };
  for (const field of COUNTS) known[field] = optional(fields, field, isCount, 'a whole number');
  return { ...known, ...unknownFields(fields, known) };
}

function unknownFields(fields: Record<string, JsonValue | undefined>, known: HandleJson): Record<string, JsonValue> {
  const others = Object.entries(fields).filter(([field, value]) => !(field in known) && value !== undefined);
  return Object.fromEntries(others) as Record<string, JsonValue>;
}

function checkBucket(
  bucket: JsonValue | undefined,
  storage: JsonValue | undefined,
): { bucket: string; storage: Storage } {
  if (typeof bucket !== 'string') throw wrong('bucket', bucket, 'a URI');
  if (storage !== undefined && storage !== null && !(typeof storage === 'string' && STORAGES.has(storage))) {
    throw wrong('storage', storage, "'s3', 'gs', 'wasb' or 'file'");
  }
  const parsed = parseBucket(bucket);
  if (storage !== undefined && storage !== null && storage !== parsed.storage) {
    throw new VolumeError('invalid', `handle: storage is '${storage}', but the bucket is a ${parsed.storage} one`);
  }
  return { bucket: parsed.url, storage: parsed.storage as Storage };
}

/** The one metadata store that there is. @throws VolumeError `unsupported` for one we know of, `invalid` for any other */
export function checkStoreType(type: unknown): string {
  if (type === undefined || type === null || type === 'sqlite') return 'sqlite';
  if (type === 'redis' || type === 'badger') {
    throw new VolumeError('unsupported', `metadata store '${type}' is not supported; this forkfs has 'sqlite'`);
  }
  throw new VolumeError('invalid', `metadata store ${JSON.stringify(type)} is unknown; this forkfs has 'sqlite'`);
}

function optional<T extends JsonValue>(
  fields: Record<string, JsonValue | undefined>,
  field: string,
  is: (value: JsonValue) => value is T,
  what: string,
): T | null {
  const value = fields[field];
  if (value === undefined || value === null) return null;
  if (!is(value)) throw wrong(field, value, what);
  return value;
}

function isText(value: JsonValue): value is string {
  return typeof value === 'string';
}

function isCount(value: JsonValue): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isReference(value: JsonValue): value is string | { [key: string]: JsonValue } {
  return typeof value === 'string' || (typeof value === 'object' && value !== null && !Array.isArray(value));
}

function wrong(field: string, value: unknown, what: string): VolumeError {
  const shown = JSON.stringify(value) ?? 'missing';
  return new VolumeError('invalid', `handle: ${field} is ${shown.slice(0, 80)}, not ${what}`);
}
