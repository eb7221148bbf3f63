/** Volumes that the real juicefs wrote: adopted, mounted, forked, changed, and shown to juicefs again. */
// needs: mount
import { appendFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { juicefs } from '../oracle/juicefs.ts';
import {
  adopt,
  assertSame,
  checkedByJuicefs,
  inJuicefs,
  juicefsSuite,
  manifestOf,
  query,
  shownByJuicefs,
  shownByUs,
  WITH_SIBLINGS,
} from './juicefs.ts';
import { python } from './programs.ts';
import { cli, makeTree } from './support.ts';

const tests = suite('volumes that juicefs wrote');
const { work, check } = juicefsSuite(tests);

/** Each piece is synced, so that it becomes a slice of its own: many records in a chunk, in every order. */
const MANY_RECORDS = `
import os, random, sys
os.chdir(sys.argv[1])
r = random.Random(7)
with open('pieces', 'wb', buffering=0) as f:
    for i in range(60):
        f.seek(r.randrange(3 << 20)); f.write(r.randbytes(r.randrange(1, 60000))); os.fsync(f.fileno())
with open('holes', 'wb', buffering=0) as f:
    for at in (0, 10 << 20, (64 << 20) - 5, 130 << 20): f.seek(at); f.write(b'abcdefghij'); os.fsync(f.fileno())
    f.truncate(140 << 20)
with open('punched', 'wb', buffering=0) as f:
    f.write(r.randbytes(2 << 20)); os.fsync(f.fileno()); f.truncate(1 << 20); f.truncate(2 << 20)
os.system('fallocate -p -o 100000 -l 300000 punched')
os.mkdir('x'); os.setxattr('x', 'user.dir', b'on a directory'); os.setxattr('pieces', 'user.binary', bytes(range(256)))
os.setxattr('holes', 'user.empty', b''); os.link('pieces', 'x/linked'); os.link('pieces', 'x/again'); os.unlink('x/again')
os.chmod('holes', 0o4755); os.rename('x', 'y'); open('y/gone', 'wb').write(b'gone'); os.unlink('y/gone')
`;

const CHANGE = `
import os, shutil, sys
os.chdir(sys.argv[1])
with open('pieces', 'r+b') as f:
    for i in range(20): f.seek(i * 150_001); f.write(b'by us' * 1000)
with open('holes', 'r+b') as f: f.seek(64 << 20); f.write(b'filled' * 5000); f.truncate(131 << 20)
os.truncate('punched', 150_000); os.unlink('y/linked'); os.removexattr('holes', 'user.empty')
os.setxattr('pieces', 'user.binary', b'ours'); shutil.rmtree('d1'); os.rename('d2', 'y/d2')
`;

for (const [name, format] of Object.entries({
  theirs: [],
  // Compaction frees what it replaced at once, so ids and blocks have gaps.
  compacted: ['--trash-days', '0', '--block-size', '1024', '--hash-prefix'],
})) {
  check(`are the same in a mount and, when a fork changed them, in juicefs (${name})`, async () => {
    const [index, bucket] = [work.path(`${name}.db`), work.path(`bucket-${name}`)];
    const storage = ['--storage', 'file', '--bucket', `${bucket}/`];
    const formatted = await juicefs(['format', `sqlite3://${index}`, name, ...storage, ...format]);
    assert.is(formatted.code, 0, formatted.stderr);
    await inJuicefs(work, index, async (path) => {
      makeTree(path, 40);
      python(MANY_RECORDS, path);
      if (name === 'compacted') assert.is((await juicefs(['compact', path])).code, 0);
      const refused = cli('import-index', index, '--bucket', pathToFileURL(bucket).href);
      assert.is(refused.code, 1, 'it is mounted');
    });
    const recordsMax = Number(query(index, 'SELECT max(length(CAST(slices AS BLOB))) / 24 FROM jfs_chunk')[0]![0]);
    assert.ok(name === 'compacted' ? recordsMax < 20 : recordsMax > 20, `${recordsMax} records`);
    // Its own counters are not always exact; what it holds is.
    const expected = await checkedByJuicefs(work, index, bucket, ['--no-stat']);

    const version = await adopt(index, pathToFileURL(bucket).href);
    assert.not(existsSync(index), 'the old index is retired');
    assertSame(await shownByUs(work, version), expected, 'adopted');

    const fork = await version.fork(`${name}-fork`);
    const path = await fork.mount({ mountPath: work.fresh() });
    python(CHANGE, path);
    await fork.commit();
    appendFileSync(join(path, 'pieces'), 'tail');
    const changed = manifestOf(path);
    const forked = await fork.finalize();
    assertSame(await shownByJuicefs(work, forked.locator, bucket, WITH_SIBLINGS), changed, 'the fork in juicefs');
    assertSame(await shownByUs(work, forked), changed, 'the fork');
    assertSame(await shownByUs(work, version), expected, 'the parent');
    assertSame(await shownByJuicefs(work, version.locator, bucket, WITH_SIBLINGS), expected, 'the parent in juicefs');
  });
}

tests.run();
