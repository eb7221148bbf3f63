import { execFileSync } from 'node:child_process';
import { closeSync, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { fallocate } from '../../dist/base/libc.js';
import { RecordKind } from '../../dist/chunk/log-format.js';
import {
  KIB,
  SEGMENT,
  needRoom,
  numbered,
  readNumbers,
  startLog,
  stopAll,
  temporary,
  type Fixture,
} from './support/log-fixture.ts';

const test = suite('log on a full disk');
const folder = temporary();
const { directory } = folder;
let isMounted = false;

test.before(() => {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${6 * SEGMENT}`, 'tmpfs', directory], { stdio: 'pipe' });
    isMounted = true;
  } catch {
    process.stdout.write('skipped: a small tmpfs cannot be mounted here (needs root)\n');
  }
});
test.after(async () => {
  await stopAll();
  if (isMounted) execFileSync('umount', [directory]);
  folder.remove();
});

/** Appends numbered records until there is no space; answers how many there are. */
function fillUp(fixture: Fixture, first: number): { count: number; code: string } {
  for (let n = first; ; n++) {
    try {
      needRoom(fixture, 1000);
    } catch (error) {
      return { count: n - 1, code: (error as { code: string }).code };
    }
    fixture.writer.appendRows(numbered(n, 1000));
    fixture.writer.kick();
  }
}

test('ENOSPC comes before a change, what was taken stays, and space that is freed is used', async () => {
  if (!isMounted) return;
  const log = join(directory, 'log');
  const hog = join(directory, 'hog');
  const fd = openSync(hog, 'w');
  assert.is(fallocate(fd, 0, 2 * SEGMENT), 0);
  closeSync(fd);

  const fixture = await startLog({ directory: log });
  needRoom(fixture, 100);
  fixture.writer.appendJson(RecordKind.SESSION, { format: 1 });
  const full = fillUp(fixture, 1);
  assert.is(full.code, 'ENOSPC');
  assert.ok(full.count > (2 * SEGMENT) / (2 * KIB), `${full.count}`);
  await fixture.thread.flush();
  assert.is(readNumbers(log).numbers.length, full.count);

  // The reserve: upload marks and seals are still taken.
  for (let i = 0; i < 20; i++) {
    assert.ok(fixture.writer.roomForMark(12));
    fixture.writer.appendSeal(i, 1);
  }
  await fixture.thread.flush();
  assert.throws(() => needRoom(fixture, 1000), /ENOSPC/);

  rmSync(hog);
  const more = fillUp(fixture, full.count + 1);
  assert.is(more.code, 'ENOSPC');
  assert.ok(more.count > full.count + SEGMENT / (2 * KIB), `${more.count}`);

  // A published version frees segments.
  await fixture.thread.flush();
  fixture.thread.deleteBelow(fixture.writer.appended);
  await fixture.thread.flush();
  const after = fillUp(fixture, more.count + 1);
  assert.ok(after.count > more.count + SEGMENT / (2 * KIB), `${after.count}`);
  assert.equal(fixture.failures, []);
  await fixture.stop();
});

test('a log that has no space for its first segment does not begin', async () => {
  if (!isMounted) return;
  rmSync(join(directory, 'log'), { recursive: true, force: true });
  const fd = openSync(join(directory, 'hog'), 'w');
  for (let bytes = 6 * SEGMENT; bytes >= 4 * KIB; bytes /= 2)
    while (fallocate(fd, 0, bytes) < 0 && (bytes -= 4 * KIB) > 0);
  closeSync(fd);
  const error = await startLog({ directory: join(directory, 'log') }).then(
    () => undefined,
    (error) => error,
  );
  assert.is(error?.code, 'ENOSPC');
  assert.is(error.name, 'FsError');
  rmSync(join(directory, 'hog'));
});

test.run();
