/** A writable juicefs mount of an export: whatever it does, every version and every block stays as it was. */
// needs: mount
import { execFileSync } from 'node:child_process';
import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ROVolume } from '../../dist/index.js';
import { juicefs } from '../oracle/juicefs.ts';
import {
  assertBlocksKept,
  assertSame,
  blockHashes,
  checkedByJuicefs,
  exported,
  inJuicefs,
  juicefsSuite,
  manifestOf,
  query,
  shownByUs,
  WITH_SIBLINGS,
} from './juicefs.ts';
import { python } from './programs.ts';
import { makeTree } from './support.ts';

const tests = suite('a writable juicefs mount of an export');
const { work, check } = juicefsSuite(tests);

/** Many records in one chunk: juicefs compacts it when it reads it. */
const MANY_RECORDS = `
import os, random, sys
r = random.Random(11)
with open(sys.argv[1], 'r+b', buffering=0) as f:
    for i in range(400): f.seek(r.randrange(9 << 20)); f.write(r.randbytes(r.randrange(1, 5000)))
`;

/** Two versions of a volume, and a fork of the first one that went its own way. */
async function makeVersions(): Promise<{ family: string; versions: ROVolume[]; second: ROVolume }> {
  const volume = work.volume('guarded');
  const path = await volume.mount({ mountPath: work.fresh() });
  makeTree(path, 60);
  const first = await volume.commit();
  python(MANY_RECORDS, join(path, 'big'));
  execFileSync('cp', [join(path, 'big'), join(path, 'copied')]);
  rmSync(join(path, 'd1'), { recursive: true });
  const second = await volume.finalize();
  const fork = await first.fork('sibling');
  const at = await fork.mount({ mountPath: work.fresh() });
  writeFileSync(join(at, 'd3', 'of-the-fork'), 'x'.repeat(300_000));
  appendFileSync(join(at, 'big'), 'forked');
  rmSync(join(at, 'd0'), { recursive: true });
  const sibling = await fork.finalize();
  return { family: volume.family, versions: [first, second, sibling], second };
}

/** All that a client may do: read, compact, overwrite, cut, delete, write. Answers what it shows afterwards. */
async function useWithJuicefs(index: string): Promise<string> {
  return inJuicefs(work, index, async (path) => {
    readFileSync(join(path, 'big'));
    readFileSync(join(path, 'copied'));
    assert.is((await juicefs(['compact', path])).code, 0);
    appendFileSync(join(path, 'big'), 'by juicefs');
    python(MANY_RECORDS, join(path, 'copied'));
    readFileSync(join(path, 'copied'));
    execFileSync('truncate', ['-s', '1000', join(path, 'd3/e0/f3.txt')]);
    for (const name of ['d0', 'd2']) rmSync(join(path, name), { recursive: true });
    writeFileSync(join(path, 'new'), 'x'.repeat(5_000_000));
    assert.is((await juicefs(['compact', path])).code, 0);
    rmSync(join(path, 'copied'));
    return manifestOf(path);
  });
}

check('leaves every version and every block alone, and is a good volume itself', async () => {
  const { family, versions, second } = await makeVersions();
  const before: string[] = [];
  for (const version of versions) before.push(await shownByUs(work, version));
  const blocks = blockHashes(work, family);
  const index = exported(work, second.locator);
  const lists =
    "SELECT sum(length(CAST(slices AS BLOB))) / 24 FROM jfs_chunk WHERE inode IN (SELECT inode FROM jfs_edge WHERE name = x'626967')";
  const [records, first] = [Number(query(index, lists)[0]![0]), counter(index)];

  const shown = await useWithJuicefs(index);

  assert.ok(Number(query(index, lists)[0]![0]) < records / 4, 'juicefs compacted');
  const isNew = `chunkid BETWEEN ${first} AND ${counter(index)}`;
  const slices = (where: string): number =>
    Number(query(index, `SELECT count(*) FROM jfs_chunk_ref WHERE ${where}`)[0]![0]);
  assert.ok(slices(isNew) > 0, 'juicefs wrote in the range of the export');
  assert.ok(slices(`NOT ${isNew} AND refs = 1`) > 0, 'juicefs let slices go: nothing but the guard holds them');
  assertBlocksKept(blocks, blockHashes(work, family));
  for (const [i, version] of versions.entries()) assertSame(await shownByUs(work, version), before[i]!, `version ${i}`);
  assertSame(await checkedByJuicefs(work, index, work.path('bucket'), WITH_SIBLINGS), shown, 'the export in juicefs');

  // We go on, too, and so does a second export: nobody takes the numbers of another.
  const all = blockHashes(work, family);
  const next = await second.fork('later');
  const path = await next.mount({ mountPath: work.fresh() });
  writeFileSync(join(path, 'later'), 'z'.repeat(200_000));
  const expected = manifestOf(path);
  const later = await next.finalize();
  const other = exported(work, second.locator);
  assert.is.not(counter(other), first);
  await useWithJuicefs(other);
  assertBlocksKept(all, blockHashes(work, family));
  assertSame(await shownByUs(work, later), expected, 'the later version');
  assertSame(await checkedByJuicefs(work, index, work.path('bucket'), WITH_SIBLINGS), shown, 'the first export');
});

function counter(index: string): number {
  return Number(query(index, "SELECT value FROM jfs_counter WHERE name = 'nextChunk'")[0]![0]);
}

tests.run();
