/**
 * CRC-32C (Castagnoli, as in iSCSI, RFC 3720), reflected polynomial 0x82f63b78, by Kounavis and Berry's "slicing": table
 * k tells what a byte does that is followed by k more, so sixteen bytes are sixteen independent look-ups.
 */
import { CRC_TABLES } from './layout';

const POLYNOMIAL: u32 = 0x82f63b78;

// @ts-ignore: decorator
@inline
function table(k: i32, byte: u32): u32 {
  return load<u32>(CRC_TABLES + ((<usize>k) << 10) + ((<usize>(byte & 0xff)) << 2));
}

/** Writes the tables. Each entry is stored once, with its final value. */
export function buildCrcTables(): void {
  for (let i: u32 = 0; i < 256; i++) {
    let crc = i;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (POLYNOMIAL & (0 - (crc & 1)));
    store<u32>(CRC_TABLES + ((<usize>i) << 2), crc);
  }
  for (let k = 1; k < 16; k++) {
    for (let i: u32 = 0; i < 256; i++) {
      const before = table(k - 1, i);
      store<u32>(CRC_TABLES + ((<usize>k) << 10) + ((<usize>i) << 2), (before >>> 8) ^ table(0, before));
    }
  }
}

// @ts-ignore: decorator
@inline
function word(k: i32, value: u32): u32 {
  return table(k + 3, value) ^ table(k + 2, value >>> 8) ^ table(k + 1, value >>> 16) ^ table(k, value >>> 24);
}

/** One step of sixteen bytes. */
// @ts-ignore: decorator
@inline
function step(crc: u32, ptr: usize): u32 {
  return (
    word(12, crc ^ load<u32>(ptr)) ^ word(8, load<u32>(ptr, 4)) ^ word(4, load<u32>(ptr, 8)) ^ word(0, load<u32>(ptr, 12))
  );
}

/** CRC of `bytes` bytes at `ptr` that follow bytes with the CRC `seed` (0 for none). */
export function crc32c(ptr: usize, bytes: u32, seed: u32): u32 {
  let crc = ~seed;
  const end = ptr + bytes;
  const endOfSteps = ptr + (bytes & ~15);
  for (; ptr < endOfSteps; ptr += 16) crc = step(crc, ptr);
  for (; ptr < end; ptr++) crc = (crc >>> 8) ^ table(0, crc ^ load<u8>(ptr));
  return ~crc;
}

/**
 * CRCs of consecutive granules of `granuleBytes` (the last may be shorter), u32 each at `out`; answers how many. Two
 * granules are taken at a time: their look-ups do not wait for each other.
 */
export function granules(ptr: usize, bytes: u32, granuleBytes: u32, out: usize): u32 {
  let count: u32 = 0;
  let left = bytes;
  const steps = granuleBytes & ~15;
  for (; left >= 2 * granuleBytes; left -= 2 * granuleBytes, count += 2) {
    let a: u32 = ~0;
    let b: u32 = ~0;
    const end = ptr + steps;
    for (let at = ptr; at < end; at += 16) {
      a = step(a, at);
      b = step(b, at + granuleBytes);
    }
    const rest = granuleBytes - steps;
    store<u32>(out + ((<usize>count) << 2), crc32c(end, rest, ~a));
    store<u32>(out + ((<usize>count) << 2), crc32c(end + granuleBytes, rest, ~b), 4);
    ptr += 2 * granuleBytes;
  }
  while (left > 0) {
    const length = min(left, granuleBytes);
    store<u32>(out + ((<usize>count) << 2), crc32c(ptr, length, 0));
    ptr += length;
    left -= length;
    count++;
  }
  return count;
}

/** Product of two polynomials modulo the CRC's, bits reflected: the highest bit is x^0. */
function multiply(a: u32, b: u32): u32 {
  let product: u32 = 0;
  for (let bit: u32 = 0x80000000; bit != 0; bit >>>= 1) {
    product ^= b & (0 - <u32>((a & bit) != 0));
    b = (b >>> 1) ^ (POLYNOMIAL & (0 - (b & 1)));
  }
  return product;
}

/** CRC of A followed by B, from the CRC of each and the length of B: crcA * x^(8 * bytesB) + crcB. */
export function crc32cCombine(crcA: u32, crcB: u32, bytesB: f64): u32 {
  let left = <u64>bytesB;
  let square: u32 = 0x00800000; // x^8
  let power: u32 = 0x80000000; // x^0
  for (; left != 0; left >>= 1) {
    if ((left & 1) != 0) power = multiply(power, square);
    square = multiply(square, square);
  }
  return multiply(power, crcA) ^ crcB;
}
