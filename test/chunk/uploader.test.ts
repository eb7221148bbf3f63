import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { StoreError } from '../../dist/base/errors.js';
import { ARENA_EXTENTS, BLOCK_BYTES, KIB, MIB } from '../../dist/base/limits.js';
import type { SealedPack } from '../../dist/chunk/messages.js';
import { Uploader, type UploaderOptions } from '../../dist/chunk/uploader.js';
import { FileStore } from '../../dist/cloud/file.js';
import { Arena } from '../../dist/workers/arena.js';
import { KernelPool } from '../../dist/workers/pool.js';
import {
  crc32c,
  FAMILY,
  granules,
  listeningLogger,
  makePacks,
  temporaryFolder,
  until,
  WatchedStore,
} from './store-support.ts';

const SEGMENT_BYTES = MIB;

interface Context {
  folder: ReturnType<typeof temporaryFolder>;
  arena: Arena;
  pool: KernelPool;
  store: WatchedStore;
  log: string;
  logger: ReturnType<typeof listeningLogger>;
  uploaded: Map<number, Uint32Array>;
  make: (options?: Partial<UploaderOptions>) => Uploader;
  made: Uploader[];
}

const uploads = suite<Context>('uploader');

uploads.before((context) => {
  context.arena = Arena.create();
  context.pool = new KernelPool(context.arena);
});
uploads.after(({ pool }) => pool.close());

uploads.before.each((context) => {
  const folder = temporaryFolder('uploader');
  const log = join(folder.path, 'log');
  const store = new WatchedStore(new FileStore(join(folder.path, 'bucket')));
  const logger = listeningLogger();
  const uploaded = new Map<number, Uint32Array>();
  const made: Uploader[] = [];
  const { arena, pool } = context;
  const make = (options: Partial<UploaderOptions> = {}): Uploader => {
    const uploader = new Uploader({
      store,
      family: FAMILY,
      arena,
      pool,
      segments: { directory: log, segmentBytes: SEGMENT_BYTES },
      written: () => Promise.resolve(),
      maxUploads: 50,
      uploadDelayMs: 0,
      blockBytes: BLOCK_BYTES,
      hashPrefix: false,
      logger,
      backoff: { firstMs: 1, maxMs: 4 },
      onUploaded: (pack, crcs) => uploaded.set(pack.id, crcs),
      ...options,
    });
    made.push(uploader);
    return uploader;
  };
  Object.assign(context, { folder, log, store, logger, uploaded, make, made });
});

uploads.after.each(async (context) => {
  const { made, arena, folder } = context;
  // uvu calls the hook again when it failed, and only then says why.
  context.made = [];
  if (made.length === 0) return;
  for (const uploader of made) await uploader.close();
  folder.remove();
  assert.is(arena.freeExtents, ARENA_EXTENTS, 'all extents are free again');
});

const keyOf = (pack: SealedPack): string => `${FAMILY}/chunks/0/0/${pack.id}_0_${pack.sizeBytes}`;

function kindOf(error: unknown): string {
  return error instanceof StoreError ? error.kind : String(error);
}

const outcome = (work: Promise<void>): Promise<string> => work.then(() => 'done', kindOf);

uploads('puts the pieces of a pack together, with their checksums', async ({ log, store, uploaded, make }) => {
  const packs = makePacks(log, SEGMENT_BYTES, [100, 65 * KIB, 3 * MIB + 17, BLOCK_BYTES]);
  const uploader = make();
  for (const { pack } of packs) uploader.add(pack);
  await uploader.drain();
  for (const { pack, body } of packs) {
    assert.ok(Buffer.from(body).equals(await store.get(keyOf(pack))), `pack ${pack.id}`);
    assert.equal(uploaded.get(pack.id), granules(body));
    const put = store.puts.find(({ key }) => key === keyOf(pack));
    assert.is(put?.options.ifAbsent, true);
    assert.is(put?.options.crc32c, crc32c(body));
  }
  const bytes = packs.reduce((sum, { pack }) => sum + pack.sizeBytes, 0);
  const { peakActive, ...status } = uploader.status();
  assert.equal(status, { queued: 0, bytes: 0, oldestMs: 0, lastError: null, uploaded: { objects: 4, bytes } });
  assert.is(peakActive, 4);
});

