import { suite } from 'uvu';
import * as assert from 'uvu/assert';

import type { Inode } from '../../dist/meta/namespace.js';
import { DIR, FILE, listing, openNamespace, openReadOnly, outcome, row, sorted, walk } from './support.ts';

const NOREPLACE = 1;
const EXCHANGE = 2;

const rename = suite('meta: rename');

rename('moves a file to another directory, in one batch of final states', () => {
  const { ns, batches, state } = openNamespace();
  const from = ns.create(ns.root, 'from', DIR);
  const to = ns.create(ns.root, 'to', DIR);
  const file = ns.create(from, 'f', FILE);
  const before = batches.length;
  ns.rename(from, 'f', to, 'g', 0);
  assert.is(batches.length, before + 1);
  assert.is(file.parent, to.ino);
  assert.is(ns.lookup(from, 'f'), undefined);
  assert.is(ns.lookup(to, 'g'), file);
  for (const inode of [from, to, file]) assert.equal(state.nodes.get(inode.ino), row(inode));
  assert.equal([from.mtimensec, to.mtimensec], [file.ctimensec, file.ctimensec]);
});

rename('replaces a file, whose entry keeps its id, and ends the old inode', () => {
  const { ns, state } = openNamespace();
  const a = ns.create(ns.root, 'a', FILE);
  const b = ns.create(ns.root, 'b', FILE);
  ns.hold(b);
  const [, place] = listing(ns, 1);
  ns.rename(ns.root, 'a', ns.root, 'b', 0);
  assert.equal(listing(ns, 1), [{ id: place?.id as number, name: 'b', ino: a.ino, type: 1 }]);
  assert.is(b.nlink, 0);
  ns.drop(b);
  assert.is(state.nodes.has(b.ino), false);
  const c = ns.create(ns.root, 'c', FILE);
  ns.rename(ns.root, 'b', ns.root, 'c', 0);
  assert.is(ns.inode(c.ino), undefined);
  assert.equal(ns.statfs(), { usedBytes: 4096, inodes: 1 });
});

rename('moves directories with the nlink of their parents', () => {
  const { ns } = openNamespace();
  const a = ns.create(ns.root, 'a', DIR);
  const b = ns.create(ns.root, 'b', DIR);
  const sub = ns.create(a, 's', DIR);
  ns.rename(a, 's', b, 's', 0);
  assert.equal([a.nlink, b.nlink, sub.parent, sub.nlink], [2, 3, b.ino, 2]);
  const empty = ns.create(a, 'e', DIR);
  ns.rename(b, 's', a, 'e', 0);
  assert.equal([a.nlink, b.nlink, sub.parent, empty.nlink], [3, 2, a.ino, 0]);
  ns.rename(a, 'e', a, 'f', 0);
  assert.equal([a.nlink, ns.root.nlink], [3, 4]);
});

rename('refuses what rename(2) refuses', () => {
  const { ns, batches } = openNamespace();
  const a = ns.create(ns.root, 'a', DIR);
  const b = ns.create(a, 'b', DIR);
  const c = ns.create(b, 'c', DIR);
  const file = ns.create(ns.root, 'f', FILE);
  const empty = ns.create(ns.root, 'e', DIR);
  const before = batches.length;
  const move = (parent: Inode, name: string, newParent: Inode, newName: string, flags = 0): string =>
    outcome(() => ns.rename(parent, name, newParent, newName, flags));
  assert.is(move(ns.root, 'x', ns.root, 'y'), 'ENOENT');
  assert.is(move(ns.root, 'a', c, 'x'), 'EINVAL');
  assert.is(move(ns.root, 'a', a, 'x'), 'EINVAL');
  assert.is(move(b, 'c', ns.root, 'a'), 'ENOTEMPTY');
  assert.is(move(ns.root, 'f', ns.root, 'e'), 'EISDIR');
  assert.is(move(ns.root, 'e', ns.root, 'f'), 'ENOTDIR');
  assert.is(move(ns.root, 'e', ns.root, 'a'), 'ENOTEMPTY');
  assert.is(move(ns.root, 'e', file, 'x'), 'ENOTDIR');
  assert.is(move(ns.root, 'f', ns.root, 'a/b'), 'EINVAL');
  assert.is(move(ns.root, 'f', ns.root, 'x', 4), 'EINVAL');
  assert.is(move(ns.root, 'f', ns.root, 'x', NOREPLACE | EXCHANGE), 'EINVAL');
  assert.is(move(ns.root, 'f', ns.root, 'e', NOREPLACE), 'EEXIST');
  assert.is(move(ns.root, 'f', ns.root, 'x', EXCHANGE), 'ENOENT');
  assert.is(move(b, 'c', ns.root, 'a', EXCHANGE), 'EINVAL');
  assert.is(move(ns.root, 'a', b, 'c', EXCHANGE), 'EINVAL');
  ns.hold(empty);
  assert.is(batches.length, before);
  ns.rmdir(ns.root, 'e');
  assert.is(move(ns.root, 'f', empty, 'x'), 'ENOENT');
});

rename('does nothing between two names of one inode', () => {
  const { ns, batches } = openNamespace();
  const file = ns.create(ns.root, 'a', FILE);
  ns.link(file, ns.root, 'b');
  const before = batches.length;
  ns.rename(ns.root, 'a', ns.root, 'b', 0);
  ns.rename(ns.root, 'a', ns.root, 'a', 0);
  ns.rename(ns.root, 'a', ns.root, 'b', EXCHANGE);
  assert.is(batches.length, before);
  assert.is(listing(ns, 1).length, 2);
  assert.is(
    outcome(() => ns.rename(ns.root, 'a', ns.root, 'b', NOREPLACE)),
    'EEXIST',
  );
});

rename('exchanges a file and a directory, entries keeping their ids', () => {
  const { ns, state } = openNamespace();
  const a = ns.create(ns.root, 'a', DIR);
  const b = ns.create(ns.root, 'b', DIR);
  const dir = ns.create(a, 'x', DIR);
  const file = ns.create(b, 'y', FILE);
  ns.create(dir, 'in', FILE);
  const ids = [listing(ns, a.ino)[0]?.id, listing(ns, b.ino)[0]?.id];
  ns.rename(a, 'x', b, 'y', EXCHANGE);
  assert.equal([a.nlink, b.nlink, dir.parent, file.parent], [2, 3, b.ino, a.ino]);
  assert.equal([listing(ns, a.ino)[0]?.id, listing(ns, b.ino)[0]?.id], ids);
  assert.equal([ns.lookup(a, 'x'), ns.lookup(b, 'y')], [file, dir]);
  assert.equal(sorted(walk(ns)), sorted(state));
  assert.equal(sorted(walk(openReadOnly(ns.exportImage()))), sorted(state));
});

rename('follows a way up that is longer than the cache keeps', () => {
  const { ns } = openNamespace({ limits: { inodes: 8 } });
  const top = ns.create(ns.root, 'top', DIR);
  ns.hold(top);
  let at = top;
  for (let depth = 0; depth < 100; depth++) at = ns.create(at, 'd', DIR);
  while (ns.writeBehind(1000));
  ns.hold(at);
  for (let i = 0; i < 50; i++) ns.create(ns.root, `f${i}`, FILE);
  assert.is(
    outcome(() => ns.rename(ns.root, 'top', at, 'x', 0)),
    'EINVAL',
  );
  ns.rename(ns.root, 'f0', at, 'x', 0);
  assert.is(ns.lookup(at, 'x')?.parent, at.ino);
});

rename.run();
