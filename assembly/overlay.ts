/**
 * A chunk is a list of slice records, oldest first, of which later ones hide earlier ones. The overlay is what remains
 * visible.
 *
 * The ends of all records cut the chunk into cells. From the newest record to the oldest, each paints the cells of its
 * range that nobody has painted yet; painted cells are skipped by a union-find, so each is painted once. n records
 * take O(n log n) for sorting the ends, and nearly O(n) for the rest.
 */

/** Record: u32 pos, u64 slice id, u32 slice size, u32 offset in the slice, u32 length, big endian. */
const RECORD_BYTES: usize = 24;
const NOBODY: u32 = 0xffffffff;

// @ts-ignore: decorator
@inline
function field(record: usize, at: usize): u32 {
  return bswap<u32>(load<u32>(record + at));
}

// @ts-ignore: decorator
@inline
function posOf(record: usize): u32 {
  return field(record, 0);
}

/** First byte after the record; a record that would end beyond 32 bits ends there. */
// @ts-ignore: decorator
@inline
function endOf(record: usize): u32 {
  return <u32>min<u64>(<u64>posOf(record) + <u64>field(record, 20), 0xffffffff);
}

// @ts-ignore: decorator
@inline
function at(array: usize, index: u32): u32 {
  return load<u32>(array + ((<usize>index) << 2));
}

// @ts-ignore: decorator
@inline
function put(array: usize, index: u32, value: u32): void {
  store<u32>(array + ((<usize>index) << 2), value);
}

/** Merge sort, bottom up; answers which of the two arrays holds the result. */
function sort(values: usize, spare: usize, count: u32): usize {
  for (let width: u32 = 1; width < count; width <<= 1) {
    for (let low: u32 = 0; low < count; low += width << 1) {
      const middle = min(low + width, count);
      const high = min(low + (width << 1), count);
      let left = low;
      let right = middle;
      for (let to = low; to < high; to++) {
        const takeLeft = left < middle && (right >= high || at(values, left) <= at(values, right));
        put(spare, to, takeLeft ? at(values, left++) : at(values, right++));
      }
    }
    const swap = values;
    values = spare;
    spare = swap;
  }
  return values;
}

function dedupe(values: usize, count: u32): u32 {
  let kept: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const value = at(values, i);
    if (kept == 0 || value != at(values, kept - 1)) put(values, kept++, value);
  }
  return kept;
}

function indexOf(values: usize, count: u32, value: u32): u32 {
  let low: u32 = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (at(values, middle) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** First cell at or after `cell` that is not painted; halves the path that it walks. */
function nextFree(next: usize, cell: u32): u32 {
  let step = at(next, cell);
  while (step != cell) {
    const after = at(next, step);
    put(next, cell, after);
    cell = after;
    step = at(next, cell);
  }
  return cell;
}

/** Appends a segment to the output, or lengthens the last one where this continues it. */
function emit(record: usize, from: u32, to: u32, out: usize, count: u32): u32 {
  const off = field(record, 16) + (from - posOf(record));
  const last = out + <usize>(count - 1) * RECORD_BYTES;
  if (
    count > 0 &&
    load<u64>(last, 4) == load<u64>(record, 4) &&
    load<u32>(last, 12) == load<u32>(record, 12) &&
    endOf(last) == from &&
    field(last, 16) + field(last, 20) == off
  ) {
    store<u32>(last, bswap<u32>(field(last, 20) + (to - from)), 20);
    return count;
  }
  const segment = last + RECORD_BYTES;
  store<u32>(segment, bswap<u32>(from));
  store<u64>(segment, load<u64>(record, 4), 4);
  store<u32>(segment, load<u32>(record, 12), 12);
  store<u32>(segment, bswap<u32>(off), 16);
  store<u32>(segment, bswap<u32>(to - from), 20);
  return count + 1;
}

/**
 * Visible segments of `count` records (oldest first) at `records`, in the same form at `out`: sorted by position, not
 * overlapping, neighbours that continue each other in one slice merged; zeros (id 0) and gaps are left out. Answers how
 * many, at most 2 * count. The output area must have 72 * count + 16 bytes: work space follows the segments.
 */
export function overlay(records: usize, count: u32, out: usize): u32 {
  const ends = out + <usize>count * 2 * RECORD_BYTES;
  const spare = ends + ((<usize>count) << 3);
  const next = spare + ((<usize>count) << 3);
  const endOfRecords = records + <usize>count * RECORD_BYTES;
  let endCount: u32 = 0;
  for (let record = records; record < endOfRecords; record += RECORD_BYTES) {
    if (field(record, 20) == 0) continue;
    put(ends, endCount++, posOf(record));
    put(ends, endCount++, endOf(record));
  }
  if (endCount == 0) return 0;
  const sorted = sort(ends, spare, endCount);
  const painter = sorted == ends ? spare : ends;
  const edges = dedupe(sorted, endCount);
  for (let cell: u32 = 0; cell < edges; cell++) {
    put(next, cell, cell);
    put(painter, cell, NOBODY);
  }
  for (let i = count; i > 0; i--) {
    const record = records + <usize>(i - 1) * RECORD_BYTES;
    if (field(record, 20) == 0) continue;
    const last = indexOf(sorted, edges, endOf(record));
    let cell = nextFree(next, indexOf(sorted, edges, posOf(record)));
    while (cell < last) {
      put(painter, cell, i - 1);
      put(next, cell, cell + 1);
      cell = nextFree(next, cell + 1);
    }
  }
  let segments: u32 = 0;
  for (let cell: u32 = 0; cell + 1 < edges; cell++) {
    const owner = at(painter, cell);
    if (owner == NOBODY) continue;
    const record = records + <usize>owner * RECORD_BYTES;
    if (load<u64>(record, 4) != 0) segments = emit(record, at(sorted, cell), at(sorted, cell + 1), out, segments);
  }
  return segments;
}
