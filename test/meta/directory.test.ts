import { suite } from 'uvu';
import * as assert from 'uvu/assert';

import type { Inode, Namespace } from '../../dist/meta/namespace.js';
import { DIR, FILE, listing, openNamespace, openReadOnly, sql } from './support.ts';

const directory = suite('meta: directory');

/** The next entries after a cookie, at most `count`. */
function page(ns: Namespace, dir: Inode, cookie: number, count: number): { id: number; name: string }[] {
  const found: { id: number; name: string }[] = [];
  ns.readdir(dir, cookie, (entry) => {
    found.push({ id: entry.id, name: entry.name });
    return found.length < count;
  });
  return found;
}

directory('lists in order of ids that rise and never come again', () => {
  const { ns } = openNamespace();
  for (const name of ['c', 'a', 'b']) ns.create(ns.root, name, FILE);
  const before = listing(ns, 1);
  assert.equal(
    before.map((entry) => entry.name),
    ['c', 'a', 'b'],
  );
  ns.unlink(ns.root, 'b');
  ns.create(ns.root, 'b', FILE);
  const after = listing(ns, 1);
  assert.ok((after[2]?.id ?? 0) > (before[2]?.id ?? 0));

  while (ns.writeBehind(1000));
  ns.unlink(ns.root, 'b');
  const last = after[2]?.id as number;
  const { ns: again } = openNamespace({ image: ns.exportImage(), firstId: 2 ** 41 });
  again.create(again.root, 'd', FILE);
  assert.is(listing(again, 1)[2]?.id, last + 1, 'the id of a removed last entry does not come again');
});

directory('opens an image that never counted its ids', () => {
  const { ns } = openNamespace();
  ns.create(ns.root, 'a', FILE);
  const db = new sql.Database(ns.exportImage());
  db.run('DELETE FROM sqlite_sequence');
  const { ns: again } = openNamespace({ image: db.export(), firstId: 2 ** 41 });
  db.close();
  again.create(again.root, 'b', FILE);
  assert.equal(
    listing(again, 1).map((entry) => entry.id),
    [1, 2],
  );
});

directory('shows each entry once to a listing during which everything is removed', () => {
  const { ns } = openNamespace();
  for (let i = 0; i < 1000; i++) ns.create(ns.root, `f${i}`, FILE);
  const seen: string[] = [];
  let cookie = 0;
  for (;;) {
    const entries = page(ns, ns.root, cookie, 7);
    if (entries.length === 0) break;
    for (const entry of entries) {
      seen.push(entry.name);
      ns.unlink(ns.root, entry.name);
      cookie = entry.id;
    }
  }
  assert.is(new Set(seen).size, 1000);
  assert.is(seen.length, 1000);
  assert.equal(listing(ns, 1), []);
});

directory('goes on from a cookie whatever happened meanwhile', () => {
  const { ns } = openNamespace({ limits: { dentries: 20 } });
  const dir = ns.create(ns.root, 'd', DIR);
  for (let i = 0; i < 30; i++) ns.create(dir, `f${i}`, FILE);
  const first = page(ns, dir, 0, 10);
  const cookie = first[9]?.id as number;
  ns.unlink(dir, 'f9');
  ns.unlink(dir, 'f10');
  ns.create(dir, 'new', FILE);
  ns.rename(dir, 'f11', dir, 'f0', 0);
  while (ns.writeBehind(1000));
  // Others push it out of memory.
  for (let i = 0; i < 40; i++) ns.create(ns.create(ns.root, `o${i}`, DIR), 'x', FILE);
  while (ns.writeBehind(1000));
  for (let i = 0; i < 40; i++) ns.create(ns.lookup(ns.root, `o${i}`) as Inode, 'y', FILE);
  assert.is(dir.directory, undefined);
  const rest = page(ns, dir, cookie, 1000).map((entry) => entry.name);
  assert.equal(rest, [...Array.from({ length: 18 }, (_, i) => `f${i + 12}`), 'new']);
});

