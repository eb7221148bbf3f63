import { chmodSync, cpSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'; // prettier-ignore
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Stage } from '../../dist/demo/stage.js';
import { changeTree } from '../../dist/demo/changes.js';
import { differences, fileBytes, readTree } from '../../dist/demo/tree.js';

const test = suite('comparisons of the demo');
let folder: string;
let left: string;
let right: string;

test.before.each(() => {
  folder = mkdtempSync(join(tmpdir(), 'forkfs-test-'));
  [left, right] = [join(folder, 'left'), join(folder, 'right')];
  mkdirSync(join(left, 'd'), { recursive: true });
  writeFileSync(join(left, 'd', 'f'), 'content');
  writeFileSync(Buffer.concat([Buffer.from(`${left}/`), Buffer.from([0xff, 0xfe])]), 'odd name');
  symlinkSync('f', join(left, 'd', 'l'));
  for (const path of ['d/f', 'd', '.']) utimesSync(join(left, path), 1000, 1000);
  cpSync(left, right, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
});
test.after.each(() => rmSync(folder, { recursive: true, force: true }));

function found(): string[] {
  const fields = ['', 'd', 'd/f'];
  const [a, b] = [readTree(left, () => undefined), readTree(right, () => undefined)];
  // The copy of this test does not keep all times; those that are set here count.
  for (const tree of [a, b]) for (const [path, entry] of tree) if (!fields.includes(path)) entry.mtimeNs = 0n;
  return differences(a, b);
}

test('finds none between a tree and its copy, odd names and all', () => {
  for (const path of ['d', '.']) utimesSync(join(right, path), 1000, 1000);
  assert.equal(found(), []);
  assert.is(fileBytes(readTree(left, () => undefined)), 15);
});

const changes: Record<string, [() => void, RegExp]> = {
  'a missing file': [() => rmSync(join(right, 'd', 'f')), /d\/f is missing/],
  'a file too many': [() => writeFileSync(join(right, 'new'), ''), /new should not be there/],
  'other bytes': [() => writeFileSync(join(right, 'd', 'f'), 'CONTENT'), /d\/f: sha256/],
  'another size': [() => truncateSync(join(right, 'd', 'f'), 3), /d\/f: size is 3, not 7/],
  'another mode': [() => chmodSync(join(right, 'd', 'f'), 0o600), /d\/f: mode/],
  'another time': [() => utimesSync(join(right, 'd', 'f'), 1000, 1000.001), /d\/f: mtimeNs/],
  'another type': [
    () => (rmSync(join(right, 'd', 'f')), mkdirSync(join(right, 'd', 'f'))),
    /d\/f: type is directory, not file/,
  ],
  'another link target': [() => (rmSync(join(right, 'd', 'l')), symlinkSync('g', join(right, 'd', 'l'))), /d\/l: target is g, not f/], // prettier-ignore
  'another name': [() => renameSync(join(right, 'd', 'f'), join(right, 'd', 'g')), /d\/g should not be there/],
};

for (const [what, [change, expected]] of Object.entries(changes)) {
  test(`finds ${what}`, () => {
    change();
    assert.match(found().join('\n'), expected);
  });
}

test('a comparison that does not hold is a failure of the demo', () => {
  const stage = new Stage(new AbortController().signal);
  assert.is(stage.held('this', []), 'equal');
  assert.equal(stage.failures, []);
  stage.held('that', ['x is missing']);
  assert.is(stage.comparisons, 2);
  assert.match(stage.failures.join('\n'), /that: 1 difference[^]*x is missing/);
});

test('the changes of the demo are seen', () => {
  const done = changeTree(right);
  assert.ok(done.created > 200);
  assert.ok(found().length > 200);
});

test.run();
