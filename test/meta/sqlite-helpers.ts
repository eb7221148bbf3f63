import type { Database } from 'sql.js';

/** Every row of a query, integers as numbers. */
export function all(db: Database, query: string, params: (number | string | Uint8Array | null)[] = []): unknown[][] {
  return db.exec(query, params)[0]?.values ?? [];
}

/** One slice record, as the format stores it. */
export function record(pos: number, id: number, size: number, off: number, len: number): Buffer {
  const bytes = Buffer.alloc(24);
  bytes.writeUInt32BE(pos, 0);
  bytes.writeBigUInt64BE(BigInt(id), 4);
  bytes.writeUInt32BE(size, 12);
  bytes.writeUInt32BE(off, 16);
  bytes.writeUInt32BE(len, 20);
  return bytes;
}

export interface Piece {
  pos: number;
  id: number;
  size: number;
  off: number;
  len: number;
}

export function decode(list: Uint8Array): Piece[] {
  const bytes = Buffer.from(list);
  return Array.from({ length: bytes.length / 24 }, (_, i) => ({
    pos: bytes.readUInt32BE(i * 24),
    id: Number(bytes.readBigUInt64BE(i * 24 + 4)),
    size: bytes.readUInt32BE(i * 24 + 12),
    off: bytes.readUInt32BE(i * 24 + 16),
    len: bytes.readUInt32BE(i * 24 + 20),
  }));
}

/**
 * The naive twin of the overlay kernel: each record cuts what lies below it, in time order; neighbours that go on in the
 * same slice become one.
 */
export function naiveOverlay(list: Uint8Array): Uint8Array {
  let visible: Piece[] = [];
  for (const top of decode(list)) {
    const next: Piece[] = [];
    const end = top.pos + top.len;
    for (const below of visible) {
      const belowEnd = below.pos + below.len;
      if (below.pos < top.pos) next.push({ ...below, len: Math.min(belowEnd, top.pos) - below.pos });
      const from = Math.max(below.pos, end);
      if (belowEnd > from) next.push({ ...below, pos: from, off: below.off + from - below.pos, len: belowEnd - from });
    }
    next.push(top);
    visible = next;
  }
  visible = visible.filter((piece) => piece.len > 0).toSorted((a, b) => a.pos - b.pos);
  const merged: Piece[] = [];
  for (const piece of visible) {
    if (piece.id === 0) continue;
    const last = merged.at(-1);
    if (last?.id === piece.id && last.pos + last.len === piece.pos && last.off + last.len === piece.off) {
      last.len += piece.len;
    } else merged.push({ ...piece });
  }
  return new Uint8Array(Buffer.concat(merged.map((p) => record(p.pos, p.id, p.size, p.off, p.len))));
}