uploads('runs at most maxUploads at one time, and leaves extents for readers', async ({ log, store, make, arena }) => {
  const packs = makePacks(
    log,
    SEGMENT_BYTES,
    Array.from({ length: 24 }, () => 5000),
  );
  for (const [maxUploads, expected] of [
    [3, 3],
    [50, ARENA_EXTENTS - 2],
  ] as const) {
    store.runningMax = 0;
    let open = (): void => undefined;
    const gate = new Promise<void>((resolve) => (open = resolve));
    store.beforePut = () => gate;
    const uploader = make({ maxUploads });
    for (const { pack } of packs) uploader.add({ ...pack, id: pack.id + maxUploads * 1000 });
    await until(() => store.running === expected);
    assert.is(uploader.status().queued, 24);
    assert.ok(arena.freeExtents >= 2);
    const extent = await arena.acquire();
    arena.release(extent);
    open();
    await uploader.drain();
    assert.is(store.runningMax, expected);
    assert.is(uploader.status().peakActive, expected);
  }
});

uploads('waits for the delay unless somebody is in a hurry', async ({ log, store, make }) => {
  const [one, two, three] = makePacks(log, SEGMENT_BYTES, [10, 20, 30]);
  const uploader = make({ uploadDelayMs: 3_600_000 });
  for (const each of [one!, two!, three!]) uploader.add(each.pack);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.is(store.puts.length, 0);
  assert.is(uploader.status().bytes, 60);
  await uploader.waitFor([two!.pack.id]);
  assert.equal(
    store.puts.map(({ key }) => key),
    [keyOf(two!.pack)],
  );
  uploader.hurry();
  await until(() => uploader.status().queued === 0);
  assert.is(store.puts.length, 3);
});

uploads('uploads by itself when the delay is over', async ({ log, uploaded, make }) => {
  const [one] = makePacks(log, SEGMENT_BYTES, [10]);
  make({ uploadDelayMs: 5 }).add(one!.pack);
  await until(() => uploaded.has(one!.pack.id));
});

uploads('gathers nothing before the log has written it', async ({ log, store, make }) => {
  const [one] = makePacks(log, SEGMENT_BYTES, [200_000]);
  const asked: number[] = [];
  let written = (): void => undefined;
  const uploader = make({
    written(lsn) {
      asked.push(lsn);
      return new Promise((resolve) => (written = resolve));
    },
  });
  uploader.add(one!.pack);
  await until(() => asked.length === 1);
  const { lsns, lens } = one!.pack;
  assert.is(asked[0], lsns.at(-1)! + lens.at(-1)!);
  assert.is(store.puts.length, 0);
  written();
  await uploader.drain();
});

uploads(
  'takes a block that is there already for its own when it is the same',
  async ({ log, store, uploaded, make }) => {
    const [one] = makePacks(log, SEGMENT_BYTES, [70_000]);
    await store.put(keyOf(one!.pack), one!.body);
    const uploader = make();
    uploader.add(one!.pack);
    await uploader.drain();
    assert.equal(uploaded.get(one!.pack.id), granules(one!.body));
  },
);

uploads('never overwrites another block', async ({ log, store, uploaded, make, logger }) => {
  const [one, two] = makePacks(log, SEGMENT_BYTES, [70_000, 10]);
  const other = Uint8Array.from(one!.body);
  other[69_999]! ^= 1;
  await store.put(keyOf(one!.pack), other);
  const uploader = make();
  uploader.add(one!.pack);
  uploader.add(two!.pack);
  assert.is(await outcome(uploader.waitFor([one!.pack.id])), 'precondition');
  await uploader.waitFor([two!.pack.id]);
  assert.ok(Buffer.from(other).equals(await store.get(keyOf(one!.pack))), 'it is as it was');
  assert.not(uploaded.has(one!.pack.id));
  assert.is(uploader.status().queued, 1);
  const line = logger.lines.find(({ level }) => level === 'error');
  assert.ok(JSON.stringify(line).includes(keyOf(one!.pack)), 'the log names the object');
});

uploads('takes a lost race that the store reports as an error for "exists"', async ({ log, store, uploaded, make }) => {
  const [one] = makePacks(log, SEGMENT_BYTES, [10]);
  await store.put(keyOf(one!.pack), one!.body);
  store.beforePut = () => Promise.reject(new StoreError('precondition', '412'));
  const uploader = make();
  uploader.add(one!.pack);
  await uploader.drain();
  assert.ok(uploaded.has(one!.pack.id));
});

