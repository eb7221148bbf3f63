import { fstatSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { GRANULE_BYTES } from '../../dist/base/limits.js';
import { BlockFiles } from '../../dist/chunk/block-files.js';

const test = suite('block files');
const directory = mkdtempSync(join(tmpdir(), 'forkfs-blocks-'));
test.after(() => rmSync(directory, { recursive: true, force: true }));

const SIZE = 3 * GRANULE_BYTES + 100;

function block(name: string, fill: number): string {
  const path = join(directory, name);
  writeFileSync(path, Buffer.alloc(SIZE, fill));
  return path;
}

function isOpen(fd: number): boolean {
  try {
    fstatSync(fd);
    return true;
  } catch {
    return false;
  }
}

test('reads what is checked, and nothing else', () => {
  const files = new BlockFiles();
  const path = block('a', 1);
  files.add({ id: 5, indx: 0, sizeBytes: SIZE, fd: openSync(path, 'r'), from: GRANULE_BYTES, to: 2 * GRANULE_BYTES });
  const out = new Uint8Array(200);
  assert.is(files.read(5, 0, GRANULE_BYTES, 100, out, 50), 100);
  assert.equal([...out.subarray(49, 51), ...out.subarray(149, 151)], [0, 1, 1, 0]);
  assert.is(files.read(5, 0, GRANULE_BYTES - 1, 2, out, 0), 0);
  assert.is(files.read(5, 0, 2 * GRANULE_BYTES - 1, 2, out, 0), 0);
  assert.is(files.read(5, 1, GRANULE_BYTES, 1, out, 0), 0);
  assert.is(files.read(6, 0, GRANULE_BYTES, 1, out, 0), 0);
  assert.ok(files.has(5, 0, GRANULE_BYTES, GRANULE_BYTES));
  assert.not(files.has(5, 0, 0, SIZE));
  files.close();
});

test('collects what is checked in one file; its last granule may be short', () => {
  const files = new BlockFiles();
  const path = block('a', 1);
  files.add({ id: 5, indx: 2, sizeBytes: SIZE, fd: openSync(path, 'r'), from: 0, to: GRANULE_BYTES });
  files.add({ id: 5, indx: 2, sizeBytes: SIZE, fd: openSync(path, 'r'), from: 3 * GRANULE_BYTES, to: SIZE });
  assert.ok(files.has(5, 2, 0, GRANULE_BYTES));
  assert.ok(files.has(5, 2, 3 * GRANULE_BYTES, 100));
  assert.not(files.has(5, 2, GRANULE_BYTES, 1));
  assert.is(files.count, 1);
  files.close();
});

test('forgets what was checked when another file takes the place', () => {
  const files = new BlockFiles();
  const first = openSync(block('a', 1), 'r');
  files.add({ id: 5, indx: 0, sizeBytes: SIZE, fd: first, from: 0, to: GRANULE_BYTES });
  rmSync(join(directory, 'a'));
  const second = openSync(block('a', 2), 'r');
  files.add({ id: 5, indx: 0, sizeBytes: SIZE, fd: second, from: GRANULE_BYTES, to: 2 * GRANULE_BYTES });
  assert.not(isOpen(first), 'the old descriptor is closed');
  assert.not(files.has(5, 0, 0, 1));
  assert.ok(files.has(5, 0, GRANULE_BYTES, 1));
  files.close();
  assert.not(isOpen(second));
});

test('closes the file used longest ago when there are too many', () => {
  const files = new BlockFiles(2);
  const fds = [1, 2, 3].map(() => openSync(block('a', 1), 'r'));
  const out = new Uint8Array(1);
  const add = (id: number): void => files.add({ id, indx: 0, sizeBytes: SIZE, fd: fds[id - 1]!, from: 0, to: SIZE });
  add(1);
  add(2);
  assert.is(files.read(1, 0, 0, 1, out, 0), 1);
  add(3);
  assert.equal(fds.map(isOpen), [true, false, true]);
  assert.is(files.read(2, 0, 0, 1, out, 0), 0);
  assert.is(files.count, 2);
  files.close();
  assert.is(files.count, 0);
  assert.equal(fds.map(isOpen), [false, false, false]);
});

test('answers nothing of a file that is shorter than it should be', () => {
  const files = new BlockFiles();
  const path = join(directory, 'short');
  writeFileSync(path, Buffer.alloc(10));
  files.add({ id: 5, indx: 0, sizeBytes: SIZE, fd: openSync(path, 'r'), from: 0, to: SIZE });
  assert.is(files.read(5, 0, 5, 10, new Uint8Array(10), 0), 0);
  assert.is(files.read(5, 0, 5, 5, new Uint8Array(10), 0), 5);
  files.close();
});

test.run();
