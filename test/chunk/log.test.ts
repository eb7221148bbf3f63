import {
  closeSync,
  openSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  statSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { socketpair, read, close } from '../../dist/base/libc.js';
import { LogControl, RecordKind, recordBytes } from '../../dist/chunk/log-format.js';
import { readLog } from '../../dist/chunk/log-reader.js';
import { decodeJson, decodeSeal, decodeUploaded, decodeWrite } from '../../dist/chunk/log-records.js';
import { LogSegments } from '../../dist/chunk/log-segments.js';
import {
  KIB,
  RING,
  SEGMENT,
  needRoom,
  numbered,
  readNumbers,
  sizeOf,
  startLog,
  stopAll,
  temporary,
} from './support/log-fixture.ts';
import type { Fixture } from './support/log-fixture.ts';

const test = suite('log');
let folder: ReturnType<typeof temporary>;
let directory = '';
test.before.each(() => {
  folder = temporary();
  directory = folder.directory;
});
test.after.each(async () => {
  await stopAll();
  folder.remove();
});

/** CRC-32C bit by bit: the other implementation that the log's is compared with. */
function crc32c(...parts: Uint8Array[]): number {
  let crc = ~0;
  for (const part of parts) {
    for (const byte of part) {
      crc ^= byte;
      for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
    }
  }
  return ~crc >>> 0;
}

function begin(fixture: Fixture): void {
  needRoom(fixture, 100);
  fixture.writer.appendJson(RecordKind.SESSION, { format: 1 });
}

function append(fixture: Fixture, first: number, end: number): void {
  for (let n = first; n < end; n++) {
    needRoom(fixture, sizeOf(n));
    fixture.writer.appendRows(numbered(n, sizeOf(n)));
    fixture.writer.kick();
  }
}

const range = (first: number, end: number): number[] => Array.from({ length: end - first }, (_, i) => first + i);

test('a record is laid out byte by byte as the format says', async () => {
  const fixture = await startLog({ directory, tag: 0xfeedbeef });
  const { writer } = fixture;
  needRoom(fixture, 100);
  writer.appendJson(RecordKind.SESSION, { a: 1 });
  const lsn = writer.appendRows(Uint8Array.of(1, 2, 3));
  assert.is(lsn, recordBytes(7));
  await fixture.stop();
  const bytes = readFileSync(join(directory, '0000000000000000.seg'));
  const wanted = Buffer.alloc(40);
  wanted.write('FKLG', 0, 'latin1');
  wanted.writeUInt32LE(0x474c4b46, 0);
  wanted.writeUInt32LE(35, 4);
  wanted.writeBigUInt64LE(BigInt(lsn), 8);
  wanted.writeUInt32LE(0xfeedbeef, 16);
  wanted.writeUInt32LE(RecordKind.ROWS, 20);
  wanted.set([1, 2, 3], 32);
  wanted.writeUInt32LE(crc32c(wanted.subarray(0, 24), wanted.subarray(32, 35)), 24);
  assert.is(bytes.subarray(lsn).toString('hex'), wanted.toString('hex'));
});

test('reads back every kind of record with its fields', async () => {
  const fixture = await startLog({ directory });
  const { writer } = fixture;
  begin(fixture);
  const data = numbered(7, 1000);
  const fields = {
    ino: 2 ** 52 + 5,
    indx: 9,
    pos: 2 ** 26 - 1,
    pack: 2 ** 53 - 1,
    off: 4000,
    length: 2 ** 40 + 3,
    sec: -5,
    nsec: 999_999_999,
  };
  needRoom(fixture, 4000, 8);
  const dataLsn = writer.appendWrite(fields, data);
  assert.equal(Buffer.from(writer.ringView(dataLsn, 1000)!), Buffer.from(data));
  writer.appendWrite({ ...fields, sec: 2 ** 33 }, new Uint8Array(0));
  writer.appendSeal(fields.pack, 4_194_304);
  writer.appendUploaded(fields.pack, 131_072, Uint32Array.of(0xffffffff, 1));
  writer.appendJson(RecordKind.COMMIT, { locator: 'é' });
  await fixture.stop();
  const records = [...readLog(directory, { fromLsn: 0, segmentBytes: SEGMENT })];
  const [, write, empty, seal, uploaded, commit] = records;
  assert.is(records.length, 6);
  assert.equal(decodeWrite(write!.payload), { ...fields, len: 1000 });
  assert.equal(Buffer.from(write!.payload.subarray(64)), Buffer.from(data));
  assert.is(write!.lsn + 96, dataLsn);
  assert.equal(decodeWrite(empty!.payload), { ...fields, sec: 2 ** 33, len: 0 });
  assert.equal(decodeSeal(seal!.payload), { pack: fields.pack, sizeBytes: 4_194_304 });
  assert.equal(decodeUploaded(uploaded!.payload), {
    pack: fields.pack,
    sizeBytes: 131_072,
    crcs: Uint32Array.of(0xffffffff, 1),
  });
  assert.equal(decodeJson(commit!.payload), { locator: 'é' });
  const short = [...readLog(directory, { fromLsn: 0, segmentBytes: SEGMENT, fieldsOnly: true })];
  assert.is(short[1]!.payload.length, 64);
  assert.equal(
    short.map((r) => r.endLsn),
    records.map((r) => r.endLsn),
  );
});

test('wraps the ring and crosses segments; every record and every byte arrives', async () => {
  const fixture = await startLog({ directory });
  begin(fixture);
  append(fixture, 1, 4000);
  assert.ok(fixture.writer.appended > 4 * SEGMENT);
  await fixture.stop();
  assert.equal(readNumbers(directory).numbers, range(1, 4000));
  assert.is(fixture.thread.status().written, fixture.writer.appended);
  assert.is(readNumbers(directory).endLsn, fixture.writer.appended);
});

test('records that end near the end of the ring leave room for a PAD, whatever their size', async () => {
  const fixture = await startLog({ directory });
  begin(fixture);
  let n = 1;
  for (let left = 0; left <= 72; left += 8) {
    for (;;) {
      const toEnd = RING - (fixture.writer.appended % RING);
      const bytes = toEnd > 12 * KIB ? 8 * KIB : toEnd - 32 - left;
      needRoom(fixture, bytes);
      if (bytes < 8) break;
      fixture.writer.appendRows(numbered(n++, bytes));
      if (toEnd <= 12 * KIB) break;
    }
    needRoom(fixture, 40);
    fixture.writer.appendRows(numbered(n++, 40));
  }
  await fixture.stop();
  assert.equal(readNumbers(directory).numbers, range(1, n));
});

test('an append without room is a defect, and room is enough for the largest change', async () => {
  const fixture = await startLog({ directory });
  begin(fixture);
  const bytes = RING / 8;
  for (let n = 1; n < 100; n++) {
    needRoom(fixture, bytes, 3);
    fixture.writer.appendRows(numbered(3 * n, bytes / 2));
    fixture.writer.appendSeal(n, 5);
    fixture.writer.appendRows(numbered(3 * n + 1, bytes / 2));
  }
  assert.throws(() => {
    for (let n = 0; n < 1000; n++) fixture.writer.appendRows(numbered(n, 8 * KIB));
  }, /room was asked for/);
  await fixture.stop();
});

test('the ring shows what is in it, and nothing that has left it or came before the session', async () => {
  const fixture = await startLog({ directory, startLsn: 4096 });
  begin(fixture);
  needRoom(fixture, 1000);
  const lsn = fixture.writer.appendRows(numbered(1, 1000));
  assert.equal(Buffer.from(fixture.writer.ringView(lsn + 32, 1000)!), Buffer.from(numbered(1, 1000)));
  assert.is(fixture.writer.ringView(4088, 8), undefined);
  append(fixture, 2, 400);
  assert.ok(fixture.writer.appended > lsn + RING);
  assert.is(fixture.writer.ringView(lsn + 32, 1000), undefined);
  const segments = new LogSegments(directory, SEGMENT);
  const body = new Uint8Array(1010);
  assert.is(segments.read(body, 5, 1000, lsn + 32), 1000);
  assert.equal(Buffer.from(body.subarray(5, 1005)), Buffer.from(numbered(1, 1000)));
  assert.is(segments.readNowait(body, 0, 1000, lsn + 32), 1000);
  segments.close();
  await fixture.stop();
});

test('deletes what is published and gives back what was preallocated', async () => {
  const fixture = await startLog({ directory });
  begin(fixture);
  append(fixture, 1, 4000);
  await fixture.thread.flush();
  const { appended } = fixture.writer;
  const segments = new LogSegments(directory, SEGMENT);
  assert.ok(segments.fdFor(0)! > 0);
  assert.ok(segments.list().length > appended / SEGMENT + 1);
  fixture.thread.deleteBelow(appended);
  await fixture.thread.flush();
  segments.forgetBelow(appended);
  assert.is(segments.fdFor(0), undefined);
  assert.is(segments.read(new Uint8Array(8), 0, 8, 0), -2);
  await fixture.stop();
  const left = segments.list();
  assert.is(left.length, 1);
  assert.is(left[0]!.startLsn + statSync(left[0]!.path).size, appended);
  segments.deleteBelow(left[0]!.startLsn + SEGMENT);
  assert.equal(readdirSync(directory), []);
  segments.close();
});

test('many waiting syncs cost few waits for the disk, and each is answered once its bytes are there', async () => {
  const fixture = await startLog({ directory });
  begin(fixture);
  await fixture.thread.flush();
  const before = fixture.thread.status().syncs;
  const waiting: Promise<number>[] = [];
  for (let n = 1; n <= 500; n++) {
    append(fixture, n, n + 1);
    fixture.writer.sync(-n);
    const at = fixture.writer.appended;
    waiting.push(
      fixture.answered(-n).then((errno) => {
        assert.ok(fixture.writer.synced >= at);
        return errno;
      }),
    );
  }
  assert.equal(
    await Promise.all(waiting),
    range(0, 500).map(() => 0),
  );
  const syncs = fixture.thread.status().syncs - before;
  assert.ok(syncs >= 1 && syncs <= 500, `${syncs}`);
  // With all 500 waiting at once one wait is enough.
  append(fixture, 501, 502);
  for (let n = 501; n <= 1000; n++) fixture.writer.sync(-n);
  await Promise.all(range(501, 1001).map((n) => fixture.answered(-n)));
  const more = fixture.thread.status().syncs - before - syncs;
  assert.ok(more >= 1 && more <= 3, `500 tickets for one record took ${more} waits`);
  await fixture.stop();
});

test('a FUSE request is answered on its descriptor with the 16 bytes of a reply', async () => {
  const pair = socketpair() as [number, number];
  const fixture = await startLog({ directory });
  fixture.thread.setFuseFd(pair[0]);
  begin(fixture);
  fixture.writer.sync(2 ** 40 + 6);
  await fixture.thread.flush();
  const reply = new Uint8Array(64);
  assert.is(read(pair[1], reply, 64), 16);
  const view = new DataView(reply.buffer);
  assert.is(view.getUint32(0, true), 16);
  assert.is(view.getInt32(4, true), 0);
  assert.is(view.getBigUint64(8, true), 2n ** 40n + 6n);
  assert.is(fixture.answers.size, 0);
  await fixture.stop();
  pair.forEach((fd) => close(fd));
});

test('written() and flush() resolve when it is so, and are refused after the end', async () => {
  const fixture = await startLog({ directory });
  begin(fixture);
  append(fixture, 1, 50);
  await fixture.thread.written(fixture.writer.appended);
  assert.is(fixture.writer.written, fixture.writer.appended);
  await fixture.thread.flush();
  assert.is(fixture.writer.synced, fixture.writer.appended);
  const never = fixture.thread.written(fixture.writer.appended + 8).then(
    () => 'done',
    (error) => error.code,
  );
  await fixture.stop();
  assert.is(await never, 'EIO');
  assert.is(await fixture.thread.flush().catch((error) => error.code), 'EIO');
});

test('a change wakes the thread that sleeps', async () => {
  const fixture = await startLog({ directory });
  begin(fixture);
  const control = new BigInt64Array(fixture.shared.control);
  const until = async (isSo: () => boolean): Promise<void> => {
    while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 1));
  };
  for (let n = 1; n <= 20; n++) {
    await until(() => Atomics.load(control, LogControl.ASLEEP) === 1n);
    append(fixture, n, n + 1);
    await until(() => fixture.writer.written === fixture.writer.appended);
  }
  await fixture.stop();
});

