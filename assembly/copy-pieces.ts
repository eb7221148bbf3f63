/** A copy of small pieces is dominated by the call of memory.copy. */
const BULK_BYTES: u32 = 256;

// @ts-ignore: decorator
@inline
function copySmall(to: usize, from: usize, bytes: u32): void {
  if (bytes >= 16) {
    // Whole vectors, then the last sixteen bytes, which may have been copied in part already.
    const last = bytes - 16;
    for (let at: u32 = 0; at < last; at += 16) v128.store(to + at, v128.load(from + at));
    v128.store(to + last, v128.load(from + last));
  } else if (bytes >= 8) {
    const last = bytes - 8;
    const head = load<u64>(from);
    store<u64>(to + last, load<u64>(from + last));
    store<u64>(to, head);
  } else if (bytes >= 4) {
    const last = bytes - 4;
    const head = load<u32>(from);
    store<u32>(to + last, load<u32>(from + last));
    store<u32>(to, head);
  } else {
    for (let at: u32 = 0; at < bytes; at++) store<u8>(to + at, load<u8>(from + at));
  }
}

/**
 * Packs `count` pieces, `{u32 ptr, u32 bytes}` each at `pieces`, one after the other to `out`; answers the bytes in all.
 * No piece may overlap the destination.
 */
export function copyPieces(pieces: usize, count: u32, out: usize): u32 {
  let to = out;
  const end = pieces + ((<usize>count) << 3);
  for (; pieces < end; pieces += 8) {
    const from = <usize>load<u32>(pieces);
    const bytes = load<u32>(pieces, 4);
    if (bytes < BULK_BYTES) copySmall(to, from, bytes);
    else memory.copy(to, from, bytes);
    to += bytes;
  }
  return <u32>(to - out);
}
