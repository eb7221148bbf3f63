import { existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ERRNO } from '../../dist/base/errno.js';
import { StoreError } from '../../dist/base/errors.js';
import { ARENA_EXTENTS, KIB, MIB } from '../../dist/base/limits.js';
import type { MissingPart } from '../../dist/chunk/messages.js';
import { Arena } from '../../dist/workers/arena.js';
import { KernelPool } from '../../dist/workers/pool.js';
import { ReaderBench } from './reader-support.ts';
import { makeBlock, makePacks, noise, until } from './store-support.ts';

interface Context {
  bench: ReaderBench;
  arena: Arena;
  pool: KernelPool;
}

const reads = suite<Context>('block reader');

reads.before((context) => {
  context.arena = Arena.create();
  context.pool = new KernelPool(context.arena, { threads: 1 });
});
reads.after(({ pool }) => pool.close());
reads.before.each(async (context) => {
  // Threads and files that live as long as the suite are opened before descriptors are counted.
  const extent = await context.arena.acquire();
  await context.pool.checksum(extent, 1);
  context.arena.release(extent);
  context.bench = new ReaderBench();
});
reads.after.each(async ({ bench, arena }) => {
  if (await bench.close()) assert.is(arena.freeExtents, ARENA_EXTENTS);
});

const down = (): Promise<never> => Promise.reject(new StoreError('unavailable', 'down'));

reads('fetches only the granules that a small read needs', async ({ bench }) => {
  const block = await bench.store(makeBlock(1, 4 * MIB - 5000));
  const size = block.body.length;
  const cases: [number, number, number, number][] = [
    [0, 1, 0, 64 * KIB],
    [100, 4096, 0, 64 * KIB],
    [64 * KIB - 1, 2, 0, 128 * KIB],
    [3 * MIB + 17, 70_000, 3 * MIB, 128 * KIB],
    [size - 10, 10, size - (size % (64 * KIB)), size % (64 * KIB)],
  ];
  for (const [off, len, offset, length] of cases) {
    await bench.check(bench.reader(), block, off, len);
    assert.equal(bench.remote.gets.pop(), { key: block.key, offset, length });
  }
  assert.equal(bench.posted, []);
  assert.equal(bench.remote.gets, []);
});

reads('fetches the whole block at the second read of it, and then no more', async ({ bench, arena, pool }) => {
  const block = await bench.store(makeBlock(2, 4 * MIB));
  const reader = bench.reader({ arena, pool });
  await bench.check(reader, block, 1000, 100);
  await bench.check(reader, block, 3 * MIB, 5000);
  assert.equal(
    bench.remote.gets.map(({ length }) => length),
    [64 * KIB, undefined],
  );
  await bench.settled(reader);
  for (const off of [0, 2 * MIB + 3, 4 * MIB - 100]) await bench.check(reader, block, off, 100);
  assert.is(bench.remote.gets.length, 2, 'the cache has it');
  bench.checkPosted(block);
  // Another daemon has it from the cache, too.
  await bench.check(bench.reader(), block, 12_345, 678);
  assert.is(bench.remote.gets.length, 2);
});

reads('fetches the whole block for a quarter of it, and small blocks always', async ({ bench }) => {
  const large = await bench.store(makeBlock(3, 4 * MIB));
  const small = await bench.store(makeBlock(4, 60 * KIB));
  const reader = bench.reader();
  await bench.check(reader, large, 2 * MIB, MIB);
  await bench.check(reader, small, 7, 1);
  await bench.settled(reader);
  assert.equal(
    bench.remote.gets.map(({ length }) => length),
    [undefined, undefined],
  );
  bench.checkPosted(large);
  bench.checkPosted(small);
});

reads('fetches a block once for many who read it at one time', async ({ bench }) => {
  const block = await bench.store(makeBlock(5, 4 * MIB));
  const reader = bench.reader();
  const offsets = Array.from({ length: 40 }, (_, i) => i * 100_000);
  await Promise.all(offsets.map((off) => bench.check(reader, block, off, 90_000)));
  assert.is(bench.remote.gets.filter(({ length }) => length === undefined).length, 1);
  assert.ok(bench.remote.gets.length <= 2);
});

