import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { flockExclusive } from '../../dist/base/libc.js';
import { KIB, MIB } from '../../dist/base/limits.js';
import { BlockCache, type BlockCacheOptions } from '../../dist/chunk/block-cache.js';
import { FAMILY, granules, listeningLogger, makeBlock, noise, temporaryFolder } from './store-support.ts';

interface Context {
  folder: ReturnType<typeof temporaryFolder>;
  directory: string;
  make: (options?: Partial<BlockCacheOptions>) => BlockCache;
  logger: ReturnType<typeof listeningLogger>;
}

const caches = suite<Context>('block cache');

caches.before.each((context) => {
  context.folder = temporaryFolder('cache');
  context.directory = join(context.folder.path, 'cache');
  context.logger = listeningLogger();
  const { directory, logger } = context;
  context.make = (options = {}) => new BlockCache({ directory, maxBytes: 64 * MIB, logger, ...options });
});
caches.after.each(({ folder }) => folder.remove());

/** Files below a folder from which others delete meanwhile. */
function* filesBelow(directory: string): Generator<string> {
  let names: string[] = [];
  try {
    names = readdirSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  for (const name of names) {
    const path = join(directory, name);
    if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === true) yield* filesBelow(path);
    else yield path;
  }
}

function usedBytes(directory: string): number {
  let total = 0;
  for (const path of filesBelow(directory)) {
    if (!path.endsWith('.usage')) total += lstatSync(path, { throwIfNoEntry: false })?.size ?? 0;
  }
  return total;
}

const pathOf = (directory: string, key: string): string => join(directory, 'blocks', key);

async function holds(cache: BlockCache, key: string, sizeBytes: number): Promise<boolean> {
  const found = await cache.open(key, sizeBytes);
  if (found !== undefined) closeSync(found.fd);
  return found !== undefined;
}

caches('gives back a block with its checksums, to every daemon', async ({ directory, make }) => {
  for (const size of [1, 64 * KIB, 200_001, 4 * MIB]) {
    const { key, body } = makeBlock(size, size);
    assert.not(await holds(make(), key, size));
    assert.ok(await make().put(key, body, granules(body)));
    const found = await make().open(key, size);
    assert.ok(found);
    assert.equal(found.crcs, granules(body));
    assert.ok(Buffer.from(body).equals(readFileSync(found.fd).subarray(0, size)));
    closeSync(found.fd);
    assert.is(statSync(pathOf(directory, key)).mode & 0o777, 0o600);
  }
  assert.ok(existsSync(join(directory, 'blocks', FAMILY)), 'families are apart');
});

caches(
  'notices a file that is cut short, too long or not what was written, and removes it',
  async ({ directory, make, logger }) => {
    const { key, body } = makeBlock(9, 200_000);
    const path = pathOf(directory, key);
    const spoil: (() => void)[] = [
      () => truncateSync(path, 100_000),
      () => truncateSync(path, 200_000),
      () => truncateSync(path, 200_010),
      () => truncateSync(path, 0),
      () => writeFileSync(path, 'x', { flag: 'a' }),
      () => writeFileSync(path, noise(200_032, 3)),
      () => {
        const file = readFileSync(path);
        file[200_001]! ^= 1;
        writeFileSync(path, file);
      },
    ];
    for (const [i, how] of spoil.entries()) {
      const cache = make();
      assert.ok(await cache.put(key, body, granules(body)));
      how();
      assert.not(await holds(cache, key, 200_000), `case ${i}`);
      assert.not(existsSync(path), `case ${i}`);
    }
    assert.is(logger.lines.filter(({ fields }) => fields['key'] === key).length, spoil.length);
  },
);

caches('is off with a limit of 0', async ({ directory, make }) => {
  const { key, body } = makeBlock(1, 1000);
  const cache = make({ maxBytes: 0 });
  assert.not(await cache.put(key, body, granules(body)));
  assert.not(await holds(cache, key, 1000));
  assert.not(existsSync(directory));
});

