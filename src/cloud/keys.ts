import { StoreError } from '../base/errors.js';

/** S3's limit, the smallest among the stores. */
const KEY_BYTES_MAX = 1024;
/** A part of a key is a file name in a file store. */
const SEGMENT_BYTES_MAX = 255;
/** Names that a file store uses for objects that are being written. */
const TEMPORARY = /^\.forkfs-[a-z2-7]+\.tmp$/;

export function temporaryName(id: string): string {
  return `.forkfs-${id}.tmp`;
}

export function isTemporaryName(name: string): boolean {
  return TEMPORARY.test(name);
}

/** @throws StoreError `denied` for a text that cannot be a key in every store */
export function checkKey(key: string): void {
  const why = whyNoKey(key);
  if (why !== undefined) throw new StoreError('denied', `not a key: ${why}`, { key: shown(key) });
}

/** A prefix is the beginning of a key: empty, whole parts, or a part cut anywhere. @throws StoreError `denied` */
export function checkPrefix(prefix: string): void {
  const parts = prefix.split('/');
  const last = parts.pop() ?? '';
  const whole = parts.length === 0 ? undefined : whyNoKey(parts.join('/'));
  const why = whole ?? (last === '..' ? 'it has a part ".."' : last === '' ? undefined : whyNoText(last));
  if (why !== undefined) throw new StoreError('denied', `not a prefix of keys: ${why}`, { key: shown(prefix) });
}

/** Order of the bytes of their UTF-8, in which stores list. JavaScript's own order differs beyond U+FFFF. */
export function compareKeys(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a, 'utf8'), Buffer.from(b, 'utf8'));
}

function whyNoKey(key: string): string | undefined {
  if (key === '') return 'it is empty';
  if (Buffer.byteLength(key) > KEY_BYTES_MAX) return `it is longer than ${KEY_BYTES_MAX} bytes`;
  for (const part of key.split('/')) {
    if (part === '') return 'it has an empty part';
    if (part === '.' || part === '..') return `it has a part "${part}"`;
    if (Buffer.byteLength(part) > SEGMENT_BYTES_MAX) return `it has a part longer than ${SEGMENT_BYTES_MAX} bytes`;
    if (isTemporaryName(part)) return 'it has a name that is kept for unfinished objects';
  }
  return whyNoText(key);
}

function whyNoText(text: string): string | undefined {
  if (!text.isWellFormed()) return 'it is not Unicode';
  // eslint-disable-next-line no-control-regex
  return /[\u0000-\u001f\u007f]/.test(text) ? 'it has control characters' : undefined;
}

function shown(key: string): string {
  return JSON.stringify(key.length > 80 ? `${key.slice(0, 80)}...` : key);
}