reads('puts the parts of an answer together, from blocks and from the log', async ({ bench }) => {
  const segmentBytes = MIB;
  const [one] = makePacks(bench.logDirectory, segmentBytes, [2 * MIB]);
  const blocks = [await bench.store(makeBlock(6, 100_000)), await bench.store(makeBlock(7, 3 * MIB))];
  const reader = bench.reader({ segmentBytes });
  const parts: MissingPart[] = [];
  const expected: Uint8Array[] = [];
  let at = 0;
  for (const [i, lsn] of one!.pack.lsns.entries()) {
    const len = one!.pack.lens[i]!;
    parts.push({ from: 'log', at, len, lsn });
    const before = one!.pack.lens.subarray(0, i).reduce((sum, each) => sum + each, 0);
    expected.push(one!.body.subarray(before, before + len));
    at += len;
    const { ref, body } = blocks[i % 2]!;
    parts.push({ from: 'block', at, len: 999, off: 50_000, block: ref });
    expected.push(body.subarray(50_000, 50_999));
    at += 999;
  }
  const { errno, body } = await bench.parts(reader, at, parts);
  assert.is(errno, 0, bench.logger.text());
  assert.ok(Buffer.concat(expected).equals(body!));
});

reads('reads a part of the log that crosses segments, even if they are deleted right then', async ({ bench }) => {
  const segmentBytes = MIB;
  const bytes = noise(2 * segmentBytes, 1);
  makePacks(bench.logDirectory, segmentBytes, []);
  for (const i of [0, 1]) {
    const name = `${(i * segmentBytes).toString(16).padStart(16, '0')}.seg`;
    writeFileSync(join(bench.logDirectory, name), bytes.subarray(i * segmentBytes, (i + 1) * segmentBytes));
  }
  const lsn = segmentBytes - 5000;
  const answer = bench.parts(bench.reader({ segmentBytes }), 10_000, [{ from: 'log', at: 0, len: 10_000, lsn }]);
  rmSync(bench.logDirectory, { recursive: true });
  const { errno, body } = await answer;
  assert.is(errno, 0, bench.logger.text());
  assert.ok(Buffer.from(bytes.subarray(lsn, lsn + 10_000)).equals(body!));
});

reads('answers EIO when the log does not have the bytes', async ({ bench }) => {
  const part: MissingPart = { from: 'log', at: 0, len: 10, lsn: 12_345 };
  assert.equal(await bench.parts(bench.reader(), 10, [part]), { errno: ERRNO.EIO, body: null });
  assert.equal(await bench.parts(bench.reader({ logDirectory: null }), 10, [part]), { errno: ERRNO.EIO, body: null });
  makePacks(bench.logDirectory, MIB, []);
  writeFileSync(join(bench.logDirectory, '0000000000000000.seg'), noise(12_350, 1));
  assert.is((await bench.parts(bench.reader({ segmentBytes: MIB }), 10, [part])).errno, ERRNO.EIO);
  assert.is(bench.logger.lines.filter(({ level, fields }) => level === 'error' && fields['lsn'] === 12_345).length, 3);
});

reads('answers EIO for a missing block and names it; the rest works', async ({ bench }) => {
  const missing = makeBlock(8, 4 * MIB);
  const there = await bench.store(makeBlock(9, 4 * MIB));
  const reader = bench.reader();
  for (const len of [100, 2 * MIB]) {
    assert.equal(await bench.range(reader, missing, 0, len), { errno: ERRNO.EIO, body: null });
  }
  const named = bench.logger.lines.filter(({ level, fields }) => level === 'error' && fields['key'] === missing.key);
  assert.is(named.length, 2);
  await bench.check(reader, there, 5, 100);
  await bench.store(missing);
  await bench.check(reader, missing, 5, 100);
});