async function threeSessions(): Promise<{ ends: number[] }> {
  const ends: number[] = [];
  let startLsn = 0;
  for (let session = 0; session < 3; session++) {
    const fixture = await startLog({ directory, startLsn });
    begin(fixture);
    append(fixture, 1 + 300 * session, 1 + 300 * (session + 1));
    await fixture.stop();
    startLsn = fixture.writer.appended;
    ends.push(startLsn);
  }
  return { ends };
}

test('a session goes on where the last one ended', async () => {
  const { ends } = await threeSessions();
  const { numbers, sessions, endLsn } = readNumbers(directory);
  assert.equal(numbers, range(1, 901));
  assert.is(sessions, 3);
  assert.is(endLsn, ends[2]);
  assert.equal(readNumbers(directory, ends[0]).numbers, range(301, 901));
});

test('a session that begins at the end of the ring has a PAD before its first record', async () => {
  const first = await startLog({ directory });
  begin(first);
  let n = 1;
  for (let left = 0; (left = RING - (first.writer.appended % RING)) > 48;) {
    needRoom(first, 8000);
    const bytes = Math.min(8000, left - 32 - 48);
    first.writer.appendRows(numbered(n++, bytes));
  }
  await first.stop();
  const second = await startLog({ directory, startLsn: first.writer.appended });
  needRoom(second, 100);
  second.writer.appendJson(RecordKind.SESSION, { format: 1, family: 'long enough' });
  append(second, n, n + 10);
  await second.stop();
  assert.ok(second.writer.appended > RING);
  const { numbers, sessions } = readNumbers(directory);
  assert.equal(numbers, range(1, n + 10));
  assert.is(sessions, 2);

  // A PAD of yet another session proves nothing about the SESSION record behind it.
  const path = join(directory, '0000000000000000.seg');
  const pad = readFileSync(path).subarray(first.writer.appended, first.writer.appended + 32);
  pad.writeUInt32LE((pad.readUInt32LE(16) ^ 1) >>> 0, 16);
  pad.writeUInt32LE(crc32c(pad.subarray(0, 24)), 24);
  const fd = openSync(path, 'r+');
  writeSync(fd, pad, 0, 32, first.writer.appended);
  closeSync(fd);
  assert.equal(readNumbers(directory).numbers, range(1, n));
  assert.is(readNumbers(directory).endLsn, first.writer.appended);
});

