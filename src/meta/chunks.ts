import type { Inode } from './cached-inode.js';
import { ChunkMap } from './chunk-map.js';
import type { OwnerStore } from './stores/owner-store.js';

/** Chunk maps of one inode in memory before those that need not be written are let go: 4 GiB of the file. */
export const CHUNKS_PER_INODE_MAX = 64;

const NO_SLICES = new Uint8Array(0);

/** The map of a chunk, from memory or the database; an empty one where nothing was written. */
export function chunkOf(store: OwnerStore, inode: Inode, indx: number): ChunkMap {
  inode.chunks ??= new Map();
  const known = inode.chunks.get(indx);
  if (known !== undefined) return known;
  if (inode.chunks.size >= CHUNKS_PER_INODE_MAX) {
    for (const [other, map] of inode.chunks) if (!map.dirty) inode.chunks.delete(other);
  }
  const map = ChunkMap.decode((inode.stored ? store.chunk(inode.ino, indx) : undefined) ?? NO_SLICES);
  inode.chunks.set(indx, map);
  return map;
}

/** Indexes, ascending, of the chunks that have something: a row in the database or a map in memory. */
export function chunkIndexesOf(store: OwnerStore, inode: Inode): number[] {
  const indexes = new Set(inode.stored ? store.chunkIndexes(inode.ino) : []);
  for (const [indx, map] of inode.chunks ?? []) {
    if (map.isEmpty) indexes.delete(indx);
    else indexes.add(indx);
  }
  return [...indexes].toSorted((a, b) => a - b);
}