reads('hands out no byte of a granule that is not what was written', async ({ bench, arena, pool }) => {
  const block = makeBlock(10, 4 * MIB);
  const spoilt = Uint8Array.from(block.body);
  spoilt[3 * MIB + 5]! ^= 0x10;
  await bench.remote.put(block.key, spoilt);
  for (const options of [{}, { arena, pool }]) {
    const reader = bench.reader(options);
    assert.is((await bench.range(reader, block, 3 * MIB + 60_000, 10)).errno, ERRNO.EIO, 'same granule');
    assert.is((await bench.range(reader, block, 0, 2 * MIB)).errno, ERRNO.EIO, 'a whole block is right or not');
    assert.ok(bench.logger.lines.every(({ level, fields }) => level !== 'error' || fields['key'] === block.key));
    await bench.check(bench.reader(options), block, 3 * MIB - 10, 10);
  }
  assert.equal(bench.posted, []);
});

reads('asks once more for what came wrong or short', async ({ bench }) => {
  const block = await bench.store(makeBlock(11, 4 * MIB));
  for (const how of [
    (body: Uint8Array) => body.map((byte) => byte ^ 1),
    (body: Uint8Array) => body.subarray(0, body.length - 1),
    () => new Uint8Array(),
  ]) {
    for (const len of [100, 2 * MIB]) {
      let answers = 0;
      bench.remote.onBody = (body) => (answers++ === 0 ? how(body) : body);
      await bench.check(bench.reader({ cache: null }), block, 1000, len);
      assert.is(answers, 2);
      bench.remote.onBody = how;
      assert.is((await bench.range(bench.reader({ cache: null }), block, 1000, len)).errno, ERRNO.EIO);
    }
  }
});

reads('fetches again what is spoilt in the cache', async ({ bench, arena, pool }) => {
  const block = await bench.store(makeBlock(12, 4 * MIB));
  const first = bench.reader();
  await bench.check(first, block, 0, 2 * MIB);
  await bench.settled(first);
  const path = join(bench.cacheDirectory, 'blocks', block.key);
  const spoil = (at: number): void => {
    const file = readFileSync(path);
    file[at]! ^= 1;
    writeFileSync(path, file);
  };
  for (const [options, at, len] of [
    [{}, 1000, 100],
    [{ arena, pool }, 4 * MIB - 1, 2 * MIB],
    [{}, 2 * MIB, 2 * MIB],
  ] as const) {
    spoil(at);
    const gets = bench.remote.gets.length;
    const reader = bench.reader(options);
    await bench.check(reader, block, 0, len);
    if (len === 100) assert.not(existsSync(path), 'nobody meets it again');
    await bench.check(reader, block, 0, len);
    await bench.settled(reader);
    assert.ok(bench.remote.gets.length > gets, 'it came from the store');
    assert.ok(
      Buffer.from(block.body).equals(readFileSync(path).subarray(0, 4 * MIB)),
      'and is right in the cache again',
    );
  }
  truncateSync(path, MIB);
  await bench.check(bench.reader(), block, 0, 2 * MIB);
});

reads('reads blocks without checksums as they are, and notices when the cache spoils them', async ({ bench }) => {
  const block = await bench.store(makeBlock(13, 4 * MIB, { adopted: true }));
  const reader = bench.reader();
  await bench.check(reader, block, 100_000, 10);
  await bench.check(reader, block, 200_000, 10);
  await bench.settled(reader);
  bench.checkPosted(block);
  const path = join(bench.cacheDirectory, 'blocks', block.key);
  const file = readFileSync(path);
  file[70_000]! ^= 1;
  writeFileSync(path, file);
  await bench.check(bench.reader(), block, 66_000, 10_000);
});

reads('waits for a store that does not answer, up to its patience', async ({ bench }) => {
  const block = await bench.store(makeBlock(14, 4 * MIB));
  let failures = 0;
  bench.remote.beforeGet = () => (++failures <= 3 ? down() : Promise.resolve());
  await bench.check(bench.reader(), block, 0, 100);
  failures = 0;
  await bench.check(bench.reader({ cache: null }), block, 0, 2 * MIB);
  assert.is(failures, 4);
  bench.remote.beforeGet = down;
  assert.is((await bench.range(bench.reader({ patienceMs: 100 }), block, 0, 100)).errno, ERRNO.EIO);
  assert.is((await bench.range(bench.reader({ patienceMs: 100, cache: null }), block, 0, 2 * MIB)).errno, ERRNO.EIO);
  assert.match(bench.logger.text(), 'down');
  failures = 0;
  bench.remote.beforeGet = () => {
    failures++;
    return Promise.reject(new StoreError('denied', 'no'));
  };
  assert.is((await bench.range(bench.reader(), block, 0, 100)).errno, ERRNO.EIO);
  assert.is(failures, 1, 'a refusal is not repeated');
});

