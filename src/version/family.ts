import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import { assert } from '../base/assert.js';
import { toVolumeError, VolumeError } from '../base/errors.js';
import type { ObjectStore } from '../cloud/object-store.js';
import { isFamilyName } from './locator.js';
import { retry, type RetryOptions } from './retry.js';

export interface FamilyOptions extends RetryOptions {
  /**
   * `new`: the name of the family is unique, so a family that is there was made with this very handle. `empty`: the name
   * was chosen by a person, so nothing may be there.
   */
  mode: 'new' | 'empty';
  volume: string;
  /** Who makes it; the same text again is the same writer, who may have been interrupted. */
  writer?: string;
}

/**
 * Makes sure that the family's prefix is ours: writes its `juicefs_uuid`, which JuiceFS expects there, first of all.
 * @throws VolumeError `exists` when the prefix holds something else
 */
export async function ensureFamily(store: ObjectStore, family: string, options: FamilyOptions): Promise<void> {
  assert(isFamilyName(family), 'a family has a proper name');
  const { writer = `${hostname()} ${process.getuid?.() ?? ''}` } = options;
  const key = `${family}/juicefs_uuid`;
  const uuid = uuidOf(`${family}\n${options.volume}\n${writer}`);
  try {
    // Listing before writing: what is found then is not ours.
    const [first, second] = await retry(() => firstKeys(store, `${family}/`), options);
    if (first === undefined) {
      if ((await put(store, key, uuid, options)) === 'created') return;
    } else if (options.mode === 'new') {
      if ((await retry(() => store.head(key), options)) !== undefined) return;
      throw taken(family, first);
    } else if (first !== key || second !== undefined) {
      throw taken(family, first === key ? (second ?? first) : first);
    }
    const standing = await retry(() => store.get(key, { offset: 0, length: 64 }), options);
    if (options.mode === 'empty' && Buffer.from(standing).toString('latin1') !== uuid) throw taken(family, key);
  } catch (error) {
    throw toVolumeError(error, `the family ${family} cannot be made in ${store.url}`);
  }
}

function put(store: ObjectStore, key: string, text: string, options: RetryOptions): Promise<'created' | 'exists'> {
  return retry(() => store.put(key, Buffer.from(text, 'latin1'), { ifAbsent: true }), options);
}

/** Up to two keys with this prefix. */
async function firstKeys(store: ObjectStore, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(prefix)) {
    keys.push(key);
    if (keys.length === 2) break;
  }
  return keys;
}

/** A UUID (version 8: of our own making) that the same writer gets again. */
function uuidOf(text: string): string {
  const bytes = createHash('sha256').update(text).digest();
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-');
}

function taken(family: string, key: string): VolumeError {
  return new VolumeError('exists', `the prefix ${family}/ is not empty (it holds ${key}); choose another name`);
}
