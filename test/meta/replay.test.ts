import { suite } from 'uvu';
import * as assert from 'uvu/assert';

import type { Namespace } from '../../dist/meta/namespace.js';
import { readRows } from '../../dist/meta/rows.js';
import { IndexApplier } from '../../dist/meta/stores/sqlite-apply.js';
import { kernelOverlay } from '../../dist/version/kernel-overlay.js';
import { Run } from './model.ts';
import { newImage, openReadOnly, sorted, sql, walk, type LogEntry } from './support.ts';

const replay = suite('meta: replay');
const SEED = Number(process.env['FORKFS_SEED'] ?? 20_260_301);

/** What the index builder makes of a base image and this log. */
function build(base: Uint8Array, log: readonly LogEntry[], flushOperations: number): Uint8Array {
  const db = new sql.Database(base);
  const applier = new IndexApplier(db, { overlay: kernelOverlay(), blockBytes: 2 ** 22, flushOperations });
  for (const entry of log) {
    if ('rows' in entry) readRows(entry.rows, applier);
    else {
      applier.write(entry.write);
      applier.seal(entry.write.pack, entry.write.len);
    }
    applier.recordEnd();
  }
  applier.finish();
  const image = db.export();
  db.close();
  return image;
}

function data(ns: Namespace): unknown {
  const found: unknown[] = [];
  for (const { ino, type } of walk(ns).nodes.values()) {
    const inode = ns.inode(ino);
    if (type !== 1 || inode === undefined) continue;
    ns.chunk(inode, 0).visit(0, inode.length, (pos, len, id, size, off) => {
      if (id !== 0) found.push([ino, pos, len, id, size, off]);
    });
  }
  return found.map((piece) => JSON.stringify(piece)).toSorted();
}

for (const [what, flushOperations] of [
  ['at once', 65_536],
  ['in many small parts', 7],
] as [string, number][]) {
  replay(`of the log gives the index that the namespace shows, applied ${what} (seed ${SEED})`, () => {
    const run = new Run(SEED + flushOperations, {});
    let base = newImage();
    for (let round = 0; round < 3; round++) {
      for (let step = 0; step < 2500; step++) run.step();
      // Orphans that are still held are left out of an index.
      const orphans = run.handles.filter(({ inode }) => inode.nlink === 0).length;
      base = build(base, run.opened.log.splice(0), flushOperations);
      const built = openReadOnly(base);
      assert.equal(sorted(walk(built)), sorted(walk(run.ns)));
      assert.equal(data(built), data(run.ns));
      if (orphans === 0) assert.equal(built.statfs(), run.ns.statfs());
      built.close();
    }
    run.dropAll();
    const last = openReadOnly(build(base, run.opened.log, flushOperations));
    assert.equal(last.statfs(), run.ns.statfs());
    assert.equal(sorted(walk(last)), sorted(run.opened.state));
    last.close();
  });
}

replay.run();
