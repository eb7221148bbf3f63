import { openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FsError } from '../../dist/base/errors.js';
import { CHUNK_BYTES, GRANULE_BYTES, KIB, MIB } from '../../dist/base/limits.js';
import { DataPlane } from '../../dist/chunk/data-plane.js';
import type { LogWriter } from '../../dist/chunk/log-writer.js';
import type { ToMain } from '../../dist/chunk/messages.js';
import { Vfs } from '../../dist/vfs/vfs.js';
import { openReadOnly, outcome, seeded } from '../meta/support.ts';
import { PENDING, PlaneFixture, type Blocks } from './support/plane-fixture.ts';

const test = suite('data plane');
let open: PlaneFixture[] = [];
test.after.each(async () => {
  for (const fixture of open) {
    await fixture.stop();
    rmSync(fixture.directory, { recursive: true, force: true });
  }
  open = [];
});

async function start(options: Parameters<typeof PlaneFixture.start>[0] = {}): Promise<PlaneFixture> {
  const fixture = await PlaneFixture.start(options);
  open.push(fixture);
  return fixture;
}

function bytes(seed: number, length: number): Uint8Array {
  const data = new Uint32Array(Math.ceil(length / 4));
  let state = seed | 1;
  for (let i = 0; i < data.length; i++) data[i] = state = Math.imul(state, 1664525) + 1013904223;
  return new Uint8Array(data.buffer, 0, length);
}

function same(actual: Uint8Array, expected: Uint8Array, what: string): void {
  if (Buffer.compare(actual, expected) === 0) return;
  assert.is(actual.length, expected.length, `${what}: length`);
  const at = actual.findIndex((byte, i) => byte !== expected[i]);
  assert.unreachable(`${what}: byte ${at} is ${actual[at]}, not ${expected[at]}`);
}

test('answers from the ring what was just written, holes as zeros, and nothing beyond the end', async () => {
  const f = await start();
  const ino = f.create('a');
  f.write(ino, 10_000, Buffer.from('hello'));
  const { bytes: got, message } = f.read(ino, 9_990, 4096);
  assert.is(message, undefined);
  same(got, Buffer.concat([new Uint8Array(10), Buffer.from('hello')]), 'the written part');
  assert.is(f.read(ino, 10_005, 10).bytes.length, 0);
  assert.is(f.read(ino, 1e12, 10).bytes.length, 0);
  assert.is(f.namespace.inode(ino)!.length, 10_005);
});

test('takes the data: the caller may use its memory again', async () => {
  const f = await start();
  const ino = f.create('a');
  const data = bytes(1, 5000);
  const kept = data.slice();
  f.write(ino, 0, data);
  data.fill(0);
  same(f.read(ino, 0, 5000).bytes, kept, 'what was written');
});

test('writes across chunks and packs in one call', async () => {
  const f = await start();
  const ino = f.create('a');
  const data = bytes(2, 6 * MIB + 123);
  f.write(ino, CHUNK_BYTES - 3 * MIB - 7, data);
  for (const at of [0, 3 * MIB, 5 * MIB + 100]) {
    same(f.read(ino, CHUNK_BYTES - 3 * MIB - 7 + at, MIB).bytes, data.subarray(at, at + MIB), `at ${at}`);
  }
});

test('reads data that has left the ring from the files of the log', async () => {
  const f = await start();
  const ino = f.create('a');
  const first = bytes(3, 3 * MIB);
  f.write(ino, 0, first);
  const other = f.create('b');
  for (let i = 0; i < 36; i++) f.write(other, i * MIB, bytes(i, MIB));
  const pack = f.posted.find((m): m is Extract<ToMain, { t: 'sealed' }> => m.t === 'sealed')!.pack;
  assert.is(f.log.writer.ringView(pack.lsns[0]!, 10), undefined, 'it has left the ring');
  for (let at = 0; at < 3 * MIB; at += MIB) {
    const { bytes: got, message } = f.read(ino, at, MIB);
    same(got, first.subarray(at, at + MIB), `at ${at}`);
    // It was just written, so it is in the page cache, unless memory is short.
    if (message !== undefined) assert.ok(message.parts.every((part) => part.from === 'log'));
  }
});

