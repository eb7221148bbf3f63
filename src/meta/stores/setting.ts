import { VolumeError } from '../../base/errors.js';
import { BLOCK_BYTES, KIB, MIB } from '../../base/limits.js';

/**
 * What we need of a volume's setting (the JSON of `jfs_setting`). `json` keeps every other field as it was found, for
 * JuiceFS's tools; its Storage, Bucket and keys describe somebody else's place and are never followed.
 */
export interface Setting {
  /** Prefix of the family's objects in the bucket; may hold slashes. */
  readonly name: string;
  readonly uuid: string;
  readonly blockBytes: number;
  readonly hashPrefix: boolean;
  readonly trashDays: number;
  readonly json: Readonly<Record<string, unknown>>;
}

/** Fields that can hold a secret; none of them is ever written. */
const SECRET_FIELDS = ['AccessKey', 'SecretKey', 'SessionToken', 'EncryptKey', 'KeyEncrypted'] as const;

/** The version that we speak, for the comparison with MinClientVersion. */
const CLIENT_VERSION = [1, 4] as const;

export function newSetting(options: { name: string; uuid: string; blockBytes?: number }): Setting {
  const blockBytes = options.blockBytes ?? BLOCK_BYTES;
  return parseSetting(
    JSON.stringify({
      Name: options.name,
      UUID: options.uuid,
      Storage: 'file',
      Tiers: { 0: { ID: 0, StorageClass: '', Tag: '' } },
      Bucket: '',
      BlockSize: blockBytes / KIB,
      Compression: 'none',
      EncryptAlgo: 'aes256gcm-rsa',
      TrashDays: 0,
      MetaVersion: 1,
      MinClientVersion: '1.1.0-A',
      DirStats: true,
      EnableACL: false,
    }),
  );
}

/**
 * Reads and checks a setting.
 *
 * @throws VolumeError `corrupt` when it is not a setting, `unsupported` when it asks for what we do not have: the message
 * says what to do
 */
export function parseSetting(text: string): Setting {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new VolumeError('corrupt', 'the setting in the index is not JSON', { cause });
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new VolumeError('corrupt', 'the setting in the index is not a JSON object');
  }
  const fields = json as Record<string, unknown>;
  refuseForeign(fields);
  const blockKib = number(fields, 'BlockSize');
  const blockBytes = blockKib * KIB;
  if (blockBytes < 64 * KIB || blockBytes > 16 * MIB || !Number.isInteger(Math.log2(blockBytes))) {
    throw new VolumeError(
      'corrupt',
      `the index says a block size of ${blockKib} KiB; it is 64 to 16384, a power of two`,
    );
  }
  const name = string(fields, 'Name');
  if (name === '') throw new VolumeError('corrupt', 'the setting in the index names no volume');
  return {
    name,
    uuid: string(fields, 'UUID'),
    blockBytes,
    hashPrefix: boolean(fields, 'HashPrefix'),
    trashDays: number(fields, 'TrashDays'),
    json: fields,
  };
}

/** @throws VolumeError `unsupported` when a change of ours would break what other clients of the volume rely on */
export function refuseWriting(setting: Setting): void {
  if (boolean(setting.json, 'ChangeLog')) {
    throw new VolumeError(
      'unsupported',
      'the volume keeps a change log, which forkfs does not write: turn it off with `juicefs config` before writing',
    );
  }
}

/** Where the objects are, for an export that JuiceFS opens. */
export interface SettingPlace {
  storage: string;
  bucket: string;
}

/**
 * The JSON text for `jfs_setting`: the fields that were found, without secrets, and with `place` or nothing as the place
 * of the objects. JuiceFS prints one field per line; so do we.
 */
export function serializeSetting(setting: Setting, place: SettingPlace = { storage: 'file', bucket: '' }): string {
  const fields: Record<string, unknown> = { ...setting.json };
  for (const field of SECRET_FIELDS) delete fields[field];
  Object.assign(fields, {
    Name: setting.name,
    UUID: setting.uuid,
    Storage: place.storage,
    Bucket: place.bucket,
    BlockSize: setting.blockBytes / KIB,
    TrashDays: setting.trashDays,
  });
  return JSON.stringify(fields, null, 1).replace(/^ +/gm, '');
}

function refuseForeign(fields: Readonly<Record<string, unknown>>): void {
  const metaVersion = number(fields, 'MetaVersion');
  if (metaVersion > 1) {
    throw new VolumeError(
      'unsupported',
      `the index has metadata version ${metaVersion}; forkfs knows 1: use a newer forkfs`,
    );
  }
  refuseNewerClient(string(fields, 'MinClientVersion'));
  if (string(fields, 'EncryptKey') !== '') {
    throw new VolumeError(
      'unsupported',
      'the volume is encrypted, which forkfs cannot read: copy its files to a new volume',
    );
  }
  const shards = number(fields, 'Shards');
  if (shards > 1) {
    throw new VolumeError('unsupported', `the volume is spread over ${shards} buckets: copy its files to a new volume`);
  }
  const compression = string(fields, 'Compression');
  if (compression !== '' && compression !== 'none') {
    throw new VolumeError(
      'unsupported',
      `the volume's blocks are compressed (${compression}): copy its files to a new volume`,
    );
  }
}

function refuseNewerClient(version: string): void {
  if (version === '') return;
  const match = /^v?(\d+)\.(\d+)/.exec(version);
  if (match === null) throw new VolumeError('corrupt', `the index asks for client version ${JSON.stringify(version)}`);
  const [major, minor] = [Number(match[1]), Number(match[2])];
  if (major > CLIENT_VERSION[0] || (major === CLIENT_VERSION[0] && minor > CLIENT_VERSION[1])) {
    throw new VolumeError('unsupported', `the volume needs clients of version ${version} or later: use a newer forkfs`);
  }
}

function number(fields: Readonly<Record<string, unknown>>, name: string): number {
  const value = fields[name] ?? 0;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw wrongField(name, value);
}

function string(fields: Readonly<Record<string, unknown>>, name: string): string {
  const value = fields[name] ?? '';
  if (typeof value === 'string') return value;
  throw wrongField(name, value);
}

function boolean(fields: Readonly<Record<string, unknown>>, name: string): boolean {
  const value = fields[name] ?? false;
  if (typeof value === 'boolean') return value;
  throw wrongField(name, value);
}

function wrongField(name: string, value: unknown): VolumeError {
  return new VolumeError('corrupt', `the setting in the index has a wrong ${name}: ${JSON.stringify(value)}`);
}
