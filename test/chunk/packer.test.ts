import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BLOCK_BYTES, MIB, OPEN_PACKS_MAX } from '../../dist/base/limits.js';
import { Pack, Packer } from '../../dist/chunk/packer.js';

const test = suite('packer');

/** A packer whose packs and seals are written down, and whose writes are split at the ends of packs as the plane does. */
class Rig {
  readonly made: Pack[] = [];
  readonly sealed: Pack[] = [];
  readonly packer: Packer;
  readonly #packBytes: number;
  #lsn = 0;

  constructor(packBytes = BLOCK_BYTES) {
    this.#packBytes = packBytes;
    this.packer = new Packer({
      packBytes,
      newPack: () => {
        const pack = new Pack(1000 + this.made.length);
        this.made.push(pack);
        return pack;
      },
      seal: (pack) => {
        pack.isSealed = true;
        this.sealed.push(pack);
      },
    });
  }

  /** The ids of the packs that the write's pieces went to. */
  write(ino: number, offset: number, bytes: number): number[] {
    const ids: number[] = [];
    this.packer.note(ino, offset, bytes);
    for (let done = 0; done < bytes;) {
      const pack = this.packer.packFor(ino);
      const len = Math.min(bytes - done, this.#packBytes - pack.sizeBytes);
      assert.ok(len > 0, 'a pack that is handed out has room');
      pack.add((this.#lsn += 100 + len), len);
      this.packer.settle(pack);
      ids.push(pack.id);
      done += len;
      assert.ok(this.open().length <= OPEN_PACKS_MAX, 'few packs are open');
    }
    return ids;
  }

  stream(ino: number, from: number, to: number, step: number): number[] {
    const ids: number[] = [];
    for (let at = from; at < to; at += step) ids.push(...this.write(ino, at, Math.min(step, to - at)));
    return ids;
  }

  open(): Pack[] {
    return this.made.filter((pack) => !pack.isSealed);
  }
}

test('puts the small writes of all files into one pack', () => {
  const rig = new Rig();
  for (let ino = 2; ino < 500; ino++) assert.equal(rig.write(ino, 0, 100), [1000]);
  assert.is(rig.made.length, 1);
  assert.equal(rig.sealed, []);
});

test('gives a file that streams packs of its own, whatever the size of its writes', () => {
  for (const step of [4096, 128 * 1024, MIB, 1_000_000, 12_345, 333_333]) {
    const rig = new Rig();
    // Another stream leaves a pack that is half full.
    rig.stream(9, 0, 3_333_333, 128 * 1024);
    rig.packer.forget(9);
    const [shared] = rig.write(8, 0, 10);
    const own = rig.stream(2, 0, 30 * MIB, step).slice(Math.ceil(MIB / step) + 1);
    assert.not(own.includes(shared!), `in steps of ${step} none of it is among the small writes`);
    assert.ok(new Set(own).size <= 9, 'its packs are full');
  }
});

test('takes a file that jumps about for one with small writes', () => {
  const rig = new Rig();
  for (let i = 0; i < 30; i++) rig.write(2, ((i * 7) % 30) * 10 * MIB, 100_000);
  assert.is(rig.made.length, 1);
});

test('seals a pack when it is full, and no empty one', () => {
  const rig = new Rig(1000);
  rig.write(2, 0, 999);
  assert.equal(rig.sealed, []);
  rig.write(2, 5000, 1);
  assert.equal(
    rig.sealed.map((pack) => pack.sizeBytes),
    [1000],
  );
  rig.packer.sealAll();
  assert.is(rig.sealed.length, 1);
  rig.write(2, 9000, 5);
  rig.packer.sealAll();
  rig.packer.sealAll();
  assert.equal(
    rig.sealed.map((pack) => pack.sizeBytes),
    [1000, 5],
  );
});

test('keeps few packs open: the stream that wrote longest ago gives its own up', () => {
  const rig = new Rig();
  const ofStream = new Map<number, number>();
  for (let ino = 2; ino < 2 + OPEN_PACKS_MAX - 1; ino++)
    ofStream.set(ino, rig.stream(ino, 0, 1.5 * MIB, MIB / 2).at(-1)!);
  rig.write(98, 0, 10);
  assert.is(rig.open().length, OPEN_PACKS_MAX);
  // The first one goes on, so the second is the one that rests.
  rig.write(2, 1.5 * MIB, 1000);
  rig.stream(99, 0, 1.5 * MIB, MIB / 2);
  assert.ok(rig.sealed.some(({ id }) => id === ofStream.get(3)));
  assert.not.ok(rig.sealed.some(({ id }) => id === ofStream.get(2)));
});

test('fills the pack of a stream that ended with the next stream', () => {
  const rig = new Rig();
  const first = rig.stream(2, 0, 2 * MIB, MIB / 4).at(-1);
  rig.packer.forget(2);
  assert.is(rig.stream(3, 0, 2 * MIB, MIB / 4).at(-1), first);
});

test('finds each byte of a pack in the log', () => {
  const pack = new Pack(7);
  const twin: number[] = [];
  for (let i = 0; i < 300; i++) {
    const [lsn, len] = [i * 1000 + 64, 1 + ((i * 37) % 90)];
    assert.is(pack.add(lsn, len), twin.length);
    for (let byte = 0; byte < len; byte++) twin.push(lsn + byte);
  }
  assert.is(pack.sizeBytes, twin.length);
  assert.is(pack.endLsn, twin.at(-1)! + 1);
  for (const [off, len] of [
    [0, 1],
    [0, twin.length],
    [89, 2],
    [1000, 4000],
    [twin.length - 1, 1],
  ] as const) {
    const got: number[] = [];
    pack.visit(off, len, (lsn, n) => {
      for (let byte = 0; byte < n; byte++) got.push(lsn + byte);
    });
    assert.equal(got, twin.slice(off, off + len));
  }
  const again = Pack.fromSealed(pack.sealed());
  assert.equal([again.sizeBytes, again.endLsn, again.isSealed], [pack.sizeBytes, pack.endLsn, true]);
});

test.run();