test('names the missing parts of trimmed packs: block, place and checksums', async () => {
  const f = await start();
  const [a, b] = [f.create('a'), f.create('b')];
  const data = bytes(4, 100_000);
  f.write(a, 0, data.subarray(0, 40_000));
  f.write(b, 5_000, data.subarray(0, 700));
  f.write(a, 40_000, data.subarray(40_000));
  f.write(a, 1000, Buffer.from('over'));
  await f.commit();
  assert.is(f.plane.stats()['packs'], 0);
  const expected = Uint8Array.from(data);
  expected.set(Buffer.from('over'), 1000);
  const { bytes: got, message } = f.read(a, 0, 100_000);
  same(got, expected, 'from the store');
  const parts = message!.parts.map((part) => ({ ...part, block: undefined, len: part.len }));
  assert.equal(
    parts.map(({ at, len }) => [at, len]),
    [
      [0, 1000],
      [1000, 4],
      [1004, 38_996],
      [40_000, 60_000],
    ],
  );
  const hole = f.read(b, 4_990, 100);
  same(hole.bytes, Buffer.concat([new Uint8Array(10), data.subarray(0, 90)]), 'a hole and a block');
  assert.is(hole.message!.parts.length, 1);
  assert.is(hole.message!.parts[0]!.at, 10);
});

test('reads blocks from local files that the main thread named, and only what is checked in them', async () => {
  const f = await start();
  const ino = f.create('a');
  const data = bytes(5, 300_000);
  f.write(ino, 0, data);
  await f.commit();
  const pack = f.posted.find((m): m is Extract<ToMain, { t: 'sealed' }> => m.t === 'sealed')!.pack;
  const path = join(f.directory, 'block');
  writeFileSync(path, data);
  const file = { t: 'block-file', id: pack.id, indx: 0, sizeBytes: 300_000 } as const;
  f.plane.onMessage({ ...file, fd: openSync(path, 'r'), from: GRANULE_BYTES, to: 2 * GRANULE_BYTES });
  const inside = f.read(ino, GRANULE_BYTES + 5, 1000);
  assert.is(inside.message, undefined);
  same(inside.bytes, data.subarray(GRANULE_BYTES + 5, GRANULE_BYTES + 1005), 'in the checked granule');
  assert.is(f.read(ino, GRANULE_BYTES - 1, 100).message!.parts.length, 1, 'it begins in an unchecked one');
  f.plane.onMessage({ ...file, fd: openSync(path, 'r'), from: 0, to: 300_000 });
  const all = f.read(ino, 0, 300_000);
  assert.is(all.message, undefined);
  same(all.bytes, data, 'the whole block');
  assert.is(f.plane.stats()['blockFiles'], 1);
});

test('seeks data and holes', async () => {
  const f = await start();
  const ino = f.create('a');
  f.setattr(ino, { size: 3 * CHUNK_BYTES });
  f.write(ino, CHUNK_BYTES + 500, bytes(6, 1000));
  f.write(ino, 2 * CHUNK_BYTES - 100, bytes(7, 200));
  const seek = (offset: number, whence: number) => f.vfs.lseek(ino, 0, offset, whence);
  assert.is(seek(0, 3), CHUNK_BYTES + 500);
  assert.is(seek(CHUNK_BYTES + 600, 3), CHUNK_BYTES + 600);
  assert.is(seek(CHUNK_BYTES + 1500, 3), 2 * CHUNK_BYTES - 100);
  assert.is(seek(0, 4), 0);
  assert.is(seek(CHUNK_BYTES + 500, 4), CHUNK_BYTES + 1500);
  assert.is(seek(2 * CHUNK_BYTES - 50, 4), 2 * CHUNK_BYTES + 100, 'data that goes on in the next chunk');
  assert.is(
    outcome(() => seek(2 * CHUNK_BYTES + 100, 3)),
    'ENXIO',
  );
  assert.is(
    outcome(() => seek(3 * CHUNK_BYTES, 4)),
    'ENXIO',
  );
  f.setattr(ino, { size: CHUNK_BYTES + 700 });
  assert.is(seek(CHUNK_BYTES + 500, 4), CHUNK_BYTES + 700, 'the end is a hole');
});

