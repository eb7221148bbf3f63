/** One record of a chunk's list: `len` bytes at `off` of slice `id` (of `size` bytes) appear at `pos` of the chunk. */
export interface SliceRecord {
  pos: number;
  id: number;
  size: number;
  off: number;
  len: number;
}

/** A record is pos u32, id u64, size u32, off u32, len u32, big endian: the `slices` column of `jfs_chunk`. */
export const SLICE_RECORD_BYTES = 24;

/**
 * The records of a list, oldest first.
 * @throws RangeError when it is not a whole number of records, or an id is beyond 2^53
 */
export function decodeSlices(blob: Uint8Array): SliceRecord[] {
  if (blob.length % SLICE_RECORD_BYTES !== 0) throw new RangeError(`a list of slices has ${blob.length} bytes`);
  const view = new DataView(blob.buffer, blob.byteOffset, blob.length);
  const records: SliceRecord[] = [];
  for (let at = 0; at < blob.length; at += SLICE_RECORD_BYTES) {
    const id = view.getUint32(at + 4) * 2 ** 32 + view.getUint32(at + 8);
    if (!Number.isSafeInteger(id)) throw new RangeError(`slice id ${id} is beyond 2^53`);
    records.push({
      pos: view.getUint32(at),
      id,
      size: view.getUint32(at + 12),
      off: view.getUint32(at + 16),
      len: view.getUint32(at + 20),
    });
  }
  return records;
}

export function encodeSlices(records: readonly SliceRecord[]): Uint8Array {
  const blob = new Uint8Array(records.length * SLICE_RECORD_BYTES);
  const view = new DataView(blob.buffer);
  let at = 0;
  for (const { pos, id, size, off, len } of records) {
    view.setUint32(at, pos);
    view.setUint32(at + 4, Math.floor(id / 2 ** 32));
    view.setUint32(at + 8, id >>> 0);
    view.setUint32(at + 12, size);
    view.setUint32(at + 16, off);
    view.setUint32(at + 20, len);
    at += SLICE_RECORD_BYTES;
  }
  return blob;
}