test('every byte that is wrong ends the log before its record', async () => {
  const fixture = await startLog({ directory });
  begin(fixture);
  append(fixture, 1, 21);
  await fixture.stop();
  const path = join(directory, '0000000000000000.seg');
  const whole = readFileSync(path);
  const records = [...readLog(directory, { fromLsn: 0, segmentBytes: SEGMENT })];
  const fd = openSync(path, 'r+');
  for (const { lsn, kind, payload } of records.slice(5, 9)) {
    assert.is(kind, RecordKind.ROWS);
    const n = new DataView(payload.buffer).getUint32(0, true);
    for (let at = 0; at < 32 + payload.length; at++) {
      if (at >= 28 && at < 32) continue; // reserved, not covered
      writeSync(fd, Uint8Array.of(whole[lsn + at]! ^ 0x10), 0, 1, lsn + at);
      const read = readNumbers(directory);
      assert.equal(read.numbers, range(1, n), `byte ${at} of record ${n}`);
      assert.is(read.endLsn, lsn);
      writeSync(fd, whole, lsn + at, 1, lsn + at);
    }
  }
  closeSync(fd);
});

test('a log cut off at any byte is the records before it', async () => {
  const fixture = await startLog({ directory });
  begin(fixture);
  append(fixture, 1, 11);
  await fixture.stop();
  const path = join(directory, '0000000000000000.seg');
  const records = [...readLog(directory, { fromLsn: 0, segmentBytes: SEGMENT })];
  for (let length = fixture.writer.appended - 1; length >= 0; length--) {
    truncateSync(path, length);
    // The zeros that fill a record up to a multiple of 8 say nothing.
    const whole = records.filter(({ lsn, payload }) => lsn + 32 + payload.length <= length);
    assert.is([...readLog(directory, { fromLsn: 0, segmentBytes: SEGMENT })].length, whole.length);
  }
});