test('an uploaded pack is marked in the log, from which the next index knows it', async () => {
  const f = await start();
  const ino = f.create('a');
  f.write(ino, 0, bytes(8, 1000));
  f.plane.sealAll();
  assert.equal(f.plane.packsNotUploaded().length, 1);
  await f.upload();
  assert.ok(f.plane.uploadsAreLogged());
  assert.equal(f.plane.packsNotUploaded(), []);
  const { result } = await f.index();
  assert.equal(result.packs, [], 'the log says that it is in the store');
});

test('keeps upload marks for which the log has no room, and passes its failure to who asks', async () => {
  const f = await start();
  const marks: number[] = [];
  let state: 'full' | 'failed' | 'ok' = 'full';
  const log = {
    roomForMark: () => {
      if (state === 'failed') throw new FsError('EIO', { message: 'the local log failed' });
      return state === 'ok';
    },
    appendUploaded: (id: number) => marks.push(id),
  };
  const plane = new DataPlane({
    log: log as unknown as LogWriter,
    segments: null,
    namespace: f.namespace,
    ids: null,
    post: () => undefined,
    writeback: true,
    blockBytes: 4 * MIB,
  });
  const uploaded = (id: number): void => plane.onMessage({ t: 'uploaded', id, sizeBytes: 10, crcs: Uint32Array.of(1) });
  uploaded(2 ** 41);
  assert.not(plane.uploadsAreLogged());
  state = 'failed';
  uploaded(2 ** 41 + 1);
  assert.is(
    outcome(() => plane.uploadsAreLogged()),
    'EIO',
  );
  state = 'ok';
  assert.ok(plane.uploadsAreLogged());
  assert.equal(marks, [2 ** 41, 2 ** 41 + 1]);
});

test('with writeback off, a close waits for the uploads of the file until they are done', async () => {
  const f = await start({ writeback: false });
  const [a, b] = [f.create('a'), f.create('b')];
  assert.ok(f.vfs.flushOwes);
  assert.is(f.vfs.flush(a, 0, -1), 0, 'nothing is owed');
  f.write(a, 0, bytes(9, 1000));
  assert.is(f.vfs.flush(b, 0, -2), 0, 'the other file owes nothing');
  assert.is(f.vfs.flush(a, 0, -3), PENDING);
  const waits = (): Extract<ToMain, { t: 'await-uploads' }>[] =>
    f.posted.filter((m): m is Extract<ToMain, { t: 'await-uploads' }> => m.t === 'await-uploads');
  const packs = f.sealed.map(({ id }) => id);
  assert.is(packs.length, 1, 'its pack was sealed for it');
  assert.equal(waits(), [{ t: 'await-uploads', ticket: -3, packs }]);
  assert.is(f.vfs.fsync(a, 0, false, -4), PENDING);
  assert.equal(waits().at(-1), { t: 'await-uploads', ticket: -4, packs }, 'a second one waits for the same');
  await f.upload();
  assert.is(f.vfs.flush(a, 0, -5), 0);
  assert.is(f.vfs.fsync(a, 0, false, -6), PENDING, 'the names are still to be synced');
  assert.is(await f.log.answered(-6), 0);
});

test('an fsync is answered when the log is on the disk', async () => {
  const f = await start();
  assert.not(f.vfs.flushOwes);
  const ino = f.create('a');
  f.write(ino, 0, bytes(10, 1000));
  assert.is(f.vfs.flush(ino, 0, -1), 0);
  assert.is(f.vfs.fsync(ino, 0, true, -2), PENDING);
  assert.is(await f.log.answered(-2), 0);
  assert.ok(f.log.writer.synced >= f.log.writer.appended);
});

