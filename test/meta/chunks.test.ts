import { suite } from 'uvu';
import * as assert from 'uvu/assert';

import type { Inode, Namespace } from '../../dist/meta/namespace.js';
import { encodeSlices } from '../../dist/meta/slice-record.js';
import { FILE, openNamespace, openReadOnly, sql } from './support.ts';

const chunks = suite('meta: chunks');

function pieces(ns: Namespace, inode: Inode, indx: number): number[][] {
  const found: number[][] = [];
  ns.chunk(inode, indx).visit(0, 100, (pos, len, id, size, off) => {
    if (id !== 0) found.push([pos, len, id, size, off]);
  });
  return found;
}

/** Writes as the data plane does: overlay, then `wrote`. */
function write(ns: Namespace, inode: Inode, indx: number, pos: number, len: number, id: number): void {
  ns.chunk(inode, indx).overlay(pos, len, id, len, 0);
  ns.wrote(inode, Math.max(inode.length, indx * 2 ** 26 + pos + len), 1, 2);
}

chunks('are written behind and read again', () => {
  const { ns } = openNamespace();
  const file = ns.create(ns.root, 'f', FILE);
  write(ns, file, 0, 0, 10, 2 ** 41);
  write(ns, file, 3, 5, 10, 7);
  while (ns.writeBehind(1000));
  write(ns, file, 0, 5, 10, 9);
  ns.chunk(file, 3).zero(0, 100);
  ns.changed(file, (rows) => rows.zero(file.ino, 3, 0, 100));
  const expected = [
    [0, 5, 2 ** 41, 10, 0],
    [5, 10, 9, 10, 0],
  ];
  assert.equal(pieces(ns, file, 0), expected);
  assert.equal(ns.chunkIndexes(file), [0]);
  const again = openReadOnly(ns.exportImage());
  const found = again.lookup(again.root, 'f') as Inode;
  assert.equal(pieces(again, found, 0), expected);
  assert.equal([pieces(again, found, 1), pieces(again, found, 3)], [[], []]);
  assert.equal(again.chunkIndexes(found), [0]);
  assert.is(found.length, file.length);
});

chunks('of a file that is not open are let go when they are written', () => {
  const { ns } = openNamespace();
  const file = ns.create(ns.root, 'f', FILE);
  ns.hold(file);
  write(ns, file, 0, 0, 10, 7);
  while (ns.writeBehind(1000));
  assert.is(file.chunks?.size, 1);
  ns.drop(file);
  assert.is(file.chunks, undefined);
  assert.equal(pieces(ns, file, 0), [[0, 10, 7, 10, 0]]);
  write(ns, file, 0, 10, 10, 8);
  while (ns.writeBehind(1000));
  assert.is(file.chunks, undefined);
  assert.is(pieces(ns, file, 0).length, 2);
});

chunks('of a long file are let go when they need not be written', () => {
  const { ns } = openNamespace();
  const file = ns.create(ns.root, 'f', FILE);
  ns.hold(file);
  for (let indx = 0; indx < 300; indx++) {
    write(ns, file, indx, 0, 10, indx + 100);
    ns.writeBehind(0);
    assert.ok((file.chunks?.size ?? 0) <= 64 + 2);
  }
  for (const indx of [299, 0, 150]) assert.equal(pieces(ns, file, indx), [[0, 10, indx + 100, 10, 0]]);
  assert.is(ns.chunkIndexes(file).length, 300);
});

chunks('go with their inode', () => {
  const { ns } = openNamespace();
  const [kept, gone] = ['a', 'b'].map((name) => ns.create(ns.root, name, FILE)) as [Inode, Inode];
  for (const inode of [kept, gone]) for (let indx = 0; indx < 100; indx++) write(ns, inode, indx, 0, 1, 5);
  ns.writeBehind(0);
  ns.unlink(ns.root, 'b');
  const db = new sql.Database(ns.exportImage());
  assert.equal(db.exec('SELECT inode, count(*) FROM jfs_chunk GROUP BY inode')[0]?.values, [[kept.ino, 100]]);
  db.close();
});

chunks('are read where JuiceFS has stored them as text', () => {
  const { ns } = openNamespace();
  const file = ns.create(ns.root, 'f', FILE);
  const db = new sql.Database(ns.exportImage());
  const slices = encodeSlices([{ pos: 3, id: 2 ** 33 + 200, size: 255, off: 128, len: 100 }]);
  db.run('INSERT INTO jfs_chunk (inode, indx, slices) VALUES (?, 0, CAST(? AS TEXT))', [file.ino, slices]);
  assert.equal(db.exec('SELECT typeof(slices) FROM jfs_chunk')[0]?.values, [['text']]);
  const again = openReadOnly(db.export());
  db.close();
  assert.equal(pieces(again, again.lookup(again.root, 'f') as Inode, 0), [[3, 97, 2 ** 33 + 200, 255, 128]]);
});

chunks('know the sizes and granules of their slices', () => {
  const { ns } = openNamespace();
  assert.equal([ns.sliceSize(5), ns.granules(5, 0)], [undefined, undefined]);
  ns.putSlice(5, 70_000);
  assert.is(ns.sliceSize(5), 70_000);
  ns.putSlice(2 ** 41, 70_000, Uint32Array.from([1, 0xffff_ffff]));
  const again = openReadOnly(ns.exportImage());
  assert.is(again.sliceSize(5), 70_000);
  assert.equal(again.granules(2 ** 41, 0), Uint32Array.from([1, 0xffff_ffff]));
  assert.is(again.granules(2 ** 41, 1), undefined);
});

chunks.run();
