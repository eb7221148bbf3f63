import { VolumeError } from '../../base/errors.js';
import { GRANULE_BYTES } from '../../base/limits.js';
import { eachSlice } from './apply-pending.js';
import type { Database } from './sql.js';

interface SliceChange {
  /** Records that name the slice now, less those that did. */
  delta: number;
  size: number;
}

/**
 * References to slices, as differences: `jfs_chunk_ref` has one row for each slice that a chunk list names, with the
 * number of records that name it. A slice that nothing names any more loses its row and its checksums.
 */
export class SliceRefs {
  readonly #db: Database;
  readonly #changes = new Map<number, SliceChange>();
  readonly #sizes = new Map<number, number>();
  readonly #crcs = new Map<number, Uint32Array>();

  constructor(db: Database) {
    this.#db = db;
  }

  sealed(id: number): boolean {
    return this.#sizes.has(id);
  }

  seal(id: number, sizeBytes: number): void {
    this.#sizes.set(id, sizeBytes);
  }

  uploaded(id: number, crcs: Uint32Array): void {
    this.#crcs.set(id, crcs);
  }

  /**
   * The records are in a chunk's list from now on. Writes the size of each sealed pack into them, in place: every record
   * of a slice carries the same.
   *
   * @throws VolumeError `corrupt` when a record reaches beyond its pack
   */
  add(records: Uint8Array): void {
    const view = new DataView(records.buffer, records.byteOffset, records.byteLength);
    eachSlice(records, (id, found, at) => {
      const sealed = this.#sizes.get(id);
      const size = sealed ?? found;
      // What an adopted index says of its own slices is not our business here: reads of them fail one by one.
      if (sealed !== undefined && view.getUint32(at + 16) + view.getUint32(at + 20) > size) {
        throw new VolumeError('corrupt', `a record reaches beyond the ${size} bytes of pack ${id}`);
      }
      if (size !== found) view.setUint32(at + 12, size);
      this.#change(id, size, 1);
    });
  }

  /** The records are no longer in a chunk's list. */
  remove(records: Uint8Array): void {
    eachSlice(records, (id, size) => this.#change(id, size, -1));
  }

  #change(id: number, size: number, delta: 1 | -1): void {
    const change = this.#changes.get(id);
    if (change === undefined) this.#changes.set(id, { delta, size });
    else change.delta += delta;
  }

  /** Writes what was collected; answers how many slices the index has. */
  write(blockBytes: number): number {
    this.#writeRefs();
    this.#writeGranules(blockBytes);
    return this.#db.exec('SELECT count(*) FROM jfs_chunk_ref')[0]?.values[0]?.[0] as number;
  }

  #writeRefs(): void {
    const add = this.#db.prepare(
      'INSERT INTO jfs_chunk_ref VALUES (?1, ?2, ?3) ON CONFLICT (chunkid) DO UPDATE SET refs = refs + ?3',
    );
    const remove = this.#db.prepare('UPDATE jfs_chunk_ref SET refs = refs - ?2 WHERE chunkid = ?1');
    const drop = this.#db.prepare('DELETE FROM jfs_chunk_ref WHERE chunkid = ? AND refs <= 0');
    const dropGranules = this.#db.prepare('DELETE FROM vol_granule WHERE chunkid = ?');
    for (const [id, { delta, size }] of this.#changes) {
      if (delta > 0) add.run([id, size, delta]);
      if (delta >= 0) continue;
      remove.run([id, -delta]);
      drop.run([id]);
      if (this.#db.getRowsModified() > 0) dropGranules.run([id]);
    }
    for (const statement of [add, remove, drop, dropGranules]) statement.free();
    this.#changes.clear();
  }

  #writeGranules(blockBytes: number): void {
    const insert = this.#db.prepare(
      'INSERT OR REPLACE INTO vol_granule SELECT ?1, ?2, ?3 WHERE EXISTS (SELECT 1 FROM jfs_chunk_ref WHERE chunkid = ?1)',
    );
    const perBlock = blockBytes / GRANULE_BYTES;
    for (const [id, crcs] of this.#crcs) {
      for (let first = 0; first < crcs.length; first += perBlock) {
        insert.run([id, first / perBlock, littleEndian(crcs.subarray(first, first + perBlock))]);
      }
    }
    insert.free();
    this.#crcs.clear();
  }
}

function littleEndian(crcs: Uint32Array): Uint8Array {
  const bytes = new Uint8Array(crcs.length * 4);
  const view = new DataView(bytes.buffer);
  for (const [i, crc] of crcs.entries()) view.setUint32(i * 4, crc, true);
  return bytes;
}