test('a shared range of a pack that was sealed and trimmed carries its size into the next index', async () => {
  const f = await start();
  const a = f.create('a');
  const data = bytes(11, 10_000);
  f.write(a, 0, data);
  const lsn = await f.commit();
  const first = await f.index(0, lsn);
  const b = f.create('b');
  assert.is(f.copy(a, 100, b, 50, 5000), 5000);
  const open = f.create('c');
  f.write(open, 0, data);
  assert.is(f.copy(open, 0, b, 20_000, 3000), 3000);
  await f.commit();
  const second = await f.index(lsn, Infinity, first.path);
  const check = reader(second.path, f.blocks);
  const expected = new Uint8Array(23_000);
  expected.set(data.subarray(100, 5100), 50);
  expected.set(data.subarray(0, 3000), 20_000);
  same(check('b', 0, 23_000), expected, 'the copy');
});

test('goes on with the packs of an earlier session', async () => {
  const f = await start();
  const a = f.create('a');
  const data = bytes(12, 5 * MIB);
  f.write(a, 0, data);
  const { path, result } = await f.index();
  assert.ok(result.packs.length >= 2);
  await f.stop();
  open = [];
  const again = await start({
    directory: f.directory,
    image: readFileSync(path),
    packs: result.packs,
    startLsn: result.endLsn,
    firstId: 2 ** 41,
    blocks: f.blocks,
  });
  for (let at = 0; at < 5 * MIB; at += MIB) same(again.read(a, at, MIB).bytes, data.subarray(at, at + MIB), `at ${at}`);
  assert.is(again.plane.packsNotUploaded().length, result.packs.length);
  again.write(a, 100, Buffer.from('later'));
  await again.commit();
  const { bytes: got, message } = again.read(a, 0, MIB);
  data.set(Buffer.from('later'), 100);
  same(got, data.subarray(0, MIB), 'from the store');
  assert.ok(message!.parts.every((part) => part.from === 'block'));
});

test('makes packs of one block where blocks are small', async () => {
  const f = await start({ blockBytes: 256 * KIB });
  const a = f.create('a');
  const data = bytes(13, 3 * MIB + 5);
  f.write(a, 0, data);
  assert.ok(f.sealed.length >= 10 && f.sealed.every((pack) => pack.sizeBytes === 256 * KIB));
  await f.commit();
  for (let at = 0; at < data.length; at += MIB) same(f.read(a, at, MIB).bytes, data.subarray(at, at + MIB), `at ${at}`);
});

test('reads slices of several blocks, which other programs write', async () => {
  const f = await start({ blockBytes: 256 * KIB });
  const a = f.create('a');
  const slice = bytes(14, 600_000);
  for (let indx = 0; indx < 3; indx++) {
    f.blocks.adopt(77, indx, slice.slice(indx * 256 * KIB, (indx + 1) * 256 * KIB));
  }
  // As an index has it: 500,000 bytes from the middle of the slice, and its size only in the row of the slice.
  const inode = f.namespace.inode(a)!;
  f.namespace.putSlice(77, slice.length);
  f.namespace.chunk(inode, 0).overlay(1000, 500_000, 77, 0, 50_000);
  f.setattr(a, { size: 501_000 });
  const expected = Buffer.concat([new Uint8Array(1000), slice.subarray(50_000, 550_000)]);
  const { bytes: got, message } = f.read(a, 0, MIB);
  same(got, expected, 'the slice');
  assert.equal(
    message!.parts.map((part) => [part.at, part.len, part.from === 'block' && [part.off, part.block.sizeBytes]]),
    [
      [1000, 212_144, [50_000, 262_144]],
      [213_144, 262_144, [0, 262_144]],
      [475_288, 25_712, [0, 75_712]],
    ],
  );
  same(f.read(a, 475_200, 100).bytes, expected.subarray(475_200, 475_300), 'across two blocks');
});

