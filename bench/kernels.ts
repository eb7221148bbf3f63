/**
 * How fast the WebAssembly kernels are, alone on one core, next to what Node has for the same work:
 *
 *     npm run bench:kernels
 *
 * GB/s (10^9 bytes) by size of the input; of the overlay, millions of records per second.
 */
import { hash } from 'node:crypto';
import { cpus } from 'node:os';
import { crc32 } from 'node:zlib';
import { createMemory, instantiateKernels, overlayBytes } from '../dist/workers/wasm.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const SIZES = [4 * KIB, 64 * KIB, MIB, 4 * MIB];
/** Time that one measurement runs; the best of several is shown. */
const RUN_MS = 60;
const RUNS = 5;

const INPUT = MIB;
const OUTPUT = INPUT + 4 * MIB;
const WORK = OUTPUT + 4 * MIB;
const memory = createMemory(WORK);
const kernels = instantiateKernels(memory);
const bytes = new Uint8Array(memory.buffer);
const view = new DataView(memory.buffer);

let state = 1;
for (let i = 0; i < 4 * MIB; i += 4) {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
  view.setInt32(INPUT + i, state ^ (state >>> 15), true);
}

/** Units per second of `work`, which does `units` at each call. */
function rate(units: number, work: () => void): number {
  work();
  let best = 0;
  for (let run = 0; run < RUNS; run++) {
    const begun = performance.now();
    let calls = 0;
    let elapsed = 0;
    do {
      work();
      calls++;
      elapsed = performance.now() - begun;
    } while (elapsed < RUN_MS);
    best = Math.max(best, (units * calls * 1000) / elapsed);
  }
  return best;
}

/** Pieces of `pieceBytes` with gaps of 100 between them, listed at WORK; answers how many. */
function listPieces(total: number, pieceBytes: number): number {
  const count = Math.floor(total / (pieceBytes + 100));
  for (let i = 0; i < count; i++) {
    view.setUint32(WORK + 8 * i, INPUT + i * (pieceBytes + 100), true);
    view.setUint32(WORK + 8 * i + 4, pieceBytes, true);
  }
  return count;
}

function copyPieces(total: number, pieceBytes: number): number {
  const count = listPieces(total, pieceBytes);
  return rate(count * pieceBytes, () => kernels.copyPieces(WORK, count, OUTPUT));
}

function copyWithBuffer(total: number, pieceBytes: number): number {
  const count = listPieces(total, pieceBytes);
  const buffer = Buffer.from(memory.buffer);
  return rate(count * pieceBytes, () => {
    let to = OUTPUT;
    for (let i = 0; i < count; i++) {
      const from = view.getUint32(WORK + 8 * i, true);
      to += buffer.copy(buffer, to, from, from + view.getUint32(WORK + 8 * i + 4, true));
    }
  });
}

function input(size: number): Uint8Array {
  return bytes.subarray(INPUT, INPUT + size);
}

const ROWS: [name: string, measure: (size: number) => number][] = [
  ['crc32c', (size) => rate(size, () => kernels.crc32c(INPUT, size, 0))],
  ['granules of 64 KiB', (size) => rate(size, () => kernels.granules(INPUT, size, 64 * KIB, OUTPUT))],
  ['  Node: zlib.crc32 (another CRC)', (size) => rate(size, () => crc32(input(size)))],
  ['hash128 (BLAKE3)', (size) => rate(size, () => kernels.hash128(INPUT, size, OUTPUT))],
  ['  Node: crypto sha256', (size) => rate(size, () => hash('sha256', input(size), 'buffer'))],
  ['  Node: crypto blake2b512', (size) => rate(size, () => hash('blake2b512', input(size), 'buffer'))],
  ['cutPoints', (size) => rate(size, () => kernels.cutPoints(INPUT, size, 64, MIB, 4 * MIB, OUTPUT, 1000))],
  ['copyPieces of 100 B', (size) => copyPieces(size, 100)],
  ['  Node: Buffer.copy of 100 B', (size) => copyWithBuffer(size, 100)],
  ['copyPieces of 3 KiB', (size) => copyPieces(size, 3000)],
  ['  Node: Buffer.copy of 3 KiB', (size) => copyWithBuffer(size, 3000)],
];

/** Records at random places of a chunk of 64 MiB, each of up to 128 KiB. */
function overlay(count: number): number {
  const room = createMemory(24 * count + overlayBytes(count));
  const records = new DataView(room.buffer);
  for (let i = 0; i < count; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    const at = MIB + 24 * i;
    records.setUint32(at, (state >>> 8) % (64 * MIB - 128 * KIB));
    records.setBigUint64(at + 4, BigInt(i + 1));
    records.setUint32(at + 12, 128 * KIB);
    records.setUint32(at + 20, 1 + ((state >>> 4) % (128 * KIB)));
  }
  const own = instantiateKernels(room);
  return rate(count, () => own.overlay(MIB, count, MIB + 24 * count));
}

function line(name: string, values: number[], scale: number): void {
  console.log(`${name.padEnd(34)}${values.map((value) => (value / scale).toFixed(2).padStart(9)).join('')}`);
}

function title(name: string, columns: string[]): void {
  console.log(`\n${name.padEnd(34)}${columns.map((column) => column.padStart(9)).join('')}`);
}

console.log(`Node ${process.version}, ${cpus()[0]?.model.trim() ?? 'unknown CPU'}, one core`);
title(
  'GB/s',
  SIZES.map((size) => (size < MIB ? `${size / KIB} KiB` : `${size / MIB} MiB`)),
);
for (const [name, measure] of ROWS) line(name, SIZES.map(measure), 1e9);

const COUNTS = [10, 100, 1000, 10_000];
title(
  'million records/s',
  COUNTS.map((count) => `${count}`),
);
line('overlay', COUNTS.map(overlay), 1e6);
