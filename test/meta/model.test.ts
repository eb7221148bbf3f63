import { suite } from 'uvu';
import * as assert from 'uvu/assert';

import type { Inode, NamespaceLimits } from '../../dist/meta/namespace.js';
import { Run } from './model.ts';
import { openNamespace } from './support.ts';

const model = suite('meta: model');
const SEED = Number(process.env['FORKFS_SEED'] ?? 20_260_101);
for (const [name, limits, seed] of [
  ['with the default limits', {}, SEED],
  ['with caches that hold next to nothing', { inodes: 12, dentries: 8, dirtyRows: 6 }, SEED + 1],
  ['with small caches and late writes', { inodes: 60, dentries: 40 }, SEED + 2],
] as [string, Partial<NamespaceLimits>, number][]) {
  model(`agrees with the naive model over thousands of operations ${name} (seed ${seed})`, () => {
    const run = new Run(seed, limits);
    for (let step = 1; step <= 12_000; step++) {
      run.step();
      if (step % 300 === 0) run.check();
      if (step % 3000 === 0) run.reopen();
    }
    assert.ok(run.changes > 3000, `${run.changes} changes`);
    assert.ok(run.outcomes.size > 20, 'most outcomes happened');
  });
}

model('keeps no more in memory than its limits once it is written behind', () => {
  const limits = { inodes: 100, dentries: 150, dirtyRows: 50 };
  const { ns } = openNamespace({ limits, isTracked: false });
  const dirs = Array.from(
    { length: 50 },
    (_, i) => ns.create(ns.root, `d${i}`, { type: 2, mode: 0o755, uid: 0, gid: 0 }).ino,
  );
  for (let i = 0; i < 5000; i++) {
    ns.create(ns.inode(dirs[i % 50] as number) as Inode, `f${i}`, { type: 1, mode: 0o644, uid: 0, gid: 0 });
    assert.ok(ns.stats().dirtyRows <= 50 + 8);
  }
  while (ns.writeBehind(1000));
  let inodes = 0;
  let dentries = 0;
  for (let i = 0; i < 5000; i++) {
    assert.ok(ns.lookup(ns.inode(dirs[(i * 7) % 50] as number) as Inode, `f${(i * 7) % 5000}`) !== undefined);
    if (i < 1000) continue;
    inodes = Math.max(inodes, ns.stats().inodes);
    dentries = Math.max(dentries, ns.stats().dentries);
  }
  assert.ok(inodes <= 110, `${inodes} inodes`);
  // The directories of the latest 16 uses stay, 100 entries each.
  assert.ok(dentries <= 150 + 17 * 100, `${dentries} entries`);
});

model('remembers lookups of the kernel for inodes that left memory', () => {
  const { ns, state } = openNamespace({ limits: { inodes: 10 } });
  const file = ns.create(ns.root, 'f', { type: 1, mode: 0o644, uid: 0, gid: 0 });
  ns.looked(file);
  ns.looked(file);
  for (let i = 0; i < 100; i++) {
    ns.create(ns.root, `x${i}`, { type: 1, mode: 0o644, uid: 0, gid: 0 });
    while (ns.writeBehind(100));
  }
  assert.is.not(ns.inode(file.ino), file);
  for (let i = 0; i < 100; i++) ns.lookup(ns.root, `x${i}`);
  ns.forget(file.ino, 1);
  ns.unlink(ns.root, 'f');
  assert.is(state.nodes.get(file.ino)?.nlink, 0, 'the kernel still knows it once');
  ns.forget(file.ino, 1);
  assert.is(state.nodes.has(file.ino), false);
});

model.run();