test('what a crash left behind the end is never read by a later session', async () => {
  const { ends } = await threeSessions();
  const fixture = await startLog({ directory, startLsn: ends[0]! });
  // The old second session began exactly here, and its SESSION record would be accepted.
  assert.equal(readNumbers(directory).numbers, range(1, 301));
  begin(fixture);
  append(fixture, 2000, 2005);
  await fixture.thread.flush();
  assert.equal(readNumbers(directory).numbers, [...range(1, 301), ...range(2000, 2005)]);
  await fixture.stop();
  assert.equal(readNumbers(directory).numbers, [...range(1, 301), ...range(2000, 2005)]);
});

test('records of another session are no continuation, unless a SESSION record begins it', async () => {
  const fixture = await startLog({ directory, tag: 1 });
  begin(fixture);
  append(fixture, 1, 10);
  await fixture.stop();
  const end = fixture.writer.appended;
  const other = await startLog({ directory, tag: 2, startLsn: end });
  append(other, 10, 20);
  await other.stop();
  assert.equal(readNumbers(directory).numbers, range(1, 10));
  assert.equal(readNumbers(directory).endLsn, end);
  const options = { fromLsn: 0, segmentBytes: SEGMENT };
  assert.is([...readLog(directory, { ...options, tag: 1 })].length, 10);
  assert.is([...readLog(directory, { ...options, fromLsn: end, tag: 1 })].length, 0);
  assert.is([...readLog(directory, { ...options, fromLsn: end, tag: 2 })].length, 10);
});

