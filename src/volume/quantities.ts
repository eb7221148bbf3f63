import { VolumeError } from '../base/errors.js';

/** Seconds, or text such as '1h', '30m', '5s', '250ms'. */
export type Duration = number | string;
/** Bytes, or text such as '512M', '10G', '1GiB' (powers of 1024). */
export type Size = number | string;

const MS_PER_UNIT: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const BYTES_PER_UNIT: Record<string, number> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

/** Milliseconds, rounded. @throws VolumeError `invalid`, naming the option */
export function parseDuration(value: unknown, option: string): number {
  const seconds = typeof value === 'number' ? value : undefined;
  const match = typeof value === 'string' ? /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?$/.exec(value.trim()) : null;
  const ms =
    seconds !== undefined ? seconds * 1000 : match ? Number(match[1]) * (MS_PER_UNIT[match[2] ?? 's'] ?? 0) : NaN;
  if (!Number.isFinite(ms) || ms < 0) {
    throw new VolumeError(
      'invalid',
      `${option}: ${show(value)} is not a time: give seconds, or text like '1h', '30m', '5s'`,
    );
  }
  return Math.round(ms);
}

/** Bytes. @throws VolumeError `invalid`, naming the option */
export function parseSize(value: unknown, option: string): number {
  const match = typeof value === 'string' ? /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i.exec(value.trim()) : null;
  const bytes =
    typeof value === 'number'
      ? value
      : match
        ? Number(match[1]) * (BYTES_PER_UNIT[(match[2] ?? '').toLowerCase()] ?? 0)
        : NaN;
  if (!Number.isFinite(bytes) || bytes < 0 || bytes > Number.MAX_SAFE_INTEGER) {
    throw new VolumeError('invalid', `${option}: ${show(value)} is not a size: give bytes, or text like '512M', '10G'`);
  }
  return Math.round(bytes);
}

/** A whole number in [min, max]. @throws VolumeError `invalid`, naming the option */
export function parseCount(value: unknown, option: string, min: number, max: number): number {
  const count = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value;
  if (typeof count !== 'number' || !Number.isInteger(count) || count < min || count > max) {
    throw new VolumeError('invalid', `${option}: ${show(value)} is not a whole number from ${min} to ${max}`);
  }
  return count;
}

export function parseFlag(value: unknown, option: string): boolean {
  if (typeof value === 'boolean') return value;
  throw new VolumeError('invalid', `${option}: ${show(value)} is neither true nor false`);
}

export function parseText(value: unknown, option: string): string {
  if (typeof value === 'string' && value !== '' && !value.includes('\0')) return value;
  throw new VolumeError('invalid', `${option}: ${show(value)} is not a text`);
}

function show(value: unknown): string {
  return typeof value === 'string' ? `'${value}'` : String(value);
}
