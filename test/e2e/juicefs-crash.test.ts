/** What a daemon left that was killed in mid-write, resumed and published, as the real juicefs sees it. */
// needs: mount
import { spawn } from 'node:child_process';
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Volume, type RWVolume } from '../../dist/index.js';
import { assertSame, juicefsSuite, manifestOf, shownByJuicefs, shownByUs, WITH_SIBLINGS } from './juicefs.ts';
import { isMounted, makeTree, until } from './support.ts';

const tests = suite('a killed daemon in juicefs');
const { work, check } = juicefsSuite(tests);

/** Writes until it fails: small files, a stream, overwrites, cuts, links, renames, deletions. Says each round. */
const WRITER = `
import os, random, sys
os.chdir(sys.argv[1])
r = random.Random(5)
os.mkdir('made')
stream = open('stream', 'wb', buffering=0)
i = 0
while True:
    with open(f'made/f{i}', 'wb') as f: f.write(r.randbytes(r.randrange(20000)))
    if i % 3 == 0: os.link(f'made/f{i}', f'made/l{i}'); os.setxattr(f'made/f{i}', 'user.i', str(i).encode())
    if i % 5 == 0: os.rename(f'made/f{i}', f'made/r{i // 2}')
    if i % 7 == 6: os.unlink(f'made/l{i // 3 * 3}') if os.path.exists(f'made/l{i // 3 * 3}') else None
    if i % 11 == 0: os.makedirs(f'made/d{i}/e'); os.symlink('nowhere', f'made/d{i}/s')
    stream.write(r.randbytes(150_000))
    with open('big', 'r+b') as f: f.seek(r.randrange(9 << 20)); f.write(r.randbytes(r.randrange(30000)))
    if i % 13 == 0: os.truncate('big', r.randrange(5 << 20, 75 << 20))
    print(i, flush=True)
    i += 1
`;

check('fsck is clean, and the tree is what the resumed mount shows', async () => {
  const volume = work.volume('killed');
  let path = await volume.mount({ mountPath: work.fresh() });
  makeTree(path, 30);
  await volume.commit();
  let again = volume;
  for (const rounds of [60, 250]) {
    const { pid } = await again.status();
    const writer = spawn('python3', ['-c', WRITER, path], { stdio: ['ignore', 'pipe', 'ignore'] });
    let done = 0;
    writer.stdout.on('data', (data) => (done += String(data).split('\n').length - 1));
    await until(`${rounds} rounds are written`, () => done >= rounds);
    process.kill(pid!, 'SIGKILL');
    const at = path;
    await until('the mount is gone', () => !isMounted(at));
    writer.kill('SIGKILL');
    again = Volume.fromJSON(volume.toJSON()) as RWVolume;
    path = await again.mount({ mountPath: work.fresh() });
    const left = manifestOf(path);
    assert.match(left, /^\/made\/f\d+\t/m, 'some of it is there');
    assert.match(left, /^\/stream\t\S+\t1\t\S+\t0\t[1-9]/m);
    // For the next round.
    renameSync(join(path, 'made'), join(path, `made-${rounds}`));
    renameSync(join(path, 'stream'), join(path, `stream-${rounds}`));
  }
  const expected = manifestOf(path);
  const version = await again.finalize();
  assertSame(await shownByJuicefs(work, version.locator, work.path('bucket'), WITH_SIBLINGS), expected, 'juicefs');
  assertSame(await shownByUs(work, version), expected, 'mounted again');
});

tests.run();
