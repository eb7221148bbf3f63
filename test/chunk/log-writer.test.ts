import { MessageChannel } from 'node:worker_threads';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LogControl } from '../../dist/chunk/log-format.js';
import { LogWriter, newLogControl, type LogShared } from '../../dist/chunk/log-writer.js';
import { createMemory } from '../../dist/workers/wasm.js';
import { KIB, RING } from './support/log-fixture.ts';

/** The owner's end alone: the test plays the log thread, with the numbers of the control block. */
const test = suite('log writer');
const ports = new MessageChannel();
const memory = createMemory(RING);
test.after(() => ports.port1.close());

function writerAt(
  startLsn: number,
  slots: Partial<Record<keyof typeof LogControl, number>>,
): {
  writer: LogWriter;
  control: BigInt64Array;
} {
  const shared: LogShared = {
    memory,
    ringOffset: KIB * KIB,
    ringBytes: RING,
    segmentBytes: 4 * RING,
    control: newLogControl(),
    directory: '',
    tag: 1,
    startLsn,
  };
  const control = new BigInt64Array(shared.control);
  for (const [slot, value] of Object.entries({ APPENDED: startLsn, WRITTEN: startLsn, ...slots })) {
    control[LogControl[slot as keyof typeof LogControl]] = BigInt(value);
  }
  return { writer: new LogWriter(shared, ports.port1), control };
}

test('after ok, a change of any size fits, wherever the ring ends and however full it is', () => {
  let changes = 0;
  for (const bytes of [0, 100, 2000, 9000, 10_000, 12_000]) {
    for (let start = 0; start < RING - 32; start += 200) {
      const { writer, control } = writerAt(start, { RESERVED: 64 * RING });
      for (let round = 0; round < 4; round++) {
        while (writer.room(bytes, 3) === 'ok') {
          writer.appendRows(new Uint8Array(Math.ceil(bytes / 2)));
          writer.appendSeal(1, 1);
          writer.appendRows(new Uint8Array(Math.floor(bytes / 2)));
          changes++;
        }
        assert.is(control[LogControl.OWNER_WAITS], 1n);
        control[LogControl.WRITTEN] = BigInt(writer.appended);
      }
    }
  }
  assert.ok(changes > 1000);
});

test('ENOSPC is believed only when it is fresh', () => {
  const { writer, control } = writerAt(0, { RESERVED: 4096, RESERVE_ERRNO: 28 });
  assert.is(writer.room(100), 'ok');
  // What it finds may be old: the log thread is asked to try again.
  assert.is(writer.room(8000), 'wait');
  assert.is(control[LogControl.RESERVE_ERRNO], 0n);
  assert.is(writer.room(8000), 'wait');
  control[LogControl.RESERVE_ERRNO] = 122n;
  assert.throws(
    () => writer.room(8000),
    (error: { code: string; name: string }) => error.code === 'EDQUOT' && error.name === 'FsError',
  );
  // The next change has a right to its own answer.
  assert.is(writer.room(8000), 'wait');
  control[LogControl.RESERVED] = BigInt(4 * RING);
  assert.is(writer.room(8000), 'ok');
});

test('a full ring is no lack of space', () => {
  const { writer } = writerAt(0, { RESERVED: 64 * RING, RESERVE_ERRNO: 28 });
  while (writer.room(8000) === 'ok') writer.appendRows(new Uint8Array(8000));
  assert.is(writer.room(8000), 'wait');
  assert.is(writer.room(8000), 'wait');
});

test('a thread that is awake is not woken for little', () => {
  const { writer, control } = writerAt(0, { RESERVED: 64 * RING });
  const wakes = (): number => Number(control[LogControl.WAKE]);
  writer.kick();
  assert.is(wakes(), 0);
  writer.room(100);
  writer.appendRows(new Uint8Array(100));
  writer.kick();
  assert.is(wakes(), 0);
  control[LogControl.ASLEEP] = 1n;
  writer.kick();
  writer.kick();
  assert.is(wakes(), 1);
});

test('a position where no PAD fits is refused', () => {
  assert.throws(() => writerAt(RING - 24, {}), /PAD/);
  assert.throws(() => writerAt(4, {}), /end of a record/);
});

test.run();
