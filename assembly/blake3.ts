/**
 * BLAKE3 from its specification (O'Connor, Aumasson, Neves, Wilcox-O'Hearn, "BLAKE3: one function, fast everywhere",
 * 2020): hash mode, no key. Chunks of 1 KiB are the leaves of a binary tree. Four chunks, or four parents, are hashed at
 * a time, one in each 32-bit lane of a vector.
 *
 * Names follow the specification: cv = chaining value of 8 words; a block is 16 words.
 */
import { BLAKE3_SCHEDULE } from './layout';

const CHUNK_BYTES: u32 = 1024;
const BLOCK_BYTES: u32 = 64;
const CV_BYTES: u32 = 32;
/** Chunks that are reduced to one cv together. */
const GROUP_CHUNKS: u32 = 16;

const CHUNK_START: u32 = 1;
const CHUNK_END: u32 = 2;
const PARENT: u32 = 4;
const ROOT: u32 = 8;

const IV0: u32 = 0x6a09e667;
const IV1: u32 = 0xbb67ae85;
const IV2: u32 = 0x3c6ef372;
const IV3: u32 = 0xa54ff53a;

/** Work space, after the 32 bytes of the result. */
const STATE: usize = 32;
const MESSAGE: usize = STATE + 16 * 16;
const GROUP: usize = MESSAGE + 16 * 16;
const STACK: usize = GROUP + GROUP_CHUNKS * 32;
// 32 + 256 + 256 + 512 + 54 * 32 = 2784 bytes: the caller gives 4096.

/** The schedule: round 0 takes the words in order, each later one permutes the one before. */
export function buildSchedule(): void {
  for (let i: u32 = 0; i < 16; i++) store<u8>(BLAKE3_SCHEDULE + i, <u8>i);
  for (let round: u32 = 1; round < 7; round++) {
    for (let i: u32 = 0; i < 16; i++) {
      store<u8>(BLAKE3_SCHEDULE + round * 16 + i, load<u8>(BLAKE3_SCHEDULE + (round - 1) * 16 + permuted(i)));
    }
  }
}

/** 2 6 3 10 7 0 4 13 1 11 12 5 9 14 15 8, a hexadecimal digit each, the first one lowest. */
function permuted(i: u32): u32 {
  return <u32>(<u64>0x8fe95cb1d407a362 >>> (i << 2)) & 15;
}

/** Word i of the initial value; only 0..7 exist. */
function iv(i: u32): u32 {
  switch (i) {
    case 0:
      return IV0;
    case 1:
      return IV1;
    case 2:
      return IV2;
    case 3:
      return IV3;
    case 4:
      return 0x510e527f;
    case 5:
      return 0x9b05688c;
    case 6:
      return 0x1f83d9ab;
    default:
      return 0x5be0cd19;
  }
}

// -- four at a time: state and message are 16 vectors each --

// @ts-ignore: decorator
@inline
function word4(work: usize, step: usize): v128 {
  return v128.load(work + MESSAGE + ((<usize>load<u8>(step)) << 4));
}

// @ts-ignore: decorator
@inline
function rotate4(x: v128, bits: i32): v128 {
  return v128.or(i32x4.shr_u(x, bits), i32x4.shl(x, 32 - bits));
}

