import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MIB } from '../../dist/base/limits.js';
import { Pack } from '../../dist/chunk/packer.js';
import { seeded } from '../meta/support.ts';

const test = suite('pack');

test('finds the ranges of the log that hold any part of it', () => {
  const pack = new Pack(7);
  const random = seeded(1);
  const where: number[] = [];
  for (let i = 0; i < 500; i++) {
    const len = 1 + random(50);
    const lsn = i * 1000 + random(900);
    assert.is(pack.add(lsn, len), where.length);
    for (let j = 0; j < len; j++) where.push(lsn + j);
  }
  assert.is(pack.sizeBytes, where.length);
  assert.is(pack.endLsn, where.at(-1)! + 1);
  for (let i = 0; i < 500; i++) {
    const off = random(where.length);
    const len = 1 + random(where.length - off);
    const seen: number[] = [];
    pack.visit(off, len, (lsn, bytes) => {
      for (let j = 0; j < bytes; j++) seen.push(lsn + j);
    });
    assert.equal(seen, where.slice(off, off + len));
  }
  const again = Pack.fromSealed(pack.sealed());
  assert.is(again.endLsn, pack.endLsn);
  assert.ok(again.isSealed);
  assert.equal(again.sealed(), pack.sealed());
});

test('refuses what does not fit, what is sealed, and reads of what was not written', () => {
  const pack = new Pack(7);
  pack.add(0, 4 * MIB - 1);
  assert.throws(() => pack.add(0, 2));
  assert.throws(() => pack.visit(4 * MIB - 2, 2, () => undefined));
  pack.isSealed = true;
  assert.throws(() => pack.add(0, 1));
  assert.is(new Pack(1).endLsn, 0);
});

test.run();