caches('stays below its limit, always', async ({ directory, make }) => {
  const maxBytes = 500_000;
  const cache = make({ maxBytes });
  for (let i = 1; i <= 40; i++) {
    const { key, body } = makeBlock(i, 20_000 + 1000 * (i % 7));
    assert.ok(await cache.put(key, body, granules(body)));
    assert.ok(await holds(cache, key, body.length), 'what was put last is there');
    assert.ok(usedBytes(directory) <= maxBytes, `${usedBytes(directory)} after ${i}`);
  }
  assert.ok(usedBytes(directory) > maxBytes / 2, 'and it is used');
  const large = makeBlock(99, maxBytes);
  assert.not(await cache.put(large.key, large.body, granules(large.body)), 'what can never fit is not tried');
  assert.ok(usedBytes(directory) > maxBytes / 2);
});

caches('lets go first of what was not used for longest', async ({ directory, make }) => {
  const cache = make({ maxBytes: 110_000 });
  const blocks = [1, 2, 3, 4, 5].map((id) => makeBlock(id, 20_000));
  for (const { key, body } of blocks) await cache.put(key, body, granules(body));
  const nowS = Date.now() / 1000;
  for (const [i, age] of [50_000, 90_000, 70_000, 80_000, 60_000].entries()) {
    utimesSync(pathOf(directory, blocks[i]!.key), nowS - age, nowS - age);
  }
  // Being read counts as being used: the oldest one becomes the youngest.
  assert.ok(await holds(cache, blocks[1]!.key, 20_000));
  const next = makeBlock(6, 30_000);
  await cache.put(next.key, next.body, granules(next.body));
  const kept = blocks.map(({ key }) => existsSync(pathOf(directory, key)));
  assert.equal(kept, [true, true, false, false, true]);
});

caches('notes the time of use at most once a minute', async ({ directory, make }) => {
  let nowMs = Date.now();
  const cache = make({ clock: { nowMs: () => nowMs, monotonicMs: () => performance.now() } });
  const { key, body } = makeBlock(1, 1000);
  await cache.put(key, body, granules(body));
  const noted = (): number => Math.round(statSync(pathOf(directory, key)).mtimeMs);
  const written = noted();
  nowMs += 30_000;
  await holds(cache, key, 1000);
  assert.is(noted(), written);
  nowMs += 31_000;
  await holds(cache, key, 1000);
  assert.ok(Math.abs(noted() - nowMs) < 5);
});

caches('counts again what it cannot know: other files, a lost or spoilt count', async ({ directory, make }) => {
  const maxBytes = 200_000;
  const put = async (id: number): Promise<void> => {
    const { key, body } = makeBlock(id, 30_000);
    assert.ok(await make({ maxBytes }).put(key, body, granules(body)));
  };
  for (let id = 1; id <= 5; id++) await put(id);
  for (const spoilt of ['', 'x', '12', '-5\n', '99999999999999999999\n']) {
    writeFileSync(join(directory, 'blocks/.usage'), spoilt);
    for (let id = 10; id <= 12; id++) await put(id);
    assert.ok(usedBytes(directory) <= maxBytes, JSON.stringify(spoilt));
  }
  rmSync(join(directory, 'blocks'), { recursive: true });
  for (let id = 1; id <= 9; id++) await put(id);
  assert.ok(usedBytes(directory) <= maxBytes);
});

caches('removes what a crash left, and counts what is being written', async ({ directory, make }) => {
  const cache = make({ maxBytes: 200_000 });
  const { key, body } = makeBlock(1, 50_000);
  await cache.put(key, body, granules(body));
  const [old, fresh] = ['old', 'new'].map((name) => `${pathOf(directory, key)}.${name}.tmp`);
  for (const path of [old!, fresh!]) writeFileSync(path, noise(60_000, 1));
  utimesSync(old!, 1, 1);
  rmSync(join(directory, 'blocks/.usage'));
  const next = makeBlock(2, 100_000);
  assert.ok(await cache.put(next.key, next.body, granules(next.body)));
  assert.not(existsSync(old!));
  assert.ok(existsSync(fresh!), 'somebody is writing it');
  assert.not(existsSync(pathOf(directory, key)), 'so this one had to go');
  assert.ok(usedBytes(directory) <= 200_000);
});

