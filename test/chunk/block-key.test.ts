import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { blockKey } from '../../dist/chunk/block-key.js';

const keys = suite('block key');

keys('is the one that JuiceFS uses', () => {
  assert.is(blockKey(1, 0, 4_194_304, false), 'chunks/0/0/1_0_4194304');
  assert.is(blockKey(1, 2, 2_097_152, false), 'chunks/0/0/1_2_2097152');
  assert.is(blockKey(4097, 0, 5, false), 'chunks/0/4/4097_0_5');
  assert.is(blockKey(1_234_567_890, 3, 1, false), 'chunks/1234/1234567/1234567890_3_1');
});

keys('has the hash prefix where the format asks for it', () => {
  assert.is(blockKey(1, 0, 65_536, true), 'chunks/01/0/1_0_65536');
  assert.is(blockKey(1, 3, 53_392, true), 'chunks/01/0/1_3_53392');
  assert.is(blockKey(171, 0, 1, true), 'chunks/AB/0/171_0_1');
});

keys('stays exact up to the largest ids', () => {
  const id = 2 ** 53 - 1;
  assert.is(blockKey(id, 0, 9, false), `chunks/9007199254/9007199254740/${id}_0_9`);
  assert.is(blockKey(id, 0, 9, true), `chunks/FF/9007199254/${id}_0_9`);
});

keys('is not made of what is no block', () => {
  for (const [id, indx, size] of [
    [0, 0, 1],
    [-1, 0, 1],
    [1.5, 0, 1],
    [1, -1, 1],
    [1, 0, 0],
    [2 ** 53, 0, 1],
    [NaN, 0, 1],
  ] as const) {
    assert.throws(() => blockKey(id, indx, size, false));
  }
});

keys.run();
