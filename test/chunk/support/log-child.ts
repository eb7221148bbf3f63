/** Writes numbered records until it is killed; prints each number that is known to be on the disk. */
import { writeSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { RecordKind } from '../../../dist/chunk/log-format.js';
import { needRoom, numbered, sizeOf, startLog } from './log-fixture.ts';

const [directory = '', start = '0', first = '1'] = process.argv.slice(2);
const fixture = await startLog({ directory, startLsn: Number(start) });
const { writer, answers } = fixture;

needRoom(fixture, 100);
writer.appendJson(RecordKind.SESSION, { format: 1 });
let asked = 0;
for (let n = Number(first); ; n++) {
  const bytes = sizeOf(n);
  needRoom(fixture, bytes);
  writer.appendRows(numbered(n, bytes));
  if (n % 50 === 0) writer.kick();
  if (asked === 0 && n % 7 === 0) {
    writer.sync(-n);
    asked = n;
  }
  if (n % 20 !== 0) continue;
  await setImmediate();
  if (answers.get(-asked) === 0) {
    writeSync(1, `${asked}\n`);
    answers.delete(-asked);
    asked = 0;
  }
}
