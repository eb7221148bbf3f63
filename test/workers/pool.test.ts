import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BLOCK_BYTES, GRANULE_BYTES } from '../../dist/base/limits.js';
import { Arena, crcOffset } from '../../dist/workers/arena.js';
import { KernelPool, type Checksums } from '../../dist/workers/pool.js';
import { instantiateKernels } from '../../dist/workers/wasm.js';
import { fill, naiveCrc32c, seeded } from './helpers.ts';

interface Context {
  directory: string;
  arena: Arena;
  pool: KernelPool;
}

const pools = suite<Context>('kernel pool');

pools.before((context) => {
  context.directory = mkdtempSync(join(tmpdir(), 'forkfs-pool-'));
  context.arena = Arena.create();
  context.pool = new KernelPool(context.arena);
});

pools.after(async (context) => {
  await context.pool.close();
  rmSync(context.directory, { recursive: true });
});

function checkSums(sums: Checksums, expected: Uint8Array): void {
  assert.is(sums.crcs.length, Math.ceil(expected.length / GRANULE_BYTES));
  sums.crcs.forEach((crc, i) => {
    assert.is(crc, naiveCrc32c(expected.subarray(i * GRANULE_BYTES, (i + 1) * GRANULE_BYTES)), `granule ${i}`);
  });
  assert.is(sums.crc, naiveCrc32c(expected));
}

/** Pieces of many lengths and gaps over two files whose first bytes are far up in the stream. */
function makeLog(
  directory: string,
  seed: number,
): { files: { path: string; firstByte: number }[]; lsns: number[]; lens: number[]; data: Uint8Array[] } {
  const random = seeded(seed);
  const fileBytes = 3_000_000;
  const base = 2 ** 40;
  const files = [0, 1].map((i) => ({ path: join(directory, `${seed}-${i}.seg`), firstByte: base + i * fileBytes }));
  const images = files.map((_, i) => fill(new Uint8Array(fileBytes), seed + i));
  files.forEach((file, i) => writeFileSync(file.path, images[i] ?? new Uint8Array()));
  const lsns: number[] = [];
  const lens: number[] = [];
  const data: Uint8Array[] = [];
  for (let i = 0; i < 2; i++) {
    for (let at = 0; ;) {
      at += random(20) === 0 ? random(200_000) : 96 + random(100);
      const length = 1 + (random(30) === 0 ? random(600_000) : random(300));
      if (at + length > fileBytes || data.reduce((sum, part) => sum + part.length, 0) + length > BLOCK_BYTES) break;
      lsns.push(base + i * fileBytes + at);
      lens.push(length);
      data.push(images[i]?.subarray(at, at + length) ?? new Uint8Array());
      at += length;
    }
  }
  return { files, lsns, lens, data };
}

pools('gathers a pack from the files of the log', async ({ directory, arena, pool }) => {
  for (const seed of [1, 2, 3]) {
    const { files, lsns, lens, data } = makeLog(directory, seed);
    assert.ok(
      lsns.some((lsn) => lsn >= (files[1]?.firstByte ?? 0)),
      'the second file is used',
    );
    const expected = Buffer.concat(data);
    const extent = await arena.acquire();
    const task = {
      files,
      lsns: Float64Array.from(lsns),
      lens: Uint32Array.from(lens),
      extent,
      granuleBytes: GRANULE_BYTES,
    };
    const sums = await pool.gather(task);
    assert.ok(Buffer.compare(arena.bytes(extent, expected.length), expected) === 0, `seed ${seed}`);
    checkSums(sums, expected);
    assert.equal(Buffer.from(arena.bytes(crcOffset(extent), 4)).readUInt32LE(), sums.crcs[0]);
    arena.release(extent);
  }
});

pools('gathers 40,000 pieces of 100 bytes', async ({ directory, arena, pool }) => {
  const path = join(directory, 'many.seg');
  const image = fill(new Uint8Array(40_000 * 200), 9);
  writeFileSync(path, image);
  const lsns = Float64Array.from({ length: 40_000 }, (_, i) => 200 * i + 96);
  const extent = await arena.acquire();
  const lens = new Uint32Array(40_000).fill(100);
  const before = pool.stats().jobs['copyPieces'] ?? 0;
  const sums = await pool.gather({ files: [{ path, firstByte: 0 }], lsns, lens, extent, granuleBytes: GRANULE_BYTES });
  const expected = Buffer.concat(Array.from(lsns, (lsn) => image.subarray(lsn, lsn + 100)));
  assert.ok(Buffer.compare(arena.bytes(extent, expected.length), expected) === 0);
  checkSums(sums, expected);
  assert.ok((pool.stats().jobs['copyPieces'] ?? 0) - before < 40, 'few reads for many pieces');
  arena.release(extent);
});