/** As if the disk had gone bad: the thread's descriptors of the segment files become invalid. */
async function breakFiles(fixture: Fixture): Promise<void> {
  // First it has opened all that it wants to have: a number that is closed here must not become another file.
  while (fixture.thread.status().reserved < 3 * SEGMENT) await new Promise((resolve) => setTimeout(resolve, 1));
  for (const name of readdirSync('/proc/self/fd')) {
    let target = '';
    try {
      target = readlinkSync(`/proc/self/fd/${name}`);
    } catch {
      continue;
    }
    if (target.startsWith(directory) && target.endsWith('.seg')) close(Number(name));
  }
}

async function expectFailed(fixture: Fixture): Promise<void> {
  fixture.writer.sync(-1);
  assert.is(await fixture.answered(-1), 5);
  assert.equal(fixture.failures, [9]);
  assert.is(fixture.thread.status().failedErrno, 9);
  assert.throws(
    () => fixture.writer.room(10),
    (error: { code: string }) => error.code === 'EIO',
  );
  fixture.writer.sync(-2);
  assert.is(await fixture.answered(-2), 5);
  assert.is(await fixture.thread.flush().catch((error) => error.code), 'EIO');
  await fixture.stop();
}

test('a failed write ends the log: syncs get EIO, and so does room', async () => {
  const fixture = await startLog({ directory });
  begin(fixture);
  await fixture.thread.flush();
  await breakFiles(fixture);
  append(fixture, 1, 2);
  await expectFailed(fixture);
  assert.equal(readNumbers(directory).numbers, []);
});

test('a failed fdatasync ends the log, and is not tried again', async () => {
  const fixture = await startLog({ directory });
  begin(fixture);
  append(fixture, 1, 3);
  await fixture.thread.written(fixture.writer.appended);
  await breakFiles(fixture);
  const before = fixture.thread.status().syncs;
  await expectFailed(fixture);
  assert.is(fixture.thread.status().syncs, before + 1);
  assert.ok(fixture.writer.synced < fixture.writer.appended);
  assert.equal(readNumbers(directory).numbers, [1, 2]);
});

test.run();
