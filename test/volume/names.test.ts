import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { VolumeError } from '../../dist/base/errors.js';
import { checkFamily, checkName, generateName, newFamily } from '../../dist/volume/names.js';

const test = suite('volume names');

function isInvalid(error: unknown): boolean {
  return error instanceof VolumeError && error.kind === 'invalid';
}

test('accepts letters, digits, dots, underscores and dashes', () => {
  for (const name of ['a', '7', 'My-data_set.v2', 'x'.repeat(63)]) assert.is(checkName(name), name);
});

test('refuses what could leave its folder or prefix', () => {
  const bad = ['', '.', '..', '../x', 'a/b', '/a', '-a', '_a', '.a', 'a b', 'a\0', 'a\n', 'ä', 'x'.repeat(64)];
  for (const name of [...bad, null, undefined, 5, {}, ['a']]) {
    assert.throws(() => checkName(name), isInvalid, `${JSON.stringify(name)} was accepted`);
  }
});

test('gives every volume a family of its own', () => {
  const families = new Set(Array.from({ length: 1000 }, () => newFamily('daily')));
  assert.is(families.size, 1000);
  for (const family of families) assert.match(family, /^daily-[a-z2-7]{8}$/);
});

test('makes a family of the longest name that is still a family', () => {
  const family = newFamily('x'.repeat(63));
  assert.is(checkFamily(family), family);
  assert.throws(() => checkFamily('a/b'), isInvalid);
});

test('generates names that are names', () => {
  const name = generateName();
  assert.is(checkName(name), name);
});

test.run();