test('a slice whose size nobody knows is an error of the read that needs it', async () => {
  const f = await start();
  const a = f.create('a');
  f.write(a, 0, bytes(15, 5000));
  f.namespace.chunk(f.namespace.inode(a)!, 0).overlay(100, 50, 12345, 0, 0);
  assert.is(
    outcome(() => f.read(a, 0, 1000)),
    'EIO',
  );
  assert.is(f.read(a, 200, 1000).bytes.length, 1000, 'the rest can be read');
  const b = f.create('b');
  assert.is(
    outcome(() => f.copy(a, 0, b, 0, 1000)),
    'EIO',
  );
  assert.is(f.namespace.inode(b)!.length, 0, 'nothing changed');
});

test('asks for the blocks that a sequential reader wants next', async () => {
  const f = await start();
  const a = f.create('a');
  for (let i = 0; i < 24; i++) f.write(a, i * MIB, bytes(i, MIB));
  await f.commit();
  for (let at = 0; at < 6; at++) f.read(a, at * 128 * KIB, 128 * KIB);
  const asked = f.posted.filter((m): m is Extract<ToMain, { t: 'readahead' }> => m.t === 'readahead');
  const ids = asked.flatMap((m) => m.blocks.map((block) => block.id));
  assert.ok(ids.length >= 2 && ids.length <= 4, `${ids.length} blocks for 8 MiB`);
  assert.is(new Set(ids).size, ids.length, 'each once');
  assert.ok(asked.every((m) => m.blocks.every((block) => block.crcs !== undefined)));
});

/** Reads files of an index, with the blocks as the only source. */
function reader(path: string, blocks: Blocks): (name: string, offset: number, size: number) => Uint8Array {
  const namespace = openReadOnly(readFileSync(path));
  const posted: ToMain[] = [];
  const plane = new DataPlane({
    log: null,
    segments: null,
    namespace,
    ids: null,
    post: (message) => posted.push(message),
    writeback: true,
    blockBytes: 4 * MIB,
  });
  const vfs = new Vfs(namespace, plane, { readOnly: true });
  return (name, offset, size) => {
    const inode = vfs.lookup(namespace.root.ino, name)!;
    const out = new Uint8Array(size);
    const got = vfs.read(inode.ino, 0, offset, size, out, 0, -1);
    if (got !== PENDING) return out.subarray(0, got);
    const message = posted.findLast((m) => m.t === 'read');
    if (message?.t !== 'read') throw new Error('PENDING without a message');
    for (const part of message.parts) {
      if (part.from !== 'block') throw new Error('a read-only session has no log');
      blocks.fill(message.body, part);
    }
    return message.body;
  };
}

/** A file's twin: all its bytes. */
class Twin {
  readonly ino: number;
  readonly name: string;
  data: Uint8Array;
  length = 0;

  constructor(ino: number, name: string, data: Uint8Array) {
    this.ino = ino;
    this.name = name;
    this.data = data;
  }

  write(at: number, data: Uint8Array): void {
    this.data.set(data, at);
    this.length = Math.max(this.length, at + data.length);
  }

  resize(size: number): void {
    if (size < this.length) this.data.fill(0, size, this.length);
    this.length = size;
  }

  slice(at: number, size: number): Uint8Array {
    return this.data.subarray(Math.min(at, this.length), Math.min(at + size, this.length));
  }
}

const SPAN = CHUNK_BYTES + 2 * MIB;

/** Places near the beginning and around the border of two chunks. */
function placeIn(random: (below: number) => number): number {
  const at = random(2) === 0 ? random(3 * MIB) : CHUNK_BYTES - MIB + random(2 * MIB);
  return random(3) === 0 ? at & ~4095 : at;
}