// @ts-ignore: decorator
@inline
function g4(work: usize, a: usize, b: usize, c: usize, d: usize, step: usize): void {
  const state = work + STATE;
  let va = v128.load(state + a * 16);
  let vb = v128.load(state + b * 16);
  let vc = v128.load(state + c * 16);
  let vd = v128.load(state + d * 16);
  va = i32x4.add(i32x4.add(va, vb), word4(work, step));
  vd = v128.xor(vd, va);
  vd = i8x16.shuffle(vd, vd, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
  vc = i32x4.add(vc, vd);
  vb = rotate4(v128.xor(vb, vc), 12);
  va = i32x4.add(i32x4.add(va, vb), word4(work, step + 1));
  vd = v128.xor(vd, va);
  vd = i8x16.shuffle(vd, vd, 1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12);
  vc = i32x4.add(vc, vd);
  vb = rotate4(v128.xor(vb, vc), 7);
  v128.store(state + a * 16, va);
  v128.store(state + b * 16, vb);
  v128.store(state + c * 16, vc);
  v128.store(state + d * 16, vd);
}

/** Four words of each of four blocks, turned: vector i has word i of all four. */
// @ts-ignore: decorator
@inline
function transpose4(to: usize, a: v128, b: v128, c: v128, d: v128): void {
  const ab01 = i8x16.shuffle(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
  const ab23 = i8x16.shuffle(a, b, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
  const cd01 = i8x16.shuffle(c, d, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
  const cd23 = i8x16.shuffle(c, d, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
  v128.store(to, i8x16.shuffle(ab01, cd01, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23));
  v128.store(to, i8x16.shuffle(ab01, cd01, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31), 16);
  v128.store(to, i8x16.shuffle(ab23, cd23, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23), 32);
  v128.store(to, i8x16.shuffle(ab23, cd23, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31), 48);
}

/** Compresses one block of each of four inputs, `stride` apart; the cvs are state 0..7 before and after. */
function compress4(work: usize, block: usize, stride: usize, counter: u64, counterStep: u32, flags: u32): void {
  for (let i: usize = 0; i < 64; i += 16) {
    transpose4(
      work + MESSAGE + i * 4,
      v128.load(block + i),
      v128.load(block + stride + i),
      v128.load(block + 2 * stride + i),
      v128.load(block + 3 * stride + i),
    );
  }
  const state = work + STATE;
  for (let i: u32 = 0; i < 4; i++) v128.store(state + (8 + i) * 16, i32x4.splat(iv(i)));
  for (let lane: u32 = 0; lane < 4; lane++) {
    const number = counter + lane * counterStep;
    store<u32>(state + 12 * 16 + lane * 4, <u32>number);
    store<u32>(state + 13 * 16 + lane * 4, <u32>(number >>> 32));
  }
  v128.store(state + 14 * 16, i32x4.splat(BLOCK_BYTES));
  v128.store(state + 15 * 16, i32x4.splat(flags));
  for (let step = BLAKE3_SCHEDULE; step < BLAKE3_SCHEDULE + 112; step += 16) {
    g4(work, 0, 4, 8, 12, step);
    g4(work, 1, 5, 9, 13, step + 2);
    g4(work, 2, 6, 10, 14, step + 4);
    g4(work, 3, 7, 11, 15, step + 6);
    g4(work, 0, 5, 10, 15, step + 8);
    g4(work, 1, 6, 11, 12, step + 10);
    g4(work, 2, 7, 8, 13, step + 12);
    g4(work, 3, 4, 9, 14, step + 14);
  }
  for (let at = state; at < state + 128; at += 16) {
    v128.store(at, v128.xor(v128.load(at), v128.load(at, 128)));
  }
}

function start4(work: usize): void {
  for (let i: u32 = 0; i < 8; i++) v128.store(work + STATE + i * 16, i32x4.splat(iv(i)));
}

/** Writes the four cvs, one after the other. */
function finish4(work: usize, out: usize): void {
  const state = work + STATE;
  for (let half: usize = 0; half < 2; half++) {
    const from = state + half * 64;
    transpose4(work + MESSAGE, v128.load(from), v128.load(from, 16), v128.load(from, 32), v128.load(from, 48));
    for (let lane: usize = 0; lane < 4; lane++) {
      v128.store(out + lane * CV_BYTES + half * 16, v128.load(work + MESSAGE + lane * 16));
    }
  }
}

/** The cvs of four whole chunks. */
function chunks4(work: usize, ptr: usize, counter: u64, out: usize): void {
  start4(work);
  for (let at: u32 = 0; at < CHUNK_BYTES; at += BLOCK_BYTES) {
    let flags: u32 = at == 0 ? CHUNK_START : 0;
    if (at == CHUNK_BYTES - BLOCK_BYTES) flags |= CHUNK_END;
    compress4(work, ptr + at, CHUNK_BYTES, counter, 1, flags);
  }
  finish4(work, out);
}

/** The cvs of four parents, whose eight children follow each other. */
function parents4(work: usize, children: usize, out: usize): void {
  start4(work);
  compress4(work, children, 2 * CV_BYTES, 0, 0, PARENT);
  finish4(work, out);
}

/** The cv of 16 whole chunks. Parents beyond the last are computed from leftovers and ignored. */
function group(work: usize, ptr: usize, counter: u64): void {
  const cvs = work + GROUP;
  for (let i: u32 = 0; i < GROUP_CHUNKS; i += 4) chunks4(work, ptr + i * CHUNK_BYTES, counter + i, cvs + i * CV_BYTES);
  parents4(work, cvs, cvs);
  parents4(work, cvs + 8 * CV_BYTES, cvs + 4 * CV_BYTES);
  parents4(work, cvs, cvs);
  parents4(work, cvs, cvs);
  parents4(work, cvs, cvs);
}

// -- one at a time --

// @ts-ignore: decorator
@inline
function g1(work: usize, a: usize, b: usize, c: usize, d: usize, step: usize): void {
  const state = work + STATE;
  const message = work + MESSAGE;
  let va = load<u32>(state + a * 4);
  let vb = load<u32>(state + b * 4);
  let vc = load<u32>(state + c * 4);
  let vd = load<u32>(state + d * 4);
  va = va + vb + load<u32>(message + ((<usize>load<u8>(step)) << 2));
  vd = rotr<u32>(vd ^ va, 16);
  vc += vd;
  vb = rotr<u32>(vb ^ vc, 12);
  va = va + vb + load<u32>(message + ((<usize>load<u8>(step, 1)) << 2));
  vd = rotr<u32>(vd ^ va, 8);
  vc += vd;
  vb = rotr<u32>(vb ^ vc, 7);
  store<u32>(state + a * 4, va);
  store<u32>(state + b * 4, vb);
  store<u32>(state + c * 4, vc);
  store<u32>(state + d * 4, vd);
}

/** Compresses a block of up to 64 bytes; the cv is state 0..7 before and after. */
function compress1(work: usize, block: usize, bytes: u32, counter: u64, flags: u32): void {
  memory.fill(work + MESSAGE, 0, BLOCK_BYTES);
  memory.copy(work + MESSAGE, block, bytes);
  const state = work + STATE;
  for (let i: u32 = 0; i < 4; i++) store<u32>(state + (8 + i) * 4, iv(i));
  store<u64>(state, counter, 48);
  store<u32>(state, bytes, 56);
  store<u32>(state, flags, 60);
  for (let step = BLAKE3_SCHEDULE; step < BLAKE3_SCHEDULE + 112; step += 16) {
    g1(work, 0, 4, 8, 12, step);
    g1(work, 1, 5, 9, 13, step + 2);
    g1(work, 2, 6, 10, 14, step + 4);
    g1(work, 3, 7, 11, 15, step + 6);
    g1(work, 0, 5, 10, 15, step + 8);
    g1(work, 1, 6, 11, 12, step + 10);
    g1(work, 2, 7, 8, 13, step + 12);
    g1(work, 3, 4, 9, 14, step + 14);
  }
  for (let i: usize = 0; i < 32; i += 4) {
    store<u32>(state + i, load<u32>(state + i) ^ load<u32>(state + i, 32));
  }
}

function start1(work: usize): void {
  for (let i: u32 = 0; i < 8; i++) store<u32>(work + STATE + i * 4, iv(i));
}

/** The cv of one chunk of up to 1 KiB into `out`; `root` when it is the whole input. */
function chunk1(work: usize, ptr: usize, bytes: u32, counter: u64, root: u32, out: usize): void {
  start1(work);
  let flags = CHUNK_START;
  while (bytes > BLOCK_BYTES) {
    compress1(work, ptr, BLOCK_BYTES, counter, flags);
    flags = 0;
    ptr += BLOCK_BYTES;
    bytes -= BLOCK_BYTES;
  }
  compress1(work, ptr, bytes, counter, flags | CHUNK_END | root);
  memory.copy(out, work + STATE, CV_BYTES);
}

/** The cv of the parent of two neighbours at `children`, into the first one's place. */
function parent1(work: usize, children: usize, root: u32): void {
  start1(work);
  compress1(work, children, BLOCK_BYTES, 0, PARENT | root);
  memory.copy(children, work + STATE, CV_BYTES);
}

/** Puts a cv on the stack and joins what is complete: `count` subtrees of its size are in, this one included. */
function push(work: usize, top: usize, cv: usize, count: u64): usize {
  memory.copy(top, cv, CV_BYTES);
  for (; (count & 1) == 0; count >>= 1) {
    top -= CV_BYTES;
    parent1(work, top, 0);
  }
  return top + CV_BYTES;
}

/**
 * BLAKE3 of `bytes` bytes at `ptr`: 32 bytes at `out`, of which the first 16 are the 128-bit hash (the specification
 * allows any prefix). The output area must have 4096 bytes: work space follows the hash.
 */
export function hash128(ptr: usize, bytes: u32, out: usize): void {
  if (bytes <= CHUNK_BYTES) return chunk1(out, ptr, bytes, 0, ROOT, out);
  let top = out + STACK;
  let counter: u64 = 0;
  let left = bytes;
  // What follows must not be empty: the last node is the root, and that changes how it is hashed.
  for (; left > GROUP_CHUNKS * CHUNK_BYTES; left -= GROUP_CHUNKS * CHUNK_BYTES) {
    group(out, ptr, counter);
    counter += GROUP_CHUNKS;
    top = push(out, top, out + GROUP, counter / GROUP_CHUNKS);
    ptr += GROUP_CHUNKS * CHUNK_BYTES;
  }
  for (; left >= 4 * CHUNK_BYTES; left -= 4 * CHUNK_BYTES) {
    chunks4(out, ptr, counter, out + GROUP);
    for (let i: u32 = 0; i < 3; i++) top = push(out, top, out + GROUP + i * CV_BYTES, ++counter);
    if (left == 4 * CHUNK_BYTES) memory.copy(top, out + GROUP + 3 * CV_BYTES, CV_BYTES);
    else top = push(out, top, out + GROUP + 3 * CV_BYTES, ++counter);
    ptr += 4 * CHUNK_BYTES;
  }
  for (; left > CHUNK_BYTES; left -= CHUNK_BYTES) {
    chunk1(out, ptr, CHUNK_BYTES, counter, 0, out + GROUP);
    top = push(out, top, out + GROUP, ++counter);
    ptr += CHUNK_BYTES;
  }
  if (left > 0) chunk1(out, ptr, left, counter, 0, top);
  // The last cv stands at the top; from there on, everything is joined.
  for (; top > out + STACK; ) {
    top -= CV_BYTES;
    parent1(out, top, top == out + STACK ? ROOT : 0);
  }
  memory.copy(out, out + STACK, CV_BYTES);
}