caches('shows others the full size of what it is about to write', async ({ directory, make }) => {
  const { key, body } = makeBlock(1, 4 * MIB);
  const cache = make();
  const crcs = granules(body);
  await cache.put(key, body, crcs);
  const full = usedBytes(directory);
  let seen = 0;
  while (seen < 20) {
    const state = { isDone: false };
    const putting = cache.put(key, body, crcs).then(() => (state.isDone = true));
    while (!state.isDone) {
      const fd = openSync(join(directory, 'blocks/.usage'), 'r+');
      const temporary = [...filesBelow(directory)].find((path) => path.endsWith('.tmp'));
      // Whoever has the lock counts.
      if (temporary !== undefined && flockExclusive(fd) === 0) {
        const size = lstatSync(temporary, { throwIfNoEntry: false })?.size;
        assert.ok(size === undefined || size === full, `${size}`);
        seen++;
      }
      closeSync(fd);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await putting;
  }
});

caches('does not leave empty folders behind', async ({ directory, make }) => {
  const cache = make({ maxBytes: 100_000 });
  for (let i = 1; i < 20; i++) {
    const { key, body } = makeBlock(i * 1_000_000, 30_000);
    await cache.put(key, body, granules(body));
  }
  assert.ok(readdirSync(join(directory, 'blocks', FAMILY, 'chunks')).length <= 4);
});

caches('is tolerant of others who delete at the same time', async ({ directory, make }) => {
  const cache = make({ maxBytes: 300_000 });
  const state = { isDone: false };
  const deleting = (async () => {
    while (!state.isDone) {
      const files = [...filesBelow(directory)].filter((path) => /\d+_\d+_\d+$/.test(path));
      for (const path of files.slice(0, 3)) rmSync(path, { force: true });
      await new Promise((resolve) => setImmediate(resolve));
    }
  })();
  for (let i = 1; i <= 60; i++) {
    const { key, body } = makeBlock(i, 25_000);
    assert.ok(await cache.put(key, body, granules(body)));
  }
  state.isDone = true;
  await deleting;
});

/** A daemon that puts blocks as fast as it can until it is told to end. */
function startWriter(directory: string, maxBytes: number, first: number): ChildProcess {
  const program = `
    import { BlockCache } from ${JSON.stringify(import.meta.resolve('../../dist/chunk/block-cache.js'))};
    import { closeSync } from 'node:fs';
    const cache = new BlockCache({ directory: ${JSON.stringify(directory)}, maxBytes: ${maxBytes} });
    let isDone = false, kept = 0;
    process.on('message', () => (isDone = true));
    const writer = async (start) => {
      for (let i = start; !isDone; i += 4) {
        const body = Buffer.alloc(5000 + (i * 7919) % 60000, i);
        const crcs = new Uint32Array(Math.ceil(body.length / 65536)).fill(i);
        const key = 'fam/chunks/' + (i % 50) + '/' + i + '_0_' + body.length;
        if ((await cache.put(key, body, crcs)) && ++kept === 12) process.send('busy');
        const found = await cache.open(key, body.length);
        if (found) { closeSync(found.fd); if (found.crcs[0] !== i) process.exit(3); }
      }
    };
    await Promise.all([0, 1, 2, 3].map((k) => writer(${first} + k)));
    process.disconnect();`;
  return spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
}

caches('stays below its limit while several processes write', async ({ directory }) => {
  const maxBytes = 1_000_000;
  const writers = [0, 1_000_000, 500_000].map((first) => startWriter(directory, maxBytes, first));
  const ends = writers.map((writer) => once(writer, 'exit'));
  let busy = 0;
  for (const writer of writers) writer.once('message', () => busy++);
  let most = 0;
  let samples = 0;
  while (samples < 200 || busy < writers.length) {
    const used = usedBytes(directory);
    // A file that is renamed while the folder is read may be seen twice, so one sample alone proves nothing.
    if (used > maxBytes) assert.ok(usedBytes(directory) <= maxBytes || usedBytes(directory) <= maxBytes, `${used}`);
    else most = Math.max(most, used);
    if (used > 0) samples++;
    await new Promise((resolve) => setImmediate(resolve));
  }
  for (const writer of writers) writer.send('end');
  assert.equal(
    (await Promise.all(ends)).map(([code]) => code as number),
    [0, 0, 0],
  );
  assert.ok(most > maxBytes / 2, 'the limit was near');
  assert.ok(usedBytes(directory) <= maxBytes, `${usedBytes(directory)} in the end`);
});

caches('goes on after a process that was killed while it wrote', async ({ directory, make }) => {
  const maxBytes = 1_000_000;
  for (let round = 0; round < 3; round++) {
    const writer = startWriter(directory, maxBytes, round * 1000);
    while (!existsSync(directory) || usedBytes(directory) < 300_000)
      await new Promise((resolve) => setImmediate(resolve));
    const end = once(writer, 'exit');
    writer.kill('SIGKILL');
    await end;
  }
  const cache = make({ maxBytes });
  for (let i = 1; i <= 40; i++) {
    const { key, body } = makeBlock(i, 40_000);
    assert.ok(await cache.put(key, body, granules(body)));
    assert.ok(usedBytes(directory) <= maxBytes);
  }
});

caches('does not wait long for a daemon that keeps the lock', async ({ directory, make }) => {
  const cache = make();
  const { key, body } = makeBlock(1, 1000);
  await cache.put(key, body, granules(body));
  const fd = openSync(join(directory, 'blocks/.usage'), 'r+');
  assert.is(flockExclusive(fd), 0);
  const other = makeBlock(2, 1000);
  assert.not(await cache.put(other.key, other.body, granules(other.body)));
  assert.ok(await holds(cache, key, 1000), 'reading needs no lock');
  closeSync(fd);
  assert.ok(await cache.put(other.key, other.body, granules(other.body)));
});

caches('that cannot be used says so once, and fails nothing', async ({ directory, make, logger }) => {
  writeFileSync(directory, 'a file where the folder should be');
  const cache = make();
  for (let i = 1; i <= 3; i++) {
    const { key, body } = makeBlock(i, 1000);
    assert.not(await cache.put(key, body, granules(body)));
    assert.not(await holds(cache, key, 1000));
    await cache.remove(key);
  }
  const codes = logger.lines.map(({ fields }) => fields['code']);
  assert.ok(codes.length > 0);
  assert.is(new Set(codes).size, codes.length, codes.join(' '));
});

caches('keeps nothing half of a block when the disk is full', async ({ folder }) => {
  const disk = join(folder.path, 'disk');
  mkdirSync(disk);
  const program = `
    import { readdirSync } from 'node:fs';
    import { BlockCache } from ${JSON.stringify(import.meta.resolve('../../dist/chunk/block-cache.js'))};
    const codes = [];
    const say = (fields) => codes.push(fields.code);
    const cache = new BlockCache({ directory: ${JSON.stringify(disk)}, maxBytes: 64 << 20, logger: { warn: say } });
    const put = (id, size) => cache.put('f/' + id, Buffer.alloc(size, id), new Uint32Array(Math.ceil(size / 65536)));
    const answers = [await put(1, 100_000), await put(2, 4 << 20), await put(3, 4 << 20), await put(4, 100_000)];
    const open = [await cache.open('f/1', 100_000), await cache.open('f/2', 4 << 20)].map((found) => found !== undefined);
    console.log(JSON.stringify([answers, open, codes, readdirSync(${JSON.stringify(join(disk, 'blocks/f'))}).sort()]));`;
  const script = join(folder.path, 'program.mjs');
  writeFileSync(script, program);
  const command = `mount -t tmpfs -o size=1m tmpfs "$1" || exit 99; exec "$2" "$3"`;
  const child = spawn('unshare', ['-rm', 'sh', '-c', command, 'sh', disk, process.execPath, script], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let said = '';
  child.stdout.on('data', (data: Buffer) => (output += data.toString()));
  child.stderr.on('data', (data: Buffer) => (said += data.toString()));
  const exitCode = await new Promise<number | null>((resolve) => {
    child.on('error', () => resolve(99));
    child.on('close', resolve);
  });
  if (exitCode === 99 || /unshare/.test(said)) {
    console.log('SKIP block cache on a full disk: no mount namespace can be made here');
    return;
  }
  assert.is(exitCode, 0, said);
  assert.equal(JSON.parse(output), [[true, false, false, true], [true, false], ['ENOSPC'], ['1', '4']]);
});

caches('keeps keys in its folder', async ({ make, folder }) => {
  let error: Error | undefined;
  try {
    await make().put('../../x', noise(10, 1), new Uint32Array(1));
  } catch (caught) {
    error = caught as Error;
  }
  assert.is(error?.name, 'AssertionError');
  assert.not(existsSync(join(dirname(folder.path), 'x')));
});

caches.run();
