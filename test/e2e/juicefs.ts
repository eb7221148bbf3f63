/** What the tests with the real juicefs share: a workspace, manifests, and what juicefs or a mount of ours shows. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'uvu';
import * as assert from 'uvu/assert';
import { Volume, type ROVolume } from '../../dist/index.js';
import { checkWithJuicefs, juicefs, QUIET_MOUNT, whyNoJuicefs } from '../oracle/juicefs.ts';
import { python, run } from './programs.ts';
import { cli, root, Workspace } from './support.ts';

/** Where blocks of siblings and of earlier versions are, which look leaked to a client that knows of one version. */
export const WITH_SIBLINGS: readonly string[] = ['--no-gc'];

/** Folders for a suite, and a way to add tests to it that are skipped, and say so, where there is no juicefs. */
export function juicefsSuite(tests: Test): {
  work: Workspace;
  check: (what: string, body: () => Promise<void>) => void;
} {
  const work = new Workspace();
  const refusal = whyNoJuicefs();
  tests.after(() => work.cleanUp());
  const check = (what: string, body: () => Promise<void>): void => {
    tests(what, async () => {
      if (refusal === undefined) await body();
      else console.log(`\nSKIP juicefs: ${refusal}`);
    });
  };
  return { work, check };
}

/** The manifest of a directory, line by line: every attribute that a version keeps, and a hash of all bytes. */
export function manifestOf(directory: string): string {
  return run('python3', [join(root, 'test/oracle/manifest.py'), directory]);
}

/** Sizes and link counts of directories are each file system's own affair. */
export function withoutDirectorySizes(manifest: string): string {
  return manifest.replace(/^([^\t]*\t04\d{4})\t\d+\t([^\t]*\t[^\t]*)\t\d+\t/gm, '$1\t-\t$2\t-\t');
}

export function assertSame(actual: string, expected: string, what: string): void {
  const [is, should] = [new Set(actual.split('\n')), new Set(expected.split('\n'))];
  const wrong = [...is].filter((line) => !should.has(line)).map((line) => `+ ${line}`);
  const missing = [...should].filter((line) => !is.has(line)).map((line) => `- ${line}`);
  assert.equal([...wrong, ...missing].slice(0, 20), [], what);
  assert.ok(should.size > 2, `${what}: there is something to compare`);
}

/** The locator's index, in a fresh file. */
export function exported(work: Workspace, locator: string): string {
  const index = work.fresh('export');
  const ended = cli('export-index', locator, index);
  assert.is(ended.code, 0, ended.stderr);
  return index;
}

/** The manifest that the real juicefs shows of a version, after it has found nothing wrong with it. */
export async function shownByJuicefs(
  work: Workspace,
  locator: string,
  bucket: string,
  flags: readonly string[] = [],
): Promise<string> {
  const index = exported(work, locator);
  assertRefsExact(index);
  return checkedByJuicefs(work, index, bucket, flags);
}

/** What juicefs itself never counts again: references of a slice are the records that name it, and the guard's one. */
const WRONG_REFS = `
import collections, json, sqlite3, struct, sys
db = sqlite3.connect(sys.argv[1])
refs, sizes = collections.Counter(), {}
for (records,) in db.execute('SELECT CAST(slices AS BLOB) FROM jfs_chunk'):
    for pos, id, size, off, length in struct.iter_unpack('>IQIII', records):
        if id == 0: continue
        refs[id] += 1
        sizes.setdefault(id, set()).add(size)
for (entries,) in db.execute('SELECT CAST(slices AS BLOB) FROM jfs_delslices'):
    for id, size in struct.iter_unpack('>QI', entries): refs[id] += 1; sizes.setdefault(id, set()).add(size)
is_ = {id: [[size], n] for id, size, n in db.execute('SELECT chunkid, size, refs FROM jfs_chunk_ref')}
should = {id: [sorted(sizes[id]), n + 1] for id, n in refs.items()}
print(json.dumps([[id, is_.get(id), should.get(id)] for id in sorted({*is_, *should}) if is_.get(id) != should.get(id)][:20]))`;

function assertRefsExact(index: string): void {
  assert.equal(
    JSON.parse(python(WRONG_REFS, index)),
    [],
    'slices with what they have and should have: sizes, references',
  );
}

/** The same for an index that is there already. */
export async function checkedByJuicefs(
  work: Workspace,
  index: string,
  bucket: string,
  flags: readonly string[] = [],
): Promise<string> {
  const checked = await checkWithJuicefs({ index, bucket, mountPoint: work.fresh(), flags });
  assert.ok(checked.good, checked.log);
  return checked.manifest;
}

/** The manifest of a version in a mount of ours. */
export async function shownByUs(work: Workspace, version: ROVolume): Promise<string> {
  const path = await version.mount({ mountPath: work.fresh() });
  try {
    return manifestOf(path);
  } finally {
    await version.unmount();
  }
}

/** Adopts an index by the command line and answers the version that it became. */
export async function adopt(index: string, bucketUrl: string): Promise<ROVolume> {
  const adopted = cli('import-index', index, '--bucket', bucketUrl);
  assert.is(adopted.code, 0, adopted.stderr);
  return Volume.fromLocator(adopted.stdout.trim());
}

/** Does something in a writable juicefs mount of an index, which is a file. */
export async function inJuicefs<T>(work: Workspace, index: string, body: (path: string) => T | Promise<T>): Promise<T> {
  const mountPoint = work.fresh();
  const log = work.fresh('juicefs-log');
  const mounted = await juicefs(['mount', `sqlite3://${index}`, mountPoint, ...QUIET_MOUNT, '--log', log]);
  assert.is(mounted.code, 0, mounted.stderr);
  try {
    return await body(mountPoint);
  } finally {
    // Waits until what was written and deleted is so in the store, too.
    const ended = await juicefs(['umount', '--flush', mountPoint]);
    assert.is(ended.code, 0, ended.stderr);
  }
}

/** Hashes of all blocks of a family, by key. */
export function blockHashes(work: Workspace, family: string): Map<string, string> {
  const hash = (key: string): string =>
    createHash('sha256')
      .update(readFileSync(work.path('bucket', family, 'chunks', key)))
      .digest('hex');
  return new Map(work.blocks(family).map((key) => [key, hash(key)]));
}

/** Every block of before is there, byte for byte; there may be more. */
export function assertBlocksKept(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): void {
  const changed = [...before].filter(([key, hash]) => after.get(key) !== hash).map(([key]) => key);
  assert.equal(changed, [], 'blocks that were deleted or overwritten');
}

/** Answers of an SQLite file to a query, as rows of JSON values. */
export function query(index: string, sql: string): (string | number)[][] {
  const script = `
import json, sqlite3, sys
print(json.dumps(sqlite3.connect(sys.argv[1]).execute(sys.argv[2]).fetchall()))`;
  return JSON.parse(python(script, index, sql)) as (string | number)[][];
}
