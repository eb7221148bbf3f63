/** Files of an index that is damaged in one place: an error there, and nothing that is done by halves. */
import { rmSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CHUNK_BYTES, MIB } from '../../dist/base/limits.js';
import { PlaneFixture } from '../chunk/support/plane-fixture.ts';
import { FIRST_ID, openNamespace, outcome, sql } from '../meta/support.ts';

const test = suite('a damaged list of slices');

/** An image with a file of three chunks, the middle one with a list that is none, and a good file. */
function damagedImage(): Uint8Array {
  const { ns } = openNamespace();
  for (const name of ['bad', 'good']) {
    const inode = ns.create(ns.root, name, { type: 1, mode: 0o644, uid: 0, gid: 0 });
    inode.length = 3 * CHUNK_BYTES;
    ns.changed(inode);
    for (const indx of [0, 1, 2]) ns.chunk(inode, indx).overlay(0, 100, 5, 100, 0);
  }
  const db = new sql.Database(ns.exportImage());
  const [[bad]] = db.exec("SELECT inode FROM jfs_edge WHERE name = CAST('bad' AS BLOB)")[0]!.values as [[number]];
  db.run('UPDATE jfs_chunk SET slices = ? WHERE inode = ? AND indx = 1', [new Uint8Array(25), bad]);
  assert.is(db.getRowsModified(), 1);
  const image = db.export();
  db.close();
  ns.close();
  return image;
}

test('is EIO for what touches it, and changes neither the file nor the log', async () => {
  const f = await PlaneFixture.start({ ringBytes: 8 * MIB, image: damagedImage(), firstId: FIRST_ID + 2 ** 26 });
  try {
    const { vfs, namespace } = f;
    const [bad, good] = ['bad', 'good'].map((name) => namespace.lookup(namespace.root, name)!.ino) as [number, number];
    const state = (): unknown[] => {
      const { length, mtime, mtimensec, ctime, ctimensec, mode } = vfs.getattr(bad);
      return [length, mtime, mtimensec, ctime, ctimensec, mode, f.log.writer.appended, namespace.stats().dirtyRows];
    };
    const before = state();
    const fails: (() => unknown)[] = [
      () => f.read(bad, CHUNK_BYTES + 5, 10),
      () => f.write(bad, CHUNK_BYTES + 5, Buffer.from('data')),
      () => f.setattr(bad, { size: 10 }),
      () => f.allocate(bad, 3, 100, 2 * CHUNK_BYTES),
      () => f.copy(bad, CHUNK_BYTES, good, 0, 10),
      () => f.copy(good, 0, bad, CHUNK_BYTES, 10),
      () => vfs.lseek(bad, 0, CHUNK_BYTES, 3),
    ];
    for (const call of fails) {
      assert.is(outcome(call), 'EIO', String(call));
      assert.equal(state(), before, String(call));
    }
    assert.is(
      outcome(() => f.read(bad, 500, 10)),
      'ok',
      'its other chunks are good',
    );
    assert.is(
      outcome(() => f.write(bad, 2 * CHUNK_BYTES, Buffer.from('data'))),
      'ok',
    );
    assert.is(
      outcome(() => f.write(good, CHUNK_BYTES, Buffer.from('data'))),
      'ok',
    );
    f.room(0);
    assert.is(
      outcome(() => vfs.unlink(namespace.root.ino, 'bad')),
      'ok',
      'it can be removed',
    );
  } finally {
    await f.stop();
    rmSync(f.directory, { recursive: true, force: true });
  }
});

test.run();
