/**
 * Content-defined cut points by a gear hash, as in W. Xia et al., "FastCDC" (USENIX ATC 2016): h = 2h + G[byte], which
 * depends on the last 64 bytes alone, so the same content is cut at the same places wherever it stands. A cut needs
 * h < threshold; before the average length the threshold is four times lower, after it four times higher, which draws
 * the lengths together.
 */
import { GEAR_TABLE } from './layout';

const WINDOW_BYTES: u32 = 64;

/** G: outputs of splitmix64 (Steele, Lea, Flood 2014) from 0. Cut points are stored, so these never change. */
export function buildGearTable(): void {
  for (let i: u64 = 0; i < 256; i++) {
    let z = (i + 1) * 0x9e3779b97f4a7c15;
    z = (z ^ (z >>> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >>> 27)) * 0x94d049bb133111eb;
    store<u64>(GEAR_TABLE + ((<usize>i) << 3), z ^ (z >>> 31));
  }
}

// @ts-ignore: decorator
@inline
function gear(byte: u32): u64 {
  return load<u64>(GEAR_TABLE + ((<usize>byte) << 3));
}

/**
 * Rolls on from `at` to `end`; answers the place after the byte that made h < threshold, or 0. Four bytes are taken at a
 * time: only one shift and one addition of the four wait for the hash before.
 */
// @ts-ignore: decorator
@inline
function scan(hash: u64, at: usize, end: usize, threshold: u64): usize {
  for (; at + 4 <= end; at += 4) {
    const bytes = load<u32>(at);
    const g0 = gear(bytes & 0xff);
    const g1 = (g0 << 1) + gear((bytes >>> 8) & 0xff);
    const g2 = (g1 << 1) + gear((bytes >>> 16) & 0xff);
    const g3 = (g2 << 1) + gear(bytes >>> 24);
    if ((hash << 1) + g0 < threshold) return at + 1;
    if ((hash << 2) + g1 < threshold) return at + 2;
    if ((hash << 3) + g2 < threshold) return at + 3;
    hash = (hash << 4) + g3;
    if (hash < threshold) return at + 4;
  }
  for (; at < end; at++) {
    hash = (hash << 1) + gear(load<u8>(at));
    if (hash < threshold) return at + 1;
  }
  return 0;
}

/** Hash of the 64 bytes before `at`. */
function hashBefore(at: usize): u64 {
  let hash: u64 = 0;
  for (let from = at - WINDOW_BYTES; from < at; from++) hash = (hash << 1) + gear(load<u8>(from));
  return hash;
}

/** Where the piece that starts at `start` ends. */
function cutAfter(start: usize, end: usize, minimum: u32, average: u32, maximum: u32): usize {
  if (<u32>(end - start) <= minimum) return end;
  const first = start + minimum;
  const limit = min(end, start + maximum);
  const middle = min(limit, start + average);
  const even = u64.MAX_VALUE / average;
  let cut = scan(hashBefore(first), first, middle, even >>> 2);
  if (cut == 0) cut = scan(hashBefore(middle), middle, limit, even << 2);
  return cut == 0 ? limit : cut;
}

/**
 * Cuts `bytes` bytes at `ptr` into pieces of minimum..maximum bytes, `average` on average for data that does not repeat;
 * the last one may be shorter. Needs 64 <= minimum <= average <= maximum and average >= 8. Writes the end of each piece
 * (u32, counted from `ptr`) to `out`, at most `outMax` of them; answers how many.
 */
export function cutPoints(
  ptr: usize,
  bytes: u32,
  minimum: u32,
  average: u32,
  maximum: u32,
  out: usize,
  outMax: u32,
): u32 {
  const end = ptr + bytes;
  let start = ptr;
  let count: u32 = 0;
  while (start < end && count < outMax) {
    start = cutAfter(start, end, minimum, average, maximum);
    store<u32>(out + ((<usize>count) << 2), <u32>(start - ptr));
    count++;
  }
  return count;
}
