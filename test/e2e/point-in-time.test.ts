// needs: mount
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ROVolume } from '../../dist/index.js';
import { startPython } from './programs.ts';
import { until, Workspace } from './support.ts';

const COMMITS = 10;
const work = new Workspace();
const point = suite('a version is one point in time');
point.after(() => work.cleanUp());

/** For each n: A becomes n, then B becomes n, each by a file that is renamed into place; log gets a line before both. */
const writer = `
import os, sys
os.chdir(sys.argv[1])
def put(name, n):
    with open(name + '.tmp', 'w') as f: f.write(f'{n:08}' * (1 + n % 2000))
    os.rename(name + '.tmp', name)
log = os.open('log', os.O_WRONLY | os.O_CREAT | os.O_APPEND)
n = 0
while not os.path.exists('stop'):
    n += 1
    os.write(log, f'{n:08}\\n'.encode())
    put('A', n)
    put('B', n)
print(n)
`;

function counter(path: string): number {
  const text = existsSync(path) ? readFileSync(path, 'latin1') : '00000000';
  const n = Number(text.slice(0, 8));
  assert.is(text, text.slice(0, 8).repeat(n === 0 ? 1 : 1 + (n % 2000)), `${path} is whole`);
  return n;
}

point('and never shows a later change without an earlier one', async () => {
  const volume = work.volume('point');
  const path = await volume.mount({ mountPath: work.fresh() });
  const child = startPython(writer, path);
  // Awaited below; if a commit fails first, that is the failure to be told.
  child.catch(() => undefined);
  await until('the writer writes', () => existsSync(join(path, 'B')));
  const versions: ROVolume[] = [];
  for (let i = 0; i < COMMITS; i++) versions.push(await volume.commit({ message: `${i}` }));
  writeFileSync(join(path, 'stop'), '');
  const last = Number(await child);
  versions.push(await volume.finalize());

  let before = 0;
  for (const [i, version] of versions.entries()) {
    const at = await version.mount({ mountPath: work.fresh() });
    const [a, b] = [counter(join(at, 'A')), counter(join(at, 'B'))];
    const log = readFileSync(join(at, 'log'), 'latin1');
    await version.unmount();
    assert.ok(b <= a && a <= b + 1, `version ${i + 1}: A is ${a}, B is ${b}`);
    const lines = log.length / 9;
    assert.ok(lines === a || lines === a + 1, `version ${i + 1}: ${lines} lines, A is ${a}`);
    assert.is(log, Array.from({ length: lines }, (_, k) => `${String(k + 1).padStart(8, '0')}\n`).join(''));
    assert.ok(b >= before, 'versions go on');
    before = b;
  }
  assert.is(before, last);
});

point.run();
