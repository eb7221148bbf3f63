import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { KIB, MIB, READAHEAD_BYTES } from '../../dist/base/limits.js';
import type { BlockRef } from '../../dist/chunk/messages.js';
import { Readahead } from '../../dist/chunk/readahead.js';
import type { Inode } from '../../dist/meta/namespace.js';

const test = suite('readahead');
const STEP = 128 * KIB;

function make(hasBlocks = true) {
  const ranges: [number, number, number][] = [];
  const posts: BlockRef[][] = [];
  const readahead = new Readahead({
    storedBlocks: (inode, from, to) => {
      ranges.push([inode.ino, from, to]);
      return hasBlocks ? [{ id: inode.ino, indx: Math.floor(from / (4 * MIB)), sizeBytes: 4 * MIB }] : [];
    },
    post: (blocks) => posts.push(blocks),
  });
  return { readahead, ranges, posts };
}

function file(ino: number, length: number): Inode {
  return { ino, length } as Inode;
}

test('asks for what comes next, once, and far enough ahead', () => {
  const { readahead, ranges, posts } = make();
  const inode = file(7, 64 * MIB);
  let asked = 0;
  for (let at = 0; at < 32 * MIB; at += STEP) {
    readahead.note(inode, at, STEP);
    for (const [, from, to] of ranges.splice(0)) {
      assert.ok(from >= asked, 'nothing twice');
      assert.ok(to <= at + STEP + READAHEAD_BYTES);
      asked = to;
    }
    if (at > 0) assert.ok(asked - at >= READAHEAD_BYTES / 2, 'always some ahead');
  }
  assert.ok(posts.length > 4 && posts.length < 20);
});

test('asks nothing of random readers, nor beyond the end, nor for what is local', () => {
  const random = make();
  for (let i = 0; i < 200; i++) random.readahead.note(file(1, 1024 * MIB), ((i * 7919) % 1000) * MIB, 4096);
  assert.equal(random.ranges, []);

  const short = make();
  const inode = file(2, 3 * STEP);
  for (let at = 0; at < 3 * STEP; at += STEP) short.readahead.note(inode, at, STEP);
  assert.equal(short.ranges, [[2, 2 * STEP, 3 * STEP]]);

  const local = make(false);
  for (let at = 0; at < MIB; at += STEP) local.readahead.note(file(3, 64 * MIB), at, STEP);
  assert.ok(local.ranges.length > 0);
  assert.equal(local.posts, []);
});

test('goes on with requests that come out of order, and begins anew elsewhere', () => {
  const { readahead, ranges } = make();
  const inode = file(7, 1024 * MIB);
  for (const step of [0, 1, 3, 2, 4, 6, 5, 7, 8]) readahead.note(inode, step * STEP, STEP);
  assert.ok(ranges.length >= 1);
  ranges.length = 0;
  readahead.note(inode, 500 * MIB, STEP);
  assert.equal(ranges, []);
  readahead.note(inode, 500 * MIB + STEP, STEP);
  assert.is(ranges.length, 1);
  assert.is(ranges[0]![1], 500 * MIB + 2 * STEP);
});

test('watches the files read last, and forgets a closed one', () => {
  const { readahead, ranges } = make();
  const first = file(1, 1024 * MIB);
  readahead.note(first, 0, STEP);
  for (let ino = 2; ino < 60; ino++) readahead.note(file(ino, MIB), 0, 10);
  readahead.note(first, STEP, STEP);
  assert.is(ranges.length, 1);
  for (let ino = 100; ino < 160; ino++) readahead.note(file(ino, MIB), 0, 10);
  readahead.note(first, 2 * STEP, 5 * MIB);
  assert.is(ranges.length, 2, 'it was read after the others');
  readahead.forget(1);
  readahead.note(first, 2 * STEP + 5 * MIB, 5 * MIB);
  assert.is(ranges.length, 2);
});

test.run();
