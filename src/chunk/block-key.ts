import { assert } from '../base/assert.js';

/**
 * Key of a stored block below its family's prefix, as JuiceFS has it: `chunks/{id/1e6}/{id/1e3}/{id}_{indx}_{bytes}`, with
 * the format's hash prefix `chunks/{id % 256, hex}/{id/1e6}/...`. A block that is not the last of its slice is full, so
 * with one block size id and index make the key unique.
 */
export function blockKey(id: number, indx: number, sizeBytes: number, hashPrefix: boolean): string {
  assert(Number.isSafeInteger(id) && id > 0, 'a slice has an id');
  assert(Number.isSafeInteger(indx) && indx >= 0, 'a block has an index');
  assert(Number.isSafeInteger(sizeBytes) && sizeBytes > 0, 'a block has bytes');
  const name = `${id}_${indx}_${sizeBytes}`;
  const millions = Math.floor(id / 1_000_000);
  if (!hashPrefix) return `chunks/${millions}/${Math.floor(id / 1000)}/${name}`;
  const hash = (id % 256).toString(16).toUpperCase().padStart(2, '0');
  return `chunks/${hash}/${millions}/${name}`;
}
