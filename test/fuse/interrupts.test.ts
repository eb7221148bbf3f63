import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Interrupts, isDying } from '../../dist/fuse/interrupts.js';
import { Parked } from '../../dist/fuse/parked.js';

function fixture(dying: Map<number, boolean>) {
  const clock = { ms: 0, nowMs: () => 0, monotonicMs: () => clock.ms };
  return { clock, interrupts: new Interrupts(clock, (tid) => dying.get(tid)) };
}

test('only a request that waits, of a process that is being killed, is answered at once', () => {
  const dying = new Map([[10, true], [11, false]]); // prettier-ignore
  const { interrupts } = fixture(dying);
  interrupts.remember(2, 10);
  interrupts.remember(4, 11);
  interrupts.remember(6, 99);
  assert.is(interrupts.interrupt(2), true);
  assert.is(interrupts.interrupt(4), false, 'it only got a signal');
  assert.is(interrupts.interrupt(6), true, 'a process that cannot be seen must not hang');
  assert.is(interrupts.interrupt(8), false, 'not one of ours');
});

test('the others are watched until their process is killed, or for long enough', () => {
  const dying = new Map([[11, false]]);
  const { interrupts, clock } = fixture(dying);
  interrupts.remember(4, 11);
  interrupts.interrupt(4);
  assert.ok(interrupts.isWatching);
  clock.ms += 1000;
  assert.equal(interrupts.due(), []);
  dying.set(11, true);
  assert.equal(interrupts.due(), [], 'not at every request');
  clock.ms += 1000;
  assert.equal(interrupts.due(), [4]);
  assert.not.ok(interrupts.isWatching);
  dying.set(11, false);
  interrupts.interrupt(4);
  clock.ms += 1_000_000;
  assert.equal(interrupts.due(), []);
  assert.not.ok(interrupts.isWatching);
});

test('the oldest waiting requests are forgotten beyond the limit', () => {
  const { interrupts } = fixture(new Map([[1, true]]));
  for (let unique = 2; unique < 5000; unique += 2) interrupts.remember(unique, 1);
  assert.is(interrupts.interrupt(2), false);
  assert.is(interrupts.interrupt(4998), true);
});

test('a live thread is not dying, and one that is not there cannot be told', async () => {
  const child = spawn('sleep', ['60']);
  await once(child, 'spawn');
  while (isDying(child.pid!) === undefined) await sleep(1);
  assert.is(isDying(child.pid!), false);
  child.kill('SIGKILL');
  await once(child, 'exit');
  assert.is(isDying(child.pid!), undefined);
  assert.is(isDying(0), undefined);
});

test('parked requests keep their order and their bytes', () => {
  const parked = new Parked();
  const bytes = Buffer.from('one');
  parked.add(1, bytes);
  bytes.write('two');
  parked.add(2, bytes);
  parked.add(3, Buffer.from('three'));
  parked.remove(2);
  assert.is(parked.first()?.toString(), 'one');
  parked.removeFirst();
  assert.is(parked.first()?.toString(), 'three');
  for (let unique = 10; !parked.isFull; unique++) parked.add(unique, bytes);
  assert.is(parked.count, 64);
});

test.run();
