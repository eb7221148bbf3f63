import {
  appendFileSync,
  closeSync,
  copyFileSync,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { code, type PosixTest } from './support.ts';

/** Reading, writing and cutting. */
export function dataTests(test: PosixTest): void {
  writeTests(test);
  truncateTests(test);
  sizeTests(test);
}

function writeTests(test: PosixTest): void {
  test('an append goes to the end, whoever wrote there', (dir) => {
    const path = join(dir, 'f');
    const [a, b] = [openSync(path, 'a'), openSync(path, 'a')];
    for (let i = 0; i < 50; i++) {
      writeSync(a, `a${i};`);
      writeSync(b, `b${i};`);
    }
    appendFileSync(path, 'end');
    const expected = `${Array.from({ length: 50 }, (_, i) => `a${i};b${i};`).join('')}end`;
    assert.is(readFileSync(path, 'utf8'), expected);
    closeSync(a);
    closeSync(b);
  });

  test('what one descriptor writes, another reads at once', (dir) => {
    const path = join(dir, 'f');
    const writer = openSync(path, 'w');
    const reader = openSync(path, 'r');
    const buffer = Buffer.alloc(10);
    for (let i = 0; i < 200; i++) {
      writeSync(writer, `${String(i).padStart(9, '0')}\n`, i * 10);
      assert.is(fstatSync(reader).size, (i + 1) * 10);
      assert.is(readSync(reader, buffer, 0, 10, i * 10), 10);
      assert.is(Number(buffer.toString('latin1')), i);
      assert.is(readSync(reader, buffer, 0, 10, (i + 1) * 10), 0);
    }
    closeSync(writer);
    closeSync(reader);
  });

  test('writes over what is there, and only there', (dir) => {
    const path = join(dir, 'f');
    const twin = Buffer.alloc(300_000);
    for (let i = 0; i < twin.length; i++) twin[i] = (i * 7) & 255;
    writeFileSync(path, twin);
    const fd = openSync(path, 'r+');
    for (const [at, length] of [
      [0, 1],
      [4095, 2],
      [65_536, 65_536],
      [131_071, 70_000],
      [299_999, 1],
      [100, 5000],
    ] as const) {
      const data = Buffer.alloc(length, at & 255);
      writeSync(fd, data, 0, length, at);
      data.copy(twin, at);
      assert.is(Buffer.compare(readFileSync(path), twin), 0, `${length} bytes at ${at}`);
    }
    closeSync(fd);
  });

  test('refuses reads and writes that the descriptor is not for', (dir) => {
    const path = join(dir, 'f');
    writeFileSync(path, 'x');
    const reader = openSync(path, 'r');
    assert.is(
      code(() => writeSync(reader, 'y')),
      'EBADF',
    );
    assert.is(
      code(() => ftruncateSync(reader, 0)),
      'EINVAL',
    );
    closeSync(reader);
    const writer = openSync(path, 'a');
    assert.is(
      code(() => readSync(writer, Buffer.alloc(1))),
      'EBADF',
    );
    closeSync(writer);
    const directory = openSync(dir, 'r');
    assert.is(
      code(() => readSync(directory, Buffer.alloc(1))),
      'EISDIR',
    );
    fsyncSync(directory);
    closeSync(directory);
  });

  test('syncs, and copies a file', (dir) => {
    const path = join(dir, 'f');
    const data = Buffer.alloc(3_000_000, 'some text that repeats ');
    const fd = openSync(path, 'w');
    writeSync(fd, data);
    fsyncSync(fd);
    fdatasyncSync(fd);
    closeSync(fd);
    copyFileSync(path, join(dir, 'g'));
    assert.is(Buffer.compare(readFileSync(join(dir, 'g')), data), 0);
    writeFileSync(path, 'changed');
    assert.is(Buffer.compare(readFileSync(join(dir, 'g')), data), 0, 'the copy is its own');
  });
}

function truncateTests(test: PosixTest): void {
  test('what a truncate cut off never comes back: it grows with zeros', (dir) => {
    const path = join(dir, 'f');
    writeFileSync(path, Buffer.alloc(100_000, 'x'));
    for (const [cut, grown] of [
      [70_001, 90_000],
      [4097, 5000],
      [4096, 200_000],
      [10, 20],
      [0, 8192],
    ] as const) {
      truncateSync(path, cut);
      assert.is(statSync(path).size, cut);
      truncateSync(path, grown);
      const bytes = readFileSync(path);
      assert.is(bytes.length, grown);
      assert.ok(
        bytes.subarray(0, cut).every((byte) => byte === 120),
        `what is before ${cut}`,
      );
      assert.ok(
        bytes.subarray(cut).every((byte) => byte === 0),
        `what is behind ${cut}`,
      );
      writeFileSync(path, Buffer.alloc(100_000, 'x'));
    }
    truncateSync(path, 5);
    const fd = openSync(path, 'r+');
    writeSync(fd, 'y', 50);
    closeSync(fd);
    assert.is(readFileSync(path, 'latin1'), `xxxxx${'\0'.repeat(45)}y`);
  });

  test('a truncate says what is wrong', (dir) => {
    assert.is(
      code(() => truncateSync(join(dir, 'none'))),
      'ENOENT',
    );
    assert.is(
      code(() => truncateSync(dir)),
      'EISDIR',
    );
    const path = join(dir, 'f');
    writeFileSync(path, 'x');
    assert.is(
      code(() => truncateSync(join(path, 'f'))),
      'ENOTDIR',
    );
  });
}

function sizeTests(test: PosixTest): void {
  test('holes read as zeros, far beyond what was written', (dir) => {
    const path = join(dir, 'f');
    const fd = openSync(path, 'w+');
    const places = [0, 5_000, 64 * 2 ** 20 - 3, 200 * 2 ** 20, 2 ** 32 + 17, 2 ** 40];
    for (const at of places) writeSync(fd, 'mark', at);
    assert.is(fstatSync(fd).size, 2 ** 40 + 4);
    const buffer = Buffer.alloc(20);
    for (const at of places) {
      assert.is(readSync(fd, buffer, 0, 4, at), 4);
      assert.is(buffer.toString('latin1', 0, 4), 'mark', `at ${at}`);
      assert.is(readSync(fd, buffer, 0, 20, at + 1000), at === 2 ** 40 ? 0 : 20);
      if (at !== 2 ** 40)
        assert.ok(
          buffer.every((byte) => byte === 0),
          `behind ${at}`,
        );
    }
    ftruncateSync(fd, 2 ** 32 + 19);
    assert.is(readSync(fd, buffer, 0, 20, 2 ** 32 + 17), 2);
    ftruncateSync(fd, 6_000);
    ftruncateSync(fd, 2 ** 33);
    assert.is(readSync(fd, buffer, 0, 20, 2 ** 32 + 10), 20);
    assert.ok(buffer.every((byte) => byte === 0));
    // Whoever compares the tree afterwards reads all of it.
    ftruncateSync(fd, 70_000_000);
    closeSync(fd);
  });

  test('reads whole a file that is larger than what is written at once', (dir) => {
    const path = join(dir, 'f');
    const data = Buffer.alloc(9_000_001);
    for (let i = 0; i < data.length; i++) data[i] = (i * 31) ^ (i >>> 9);
    writeFileSync(path, data);
    assert.is(Buffer.compare(readFileSync(path), data), 0);
    const fd = openSync(path, 'r');
    const piece = Buffer.alloc(2_000_000);
    assert.is(readSync(fd, piece, 0, piece.length, 8_000_000), 1_000_001);
    assert.is(Buffer.compare(piece.subarray(0, 1_000_001), data.subarray(8_000_000)), 0);
    closeSync(fd);
  });
}
