import { spawn } from 'node:child_process';
import { readdirSync, writeFileSync, openSync, closeSync, writeSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SEGMENT, readNumbers, temporary } from './support/log-fixture.ts';

const test = suite('log after kill -9');
const child = fileURLToPath(new URL('./support/log-child.ts', import.meta.url));
const seed = Number(process.env['FORKFS_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
process.stdout.write(`seed ${seed}\n`);

/** Repeatable numbers in [0, limit). */
let state = seed;
function below(limit: number): number {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * limit);
}

/** Runs a writer until it has synced `syncs` times and a little longer; answers the last number known to be synced. */
function writeUntilKilled(directory: string, start: number, first: number, syncs: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const writer = spawn(process.execPath, [child, directory, String(start), String(first)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const extra = below(400);
    let text = '';
    writer.stdout.on('data', (data: Buffer) => {
      const had = text.split('\n').length;
      text += data.toString();
      const has = text.split('\n').length;
      // The kill falls into whatever it does some data later, not right after a sync.
      if (had <= syncs && has > syncs) setTimeout(() => writer.kill('SIGKILL'), extra / 10);
    });
    writer.once('error', reject);
    writer.once('close', (code, signal) => {
      if (signal !== 'SIGKILL') reject(new Error(`the writer ended by itself: ${code}`));
      else resolve(Math.max(first - 1, ...text.split('\n').slice(0, -1).map(Number)));
    });
  });
}

/** What a torn write leaves: bytes of anything behind the end, in this segment and the next. */
function leaveGarbage(directory: string, endLsn: number): void {
  const files = readdirSync(directory).toSorted();
  const current = files[Math.floor(endLsn / SEGMENT) - Number.parseInt(files[0]!.slice(0, 16), 16) / SEGMENT];
  if (current === undefined) return;
  const path = join(directory, current);
  const at = (endLsn % SEGMENT) + 8 * below(20);
  const garbage = Buffer.from(Array.from({ length: 500 }, () => below(256)));
  if (at + garbage.length > statSync(path).size) return;
  const fd = openSync(path, 'r+');
  writeSync(fd, garbage, 0, garbage.length, at);
  closeSync(fd);
  writeFileSync(
    join(directory, `${((Math.floor(endLsn / SEGMENT) + 9) * SEGMENT).toString(16).padStart(16, '0')}.seg`),
    garbage,
  );
}

test('the log is an exact prefix with everything that was synced, session after session', async () => {
  const folder = temporary();
  try {
    const { directory } = folder;
    let endLsn = 0;
    let known = 0;
    for (let round = 1; round <= 6; round++) {
      const synced = await writeUntilKilled(directory, endLsn, known + 1, 2 + below(12));
      const read = readNumbers(directory);
      assert.equal(
        read.numbers,
        read.numbers.map((_, i) => i + 1),
        `round ${round}: records follow each other`,
      );
      assert.ok(
        read.numbers.length >= synced,
        `round ${round}: ${synced} was synced, ${read.numbers.length} are there`,
      );
      assert.ok(read.numbers.length >= known, 'nothing that was there once goes away');
      assert.is(read.sessions, round);
      known = read.numbers.length;
      endLsn = read.endLsn;
      if (round % 2 === 0) leaveGarbage(directory, endLsn);
    }
    assert.ok(endLsn > SEGMENT, 'the rounds crossed segments');
  } finally {
    folder.remove();
  }
});

test.run();