directory('answers by point queries at first and is whole after some', () => {
  const first = openNamespace();
  const made = first.ns.create(first.ns.root, 'd', DIR);
  for (let i = 0; i < 100; i++) first.ns.create(made, `f${i}`, FILE);
  const ns = openReadOnly(first.ns.exportImage());
  const dir = ns.lookup(ns.root, 'd') as Inode;
  assert.is(ns.lookup(dir, 'f5')?.nlink, 1);
  assert.is(ns.lookup(dir, 'none'), undefined);
  assert.is(dir.directory?.complete, false);
  for (let i = 0; i < 40; i++) assert.is(ns.lookup(dir, `none${i}`), undefined);
  assert.is(dir.directory?.complete, true);
  assert.is(ns.lookup(dir, 'f99')?.nlink, 1);
  assert.is(listing(ns, dir.ino).length, 100);
});

directory('is loaded in pieces, and changes meanwhile have their place', () => {
  const first = openNamespace();
  const [made, other] = ['d', 'o'].map((name) => first.ns.create(first.ns.root, name, DIR)) as [Inode, Inode];
  for (let i = 0; i < 1000; i++) {
    first.ns.create(made, `f${i}`, FILE);
    // The ids of the latter half are far apart.
    for (let gap = 0; gap < (i < 500 ? 0 : 10); gap++) first.ns.create(other, `o${i}.${gap}`, FILE);
  }
  const { ns } = openNamespace({ image: first.ns.exportImage(), firstId: 2 ** 41, isTracked: false });
  const dir = ns.lookup(ns.root, 'd') as Inode;
  ns.create(dir, 'before', FILE);
  let names = page(ns, dir, 0, 100);
  assert.is(dir.directory?.isLoading, true);
  ns.unlink(dir, 'f5');
  ns.unlink(dir, 'f900');
  ns.unlink(dir, 'f901');
  ns.create(dir, 'f901', FILE);
  ns.rename(dir, 'f7', dir, 'f950', 0);
  ns.rename(dir, 'f8', dir, 'moved', 0);
  while (ns.writeBehind(1000));
  ns.create(dir, 'late', FILE);
  ns.unlink(dir, 'f902');
  assert.is(ns.lookup(dir, 'f902'), undefined);
  names = page(ns, dir, names.at(-1)?.id as number, 10_000);
  const left = Array.from({ length: 900 }, (_, i) => `f${i + 100}`).filter((name) => !/^f90[012]$/.test(name));
  assert.equal(
    names.map((entry) => entry.name),
    [...left, 'before', 'f901', 'moved', 'late'],
  );
  assert.is(dir.directory?.complete, true);
  assert.equal(listing(openReadOnly(ns.exportImage()), dir.ino), listing(ns, dir.ino));
});

directory('merges what is in memory into what it loads', () => {
  const first = openNamespace();
  const made = first.ns.create(first.ns.root, 'd', DIR);
  for (const name of ['a', 'b', 'c', 'd']) first.ns.create(made, name, FILE);
  const { ns } = openNamespace({ image: first.ns.exportImage(), firstId: 2 ** 41 });
  const dir = ns.lookup(ns.root, 'd') as Inode;
  ns.unlink(dir, 'a');
  ns.create(dir, 'a', FILE);
  ns.rename(dir, 'b', dir, 'c', 0);
  ns.create(dir, 'e', FILE);
  assert.is(dir.directory?.complete, false);
  assert.equal(
    listing(ns, dir.ino).map((entry) => entry.name),
    ['c', 'd', 'a', 'e'],
  );
  assert.equal(listing(openReadOnly(ns.exportImage()), dir.ino), listing(ns, dir.ino));
});

directory('lists 200,000 entries page by page, cold and while they are removed', () => {
  const count = 200_000;
  const { ns } = openNamespace({ isTracked: false });
  const dir = ns.create(ns.root, 'd', DIR);
  for (let i = 0; i < count; i++) ns.create(dir, `file-${i}`, FILE);
  const image = ns.exportImage();
  const { ns: again } = openNamespace({ image, firstId: 2 ** 41, isTracked: false });
  const cold = again.lookup(again.root, 'd') as Inode;
  let seen = 0;
  let cookie = 0;
  for (;;) {
    const entries = page(again, cold, cookie, 500);
    if (entries.length === 0) break;
    seen += entries.length;
    for (const entry of entries) again.unlink(cold, entry.name);
    cookie = entries.at(-1)?.id as number;
  }
  assert.is(seen, count);
  assert.is(again.statfs().inodes, ns.statfs().inodes - count);
  again.rmdir(again.root, 'd');
});

directory.run();