reads('keeps the bytes in memory below its limit', async ({ bench }) => {
  const blocks = await Promise.all([20, 21, 22, 23, 24, 25, 26, 27].map((id) => bench.store(makeBlock(id, MIB))));
  const reader = bench.reader({ fetchBytesMax: 2 * MIB + 100 });
  let most = 0;
  bench.remote.beforeGet = () => {
    most = Math.max(most, reader.bufferedBytes);
    return Promise.resolve();
  };
  reader.readahead(blocks.map(({ ref }) => ref).toReversed());
  await Promise.all(
    blocks.flatMap((block) => [bench.check(reader, block, 0, MIB), bench.check(reader, block, 70_000, 10)]),
  );
  assert.ok(most > MIB && most <= 2 * MIB + 100, `${most}`);
  const large = await bench.store(makeBlock(28, 4 * MIB));
  await bench.check(reader, large, 0, 4 * MIB);
});

reads('gives the owner the object’s own file when the store is a folder', async ({ bench, arena, pool }) => {
  const block = await bench.store(makeBlock(30, 4 * MIB - 3), bench.local);
  for (const options of [{ arena, pool }, {}]) {
    const reader = bench.reader({ store: bench.local, ...options });
    const before = bench.posted.length;
    await bench.check(reader, block, 1_000_000, 100);
    assert.is(bench.posted.length, before, 'one granule is not the block');
    await bench.check(reader, block, 2_000_000, 100);
    assert.is(bench.posted.length, before + 1);
    await bench.check(reader, block, 3_000_000, 100);
    assert.is(bench.posted.length, before + 2, 'the owner has forgotten it: it gets it again');
  }
  bench.checkPosted(block);
  assert.equal(readdirSync(bench.folder.path), ['bucket'], 'no copy is cached');
});

reads('checks an object’s file once for many who read it at one time', async ({ bench, arena, pool }) => {
  const block = await bench.store(makeBlock(31, 4 * MIB), bench.local);
  const reader = bench.reader({ store: bench.local, arena, pool });
  const before = pool.stats().bytes['granules'] ?? 0;
  await Promise.all(Array.from({ length: 30 }, (_, i) => bench.check(reader, block, i * 130_000, 128 * KIB)));
  assert.is((pool.stats().bytes['granules'] ?? 0) - before, 4 * MIB);
  assert.is(bench.posted.length, 1);
});

reads('answers EIO for an object’s file that is missing, spoilt, cut or too long', async ({ bench, arena, pool }) => {
  const block = makeBlock(32, 4 * MIB);
  const path = bench.local.localPath(block.key);
  const spoilt = Uint8Array.from(block.body);
  spoilt[4 * MIB - 1]! ^= 1;
  const longer = Buffer.concat([block.body, Buffer.from('x')]);
  for (const body of [undefined, spoilt, block.body.subarray(0, MIB), longer]) {
    if (body !== undefined) await bench.local.put(block.key, body);
    for (const options of [{ arena, pool }, {}]) {
      const reader = bench.reader({ store: bench.local, ...options });
      const lines = bench.logger.lines.length;
      assert.is((await bench.range(reader, block, 3 * MIB, MIB)).errno, ERRNO.EIO);
      const said = bench.logger.lines.slice(lines);
      assert.ok(said.some(({ level, fields }) => level === 'error' && fields['key'] === block.key));
    }
  }
  assert.equal(bench.posted, []);
  writeFileSync(path, block.body);
  await bench.check(bench.reader({ store: bench.local }), block, 3 * MIB, MIB);
});

reads('checks a file again that took the place of one it knew', async ({ bench }) => {
  const block = await bench.store(makeBlock(33, 2 * MIB), bench.local);
  const reader = bench.reader({ store: bench.local });
  await bench.check(reader, block, 0, MIB);
  await bench.local.put(block.key, noise(2 * MIB, 7));
  assert.is((await bench.range(reader, block, 0, MIB)).errno, ERRNO.EIO);
});

