import { VolumeError } from '../base/errors.js';
import { parseBucket } from '../cloud/open-store.js';
import { isCount, isObject, isText, JsonFields, type JsonObject, type JsonValue } from '../version/json.js';
import { parseLocator } from '../version/locator.js';
import type { ProducedBy, Storage } from '../version/record.js';
import { checkFamily, checkName } from './names.js';

export const HANDLE_KIND = 'flyte.volume/v1';
/** Version of our own fields in the handle. */
export const HANDLE_FORMAT = 1;

/** Where the metadata of a version is. Others may add fields, which are kept. */
export type IndexRef = string | JsonObject;

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

const REFERENCE = 'a text or an object';
const COUNT = 'a whole number';

/**
 * Checks a handle that comes from outside, as JSON text or as an object. Fields that are not ours are kept as they are.
 * @throws VolumeError `invalid` naming the field, `unsupported` for a newer format
 */
export function parseHandle(json: unknown): HandleJson {
  const text = typeof json === 'string' ? json : (JSON.stringify(json) ?? 'undefined');
  const fields = JsonFields.parse(text, { what: 'handle', kind: 'invalid' });
  fields.get('kind', (value) => value === HANDLE_KIND, `'${HANDLE_KIND}'`);
  const format = fields.optional('format', isCount, COUNT) ?? HANDLE_FORMAT;
  if (format > HANDLE_FORMAT) {
    throw new VolumeError('unsupported', `handle: format ${format} is newer than this forkfs; update it`);
  }
  const name = checkName(fields.raw('name'), 'handle: name');
  const place = readBucket(fields);
  const index = fields.optional('index', isReference, REFERENCE);
  const access = fields.optional('access', isAccess, "'ro' or 'rw'") ?? (index === null ? 'rw' : 'ro');
  const locator = fields.optional('locator', isLocator, 'the locator of a version');
  if (access === 'ro' && locator === null && index === null) {
    throw new VolumeError('invalid', "handle: access is 'ro', but neither locator nor index names a version");
  }
  const known: HandleJson = {
    kind: HANDLE_KIND,
    name,
    ...place,
    region: fields.optional('region', isText, 'a text'),
    index,
    metadata_store_type: checkStoreType(fields.raw('metadata_store_type'), 'handle: metadata_store_type'),
    used_bytes: fields.optional('used_bytes', isCount, COUNT),
    inode_count: fields.optional('inode_count', isCount, COUNT),
    index_bytes: fields.optional('index_bytes', isCount, COUNT),
    message: fields.optional('message', isText, 'a text'),
    produced_by: fields.optional('produced_by', isReference, REFERENCE),
    parent_produced_by: fields.optional('parent_produced_by', isReference, REFERENCE),
    access,
    family: checkFamily(fields.raw('family') ?? name),
    volume: checkName(fields.raw('volume') ?? name, 'handle: volume'),
    version: fields.optional('version', isCount, COUNT) ?? 0,
    locator,
    format,
  };
  return { ...known, ...fields.rest };
}

function readBucket(fields: JsonFields): { bucket: string; storage: Storage } {
  const { url, storage } = parseBucket(fields.get('bucket', isText, 'a URI'));
  const claimed = fields.optional('storage', isStorage, "'s3', 'gs', 'wasb' or 'file'");
  if (claimed !== null && claimed !== storage) {
    throw new VolumeError('invalid', `handle: storage is '${claimed}', but the bucket is a '${storage}' one`);
  }
  return { bucket: url, storage: storage as Storage };
}

/** The one metadata store that there is. @throws VolumeError `unsupported` for one we know of, `invalid` for any other */
export function checkStoreType(type: unknown, what = 'metadataStoreType'): string {
  if (type === undefined || type === null || type === 'sqlite') return 'sqlite';
  const kind = type === 'redis' || type === 'badger' ? 'unsupported' : 'invalid';
  throw new VolumeError(kind, `${what}: ${JSON.stringify(type)} is not supported; this forkfs has 'sqlite'`);
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

function isReference(value: JsonValue): value is string | JsonObject {
  return isText(value) || isObject(value);
}

function isAccess(value: JsonValue): value is 'ro' | 'rw' {
  return value === 'ro' || value === 'rw';
}

function isStorage(value: JsonValue): value is Storage {
  return value === 's3' || value === 'gs' || value === 'wasb' || value === 'file';
}