function step(f: PlaneFixture, twins: Twin[], random: (below: number) => number): string {
  const twin = twins[random(twins.length)]!;
  const { ino } = twin;
  const at = placeIn(random);
  const len = 1 + (random(4) === 0 ? random(600_000) : random(9000));
  switch (random(12)) {
    case 0:
    case 1:
    case 2:
    case 3: {
      const data = bytes(random(2 ** 30), len);
      f.write(ino, at, data);
      twin.write(at, data);
      return `write ${at} ${len}`;
    }
    case 4: {
      const data = bytes(random(2 ** 30), 1 + random(700_000));
      const end = Math.min(twin.length, SPAN - data.length);
      f.write(ino, end, data);
      twin.write(end, data);
      return `append ${end} ${data.length}`;
    }
    case 5: {
      const size = random(2) === 0 ? at : Math.max(0, twin.length - random(100_000));
      f.setattr(ino, { size });
      twin.resize(size);
      return `truncate ${size}`;
    }
    case 6: {
      f.allocate(ino, 3, at, len);
      twin.data.fill(0, Math.min(at, twin.length), Math.min(at + len, twin.length));
      return `punch ${at} ${len}`;
    }
    case 7: {
      const keeps = random(2);
      f.allocate(ino, 16 | keeps, at, len);
      twin.data.fill(0, Math.min(at, twin.length), Math.min(at + len, twin.length));
      if (keeps === 0) twin.length = Math.max(twin.length, at + len);
      return `zero range ${at} ${len} ${keeps}`;
    }
    case 8:
    case 9: {
      const target = twins[random(twins.length)]!;
      const to = placeIn(random);
      if (target === twin && Math.abs(at - to) < len) return 'nothing';
      const copied = f.copy(ino, at, target.ino, to, len);
      assert.is(copied, Math.max(0, Math.min(len, twin.length - at)), 'bytes copied');
      if (copied > 0) target.write(to, twin.data.slice(at, at + copied));
      return `copy ${at} ${len} to ${target.name} ${to}`;
    }
    default:
      return 'read';
  }
}

/** Compares a range, or all of it in pieces. */
function compare(f: PlaneFixture, twin: Twin, what: string, from = 0, to = twin.length): void {
  for (let at = from; at < to; at += MIB) {
    const size = Math.min(MIB, to - at);
    same(f.read(twin.ino, at, size).bytes, twin.slice(at, size), `${what}: ${twin.name} at ${at}`);
  }
}

async function randomRun(seed: number, steps: number): Promise<void> {
  console.log(`seed ${seed}`);
  const random = seeded(seed);
  const f = await start();
  const twins = ['a', 'b', 'c'].map((name) => new Twin(f.create(name), name, new Uint8Array(SPAN + MIB)));
  let base: { lsn: number; path: string } | undefined;
  for (let i = 0; i < steps; i++) {
    const what = `seed ${seed}, step ${i}, ${step(f, twins, random)}`;
    const twin = twins[random(twins.length)]!;
    assert.is(f.namespace.inode(twin.ino)!.length, twin.length, `${what}: length`);
    const at = Math.min(placeIn(random), twin.length);
    compare(f, twin, what, at, Math.min(twin.length, at + 300_000));
    if (random(20) === 0) f.namespace.writeBehind(1000);
    if (random(40) === 0) {
      const fh = f.handles.get(twin.ino)!;
      f.handles.delete(twin.ino);
      f.room(0);
      f.vfs.release(fh);
      f.handles.set(twin.ino, f.vfs.open(twin.ino, 2));
    }
    if (random(60) === 0) await f.upload();
    if (i === Math.floor(steps / 2)) {
      const lsn = await f.commit();
      base = { lsn, path: (await f.index(0, lsn)).path };
    } else if (random(150) === 0) {
      await f.commit();
    }
  }
  for (const twin of twins) compare(f, twin, `seed ${seed}, at the end`);
  await f.commit();
  // Recovery from the empty image, and from the version in the middle, give the same files.
  for (const index of [await f.index(), await f.index(base!.lsn, Infinity, base!.path)]) {
    const check = reader(index.path, f.blocks);
    for (const twin of twins) {
      for (let at = 0; at < twin.length; at += MIB) {
        same(check(twin.name, at, MIB), twin.slice(at, MIB), `seed ${seed}: index, ${twin.name} at ${at}`);
      }
    }
  }
}

const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));
test('reads what its twin has after random changes, and so does an index made of the log', () => randomRun(seed, 400));

test.run();