reads('reads ahead into the cache, or checks the object’s file', async ({ bench }) => {
  const far = [40, 41, 42].map((id) => makeBlock(id, MIB));
  for (const block of far) await bench.store(block);
  const near = await bench.store(makeBlock(43, MIB), bench.local);
  const reader = bench.reader();
  reader.readahead([...far, makeBlock(44, MIB)].map(({ ref }) => ref));
  bench.reader({ store: bench.local }).readahead([near.ref]);
  await until(() => bench.posted.length === 4);
  for (const block of [...far, near]) bench.checkPosted(block);
  const gets = bench.remote.gets.length;
  for (const block of far) await bench.check(reader, block, 5, 100);
  reader.readahead(far.map(({ ref }) => ref));
  assert.is(bench.remote.gets.length, gets, 'nothing is fetched twice');
  assert.ok(
    bench.logger.lines.every(({ level }) => level === 'debug'),
    'a missing block is not a reader’s error',
  );
});

reads('needs no cache: a sequential read fetches each block once', async ({ bench }) => {
  writeFileSync(bench.cacheDirectory, 'not a folder');
  const blocks = await Promise.all([50, 51].map((id) => bench.store(makeBlock(id, 4 * MIB))));
  for (const options of [{}, { cache: null }]) {
    const reader = bench.reader(options);
    bench.remote.gets.length = 0;
    for (const block of blocks) {
      for (let off = 0; off < 4 * MIB; off += 128 * KIB) await bench.check(reader, block, off, 128 * KIB);
    }
    assert.is(bench.remote.gets.filter(({ length }) => length === undefined).length, 2);
    assert.is(bench.remote.gets.length, 4);
  }
  assert.equal(bench.posted, []);
});

reads('answers what is under way when it is closed', async ({ bench }) => {
  const blocks = await Promise.all([60, 61, 62].map((id) => bench.store(makeBlock(id, 4 * MIB))));
  bench.remote.beforeGet = (_key, signal) =>
    new Promise((_resolve, reject) => {
      if (signal?.aborted) reject(signal.reason as Error);
      signal?.addEventListener('abort', () => reject(signal.reason as Error));
    });
  const reader = bench.reader({ fetchBytesMax: 5 * MIB });
  const answers = blocks.flatMap((block) => [
    bench.range(reader, block, 0, 10),
    bench.range(reader, block, 0, 2 * MIB),
  ]);
  reader.readahead([makeBlock(63, MIB).ref]);
  await until(() => bench.remote.gets.length > 1);
  await reader.close();
  assert.equal(
    (await Promise.all(answers)).map(({ errno }) => errno),
    Array.from({ length: 6 }, () => ERRNO.EIO),
  );
});

reads('gives the right bytes whatever is read, from a cache that is too small', async ({ bench, arena, pool }) => {
  const { BlockCache } = await import('../../dist/chunk/block-cache.js');
  const cache = new BlockCache({ directory: bench.cacheDirectory, maxBytes: 3 * MIB });
  const sizes = [1, 64 * KIB, 64 * KIB + 1, 300_000, MIB, 2 * MIB + 77];
  const blocks = await Promise.all(sizes.map((size, i) => bench.store(makeBlock(70 + i, size))));
  for (const block of blocks) await bench.store(block, bench.local);
  const random = noise(200_000, 99);
  const view = new DataView(random.buffer);
  let at = 0;
  const below = (limit: number): number => view.getUint32((at = (at + 4) % 199_992)) % limit;
  for (const store of [bench.remote, bench.local]) {
    const reader = bench.reader({ store, cache, arena, pool });
    for (let round = 0; round < 60; round++) {
      await Promise.all(
        Array.from({ length: 8 }, () => {
          const block = blocks[below(blocks.length)]!;
          const off = below(block.body.length);
          const len = 1 + below(block.body.length - off);
          return bench.check(reader, block, off, len);
        }),
      );
      const { key } = blocks[below(blocks.length)]!;
      if (round % 10 === 0) await cache.remove(key);
    }
  }
});

reads.run();