pools('checksums, hashes and cuts in place', async ({ arena, pool }) => {
  const extent = await arena.acquire();
  const input = Uint8Array.from(fill(arena.bytes(extent, 1_000_001), 5));
  checkSums(await pool.checksum(extent, input.length), input);
  checkSums(await pool.checksum(extent + 4096, 5), input.subarray(4096, 4101));
  const hash = await pool.hash(extent, 3);
  assert.is(hash.length, 32);
  assert.not.equal(hash, await pool.hash(extent, 4));
  const cuts = await pool.cutPoints(extent, input.length, { min: 1000, avg: 4000, max: 16_000 });
  assert.is(cuts.at(-1), input.length);
  const digest = createHash('sha256').update(arena.bytes(extent, input.length)).digest('hex');
  assert.is(digest, createHash('sha256').update(input).digest('hex'), 'the block is as it was');
  arena.release(extent);
});

pools('works on several extents at once', async ({ arena, pool }) => {
  const extents = await Promise.all(Array.from({ length: 6 }, () => arena.acquire()));
  const inputs = extents.map((extent, i) => Uint8Array.from(fill(arena.bytes(extent, 300_000 + i), i)));
  const sums = await Promise.all(extents.map((extent, i) => pool.checksum(extent, 300_000 + i)));
  sums.forEach((sum, i) => checkSums(sum, inputs[i] ?? new Uint8Array()));
  extents.forEach((extent) => arena.release(extent));
});

pools('counts jobs and bytes of each kernel', async ({ arena }) => {
  const pool = new KernelPool(arena, { threads: 1 });
  assert.equal(pool.stats(), { jobs: {}, bytes: {} });
  const extent = await arena.acquire();
  await pool.checksum(extent, 100_000);
  await pool.checksum(extent, 50_000);
  await pool.hash(extent, 7);
  assert.equal(pool.stats(), {
    jobs: { granules: 2, crc32cCombine: 2, hash128: 1 },
    bytes: { granules: 150_000, crc32cCombine: 150_000, hash128: 7 },
  });
  arena.release(extent);
  await pool.close();
});

pools('hands on the error of a file, with its code', async ({ directory, arena, pool }) => {
  const extent = await arena.acquire();
  const task = { lsns: Float64Array.of(10), lens: Uint32Array.of(20), extent, granuleBytes: GRANULE_BYTES };
  const missing = pool.gather({ ...task, files: [{ path: join(directory, 'absent.seg'), firstByte: 0 }] });
  assert.is(await missing.then(() => '', codeOf), 'FsError ENOENT');
  const path = join(directory, 'short.seg');
  writeFileSync(path, new Uint8Array(29));
  assert.is(await pool.gather({ ...task, files: [{ path, firstByte: 0 }] }).then(() => '', codeOf), 'FsError EIO');
  assert.is(await pool.gather({ ...task, files: [{ path, firstByte: 11 }] }).then(() => '', codeOf), 'FsError EIO');
  assert.is(await pool.gather({ ...task, files: [] }).then(() => '', codeOf), 'FsError EIO');
  arena.release(extent);
});

function codeOf(error: { name: string; code?: string; kind?: string }): string {
  return `${error.name} ${error.code ?? error.kind}`;
}

pools('takes nothing more when it is closed', async ({ arena }) => {
  const pool = new KernelPool(arena);
  const extent = await arena.acquire();
  const running = pool.checksum(extent, 1000).then(() => 'done', codeOf);
  await pool.close();
  await pool.close();
  assert.ok(['done', 'VolumeError state'].includes(await running));
  assert.is(await pool.checksum(extent, 1000).then(() => 'done', codeOf), 'VolumeError state');
  arena.release(extent);
});

pools('gives the same values as the kernels called directly', async ({ arena, pool }) => {
  const kernels = instantiateKernels(arena.memory);
  const extent = await arena.acquire();
  fill(arena.bytes(extent, 70_000), 8);
  const { crc } = await pool.checksum(extent, 70_000);
  assert.is(kernels.crc32c(extent, 70_000, 0), crc);
  arena.release(extent);
});

pools('is not disturbed by threads that start on the same memory', async ({ arena, pool }) => {
  const extents = [await arena.acquire(), await arena.acquire()];
  const expected = naiveCrc32c(fill(new Uint8Array(1_000_000), 12));
  // One task at a time in each extent, two at a time in all, while instances come and go.
  const results = extents.map(async (extent) => {
    fill(arena.bytes(extent, 1_000_000), 12);
    const hashes = new Set<string>();
    for (let i = 0; i < 20; i++) {
      assert.is((await pool.checksum(extent, 1_000_000)).crc, expected);
      hashes.add(Buffer.from(await pool.hash(extent, 1_000_000)).toString('hex'));
      for (let j = 0; j < 5; j++) instantiateKernels(arena.memory);
    }
    return [...hashes];
  });
  const [first, second] = await Promise.all(results);
  assert.is(first?.length, 1);
  assert.equal(first, second);
  extents.forEach((extent) => arena.release(extent));
});

pools.run();
