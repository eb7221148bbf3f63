/** A writable juicefs mount of an export: whatever it does, every version and every block stays as it was. */
// needs: mount
import { execFileSync } from 'node:child_process';
import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ROVolume, RWVolume } from '../../dist/index.js';
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
r = random.Random(int(sys.argv[2]))
with open(sys.argv[1], 'r+b', buffering=0) as f:
    for i in range(400): f.seek(r.randrange(9 << 20)); f.write(r.randbytes(r.randrange(1, 5000)))
`;

/** Two versions of a volume that stays mounted, and a fork of the first one that went its own way. */
async function makeVersions(): Promise<{ volume: RWVolume; path: string; versions: ROVolume[]; second: ROVolume }> {
  const volume = work.volume('guarded');
  const path = await volume.mount({ mountPath: work.fresh() });
  makeTree(path, 60);
  const first = await volume.commit();
  python(MANY_RECORDS, join(path, 'big'), '1');
  execFileSync('cp', [join(path, 'big'), join(path, 'copied')]);
  rmSync(join(path, 'd1'), { recursive: true });
  const second = await volume.commit();
  const fork = await first.fork('sibling');
  const at = await fork.mount({ mountPath: work.fresh() });
  writeFileSync(join(at, 'd3', 'of-the-fork'), 'x'.repeat(300_000));
  appendFileSync(join(at, 'big'), 'forked');
  rmSync(join(at, 'd0'), { recursive: true });
  const sibling = await fork.finalize();
  return { volume, path, versions: [first, second, sibling], second };
}

/** All that a client may do: read, compact, overwrite, cut, delete, write. Answers what it shows afterwards. */
async function useWithJuicefs(index: string, seed: string): Promise<string> {
  return inJuicefs(work, index, async (path) => {
    readFileSync(join(path, 'big'));
    readFileSync(join(path, 'copied'));
    assert.is((await juicefs(['compact', path])).code, 0);
    appendFileSync(join(path, 'big'), seed.repeat(100));
    python(MANY_RECORDS, join(path, 'copied'), seed);
    readFileSync(join(path, 'copied'));
    execFileSync('truncate', ['-s', '1000', join(path, 'd3/e0/f3.txt')]);
    for (const name of ['d0', 'd2']) rmSync(join(path, name), { recursive: true });
    writeFileSync(join(path, 'new'), seed.repeat(5_000_000));
    assert.is((await juicefs(['compact', path])).code, 0);
    rmSync(join(path, 'copied'));
    return manifestOf(path);
  });
}

/** Records of the chunks of /big. */
const RECORDS =
  'SELECT sum(length(CAST(slices AS BLOB))) / 24 FROM jfs_chunk ' +
  "WHERE inode IN (SELECT inode FROM jfs_edge WHERE name = x'626967')";

function number(index: string, sql: string): number {
  return Number(query(index, sql)[0]![0]);
}

function nextChunk(index: string): number {
  return number(index, "SELECT value FROM jfs_counter WHERE name = 'nextChunk'");
}

check('leaves every version and every block alone, and is a good volume itself', async () => {
  const { volume, path, versions, second } = await makeVersions();
  const before: string[] = [];
  for (const version of versions) before.push(await shownByUs(work, version));
  const blocks = blockHashes(work, volume.family);
  const index = exported(work, second.locator);
  const [records, first] = [number(index, RECORDS), nextChunk(index)];

  const shown = await useWithJuicefs(index, '2');

  assertBlocksKept(blocks, blockHashes(work, volume.family));
  for (const [i, version] of versions.entries()) assertSame(await shownByUs(work, version), before[i]!, `version ${i}`);
  assertSame(await checkedByJuicefs(work, index, work.path('bucket'), WITH_SIBLINGS), shown, 'the export in juicefs');
  // It did all that could have done harm.
  const isNew = `chunkid BETWEEN ${first} AND ${nextChunk(index)}`;
  const slices = 'SELECT count(*) FROM jfs_chunk_ref WHERE ';
  assert.ok(number(index, RECORDS) < records / 4, 'juicefs compacted');
  assert.ok(number(index, slices + isNew) > 0, 'juicefs wrote in the range of the export');
  assert.ok(
    number(index, `${slices} NOT ${isNew} AND refs = 1`) > 0,
    'only the guard holds slices that juicefs let go',
  );

  // The writer whose version was exported goes on, too, and so does a second export: nobody takes another's numbers.
  writeFileSync(join(path, 'later'), 'z'.repeat(9_000_000));
  const expected = manifestOf(path);
  const later = await volume.finalize();
  const all = blockHashes(work, volume.family);
  await useWithJuicefs(exported(work, second.locator), '3');
  assertBlocksKept(all, blockHashes(work, volume.family));
  assertSame(await shownByUs(work, later), expected, 'the later version');
  assertSame(await checkedByJuicefs(work, index, work.path('bucket'), WITH_SIBLINGS), shown, 'the first export');
});

tests.run();