uploads(
  'tries again until the store answers, and counts a lost answer as none',
  async ({ log, store, uploaded, make }) => {
    const [one, two] = makePacks(log, SEGMENT_BYTES, [1000, 2000]);
    let failures = 0;
    store.beforePut = (key) =>
      key === keyOf(one!.pack) && ++failures < 6
        ? Promise.reject(new StoreError('unavailable', 'down'))
        : Promise.resolve();
    let isLost = false;
    store.afterPut = (key) => {
      if (key !== keyOf(two!.pack) || isLost) return Promise.resolve();
      isLost = true;
      return Promise.reject(new StoreError('unavailable', 'no answer'));
    };
    const uploader = make();
    uploader.add(one!.pack);
    uploader.add(two!.pack);
    await uploader.drain();
    assert.is(failures, 6);
    assert.is(uploaded.size, 2);
    assert.is(uploader.status().lastError, null);
  },
);

uploads('tells those who wait when it fails too often, and goes on trying', async ({ log, store, uploaded, make }) => {
  const [one, two] = makePacks(log, SEGMENT_BYTES, [1000, 2000]);
  let isDown = true;
  let attempts = 0;
  store.beforePut = () => {
    attempts++;
    return isDown ? Promise.reject(new StoreError('throttled', 'slow down')) : Promise.resolve();
  };
  const uploader = make({ patience: { attempts: 3, stallMs: 60_000 } });
  uploader.add(one!.pack);
  uploader.add(two!.pack);
  assert.is(await outcome(uploader.drain()), 'throttled');
  assert.is(await outcome(uploader.waitFor([two!.pack.id])), 'throttled');
  assert.is(uploader.status().queued, 2);
  assert.match(uploader.status().lastError!, 'slow down');
  const before = attempts;
  await until(() => attempts > before + 4);
  isDown = false;
  await until(() => uploaded.size === 2);
});

uploads('tells those who wait at once what no repetition can help', async ({ log, store, uploaded, make }) => {
  const [one] = makePacks(log, SEGMENT_BYTES, [1000]);
  let kind: 'denied' | undefined = 'denied';
  store.beforePut = () => (kind === undefined ? Promise.resolve() : Promise.reject(new StoreError(kind, 'no')));
  const uploader = make({ backoff: { firstMs: 3_600_000, maxMs: 3_600_000 } });
  uploader.add(one!.pack);
  assert.is(await outcome(uploader.drain()), 'denied');
  assert.is(store.puts.length, 1);
  kind = undefined;
  // The pause after the failure is an hour: a new wait does not keep to it.
  await uploader.drain();
  assert.ok(uploaded.has(one!.pack.id));
});

uploads('says so when nothing gets done', async ({ log, store, make }) => {
  const [one] = makePacks(log, SEGMENT_BYTES, [1000]);
  store.beforePut = (_key, signal) =>
    new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(signal.reason as Error)));
  const uploader = make({ patience: { attempts: 100, stallMs: 30 } });
  uploader.add(one!.pack);
  assert.is(await outcome(uploader.drain()), 'unavailable');
  assert.is(uploader.status().queued, 1);
});

uploads('keeps a pack whose bytes cannot be read', async ({ log, store, uploaded, make }) => {
  const [one] = makePacks(log, SEGMENT_BYTES, [1000]);
  rmSync(log, { recursive: true });
  const uploader = make();
  uploader.add(one!.pack);
  assert.match(await outcome(uploader.drain()), 'ENOENT');
  assert.is(store.puts.length, 0);
  makePacks(log, SEGMENT_BYTES, [1000]);
  await uploader.drain();
  assert.ok(uploaded.has(one!.pack.id));
});

uploads('lets go when it is closed: of requests, extents and those who wait', async ({ log, store, make }) => {
  const packs = makePacks(
    log,
    SEGMENT_BYTES,
    Array.from({ length: 20 }, () => 1000),
  );
  store.beforePut = (_key, signal) =>
    new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(signal.reason as Error)));
  const uploader = make();
  for (const { pack } of packs) uploader.add(pack);
  const waiting = uploader.drain().catch((error: { kind: string }) => error.kind);
  await until(() => store.running > 0);
  await uploader.close();
  assert.is(await waiting, 'state');
  assert.is(store.running, 0);
  assert.is(uploader.status().queued, 20);
});

uploads('does not queue a pack twice, nor wait for what is not queued', async ({ log, store, make }) => {
  const [one] = makePacks(log, SEGMENT_BYTES, [1000]);
  const uploader = make();
  uploader.add(one!.pack);
  uploader.add(one!.pack);
  await uploader.drain();
  assert.is(store.puts.length, 1);
  await uploader.waitFor([one!.pack.id, 999]);
  await uploader.drain();
});

uploads.run();
