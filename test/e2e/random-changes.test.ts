/** Random changes on a mount and on a local directory, while versions are committed: both are the same all the time. */
// needs: mount
import {
  closeSync,
  existsSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { seeded } from '../meta/support.ts';
import { manifest, Workspace } from './support.ts';

const work = new Workspace();
const test = suite('random changes on a mount');
test.after(() => work.cleanUp());

const STEPS = 2500;
const MIB = 1024 * 1024;

type Random = (below: number) => number;

/** One change of a tree, made by its random numbers alone; the outcome is the error's code, or what was read. */
function change(root: string, random: Random): string {
  const name = (): string => join(root, `d${random(4)}`, `n${random(12)}`);
  const at = random(5) === 0 ? random(12 * MIB) : random(200_000);
  const data = Buffer.alloc(1 + (random(6) === 0 ? random(900_000) : random(6000)), random(256));
  const [path, other, kind] = [name(), name(), random(14)];
  const edit = (flags: string, body: (fd: number) => string): string => {
    const fd = openSync(path, flags);
    try {
      return body(fd);
    } finally {
      closeSync(fd);
    }
  };
  try {
    if (kind < 5) return edit(existsSync(path) ? 'r+' : 'w', (fd) => String(writeSync(fd, data, 0, data.length, at)));
    if (kind === 5) return edit('a', (fd) => String(writeSync(fd, data)));
    if (kind === 6) {
      return edit('r+', (fd) => {
        ftruncateSync(fd, at);
        return 'cut';
      });
    }
    if (kind === 7) unlinkSync(path);
    else if (kind === 8) linkSync(path, other);
    else if (kind === 9 || kind === 10) renameSync(path, other);
    else if (kind === 11) symlinkSync(`n${at}`, path);
    else if (kind === 12) rmSync(path);
    else {
      return edit('r', (fd) => {
        const got = Buffer.alloc(100_000);
        return got.toString('latin1', 0, readSync(fd, got, 0, got.length, Math.min(at, statSync(path).size)));
      });
    }
    return 'done';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}

/** Times of the two trees differ by when the changes were made; links among names show in nlink. */
function tree(root: string): string[] {
  return manifest(root, { mtime: false });
}

test('mount and local directory stay the same, and so does the version at the end', async () => {
  const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));
  console.log(`seed ${seed}`);
  const volume = work.volume('model');
  const mount = await volume.mount({ mountPath: work.fresh() });
  const local = work.fresh('local');
  for (const root of [mount, local]) for (let i = 0; i < 4; i++) mkdirSync(join(root, `d${i}`), { recursive: true });
  const [one, two] = [seeded(seed), seeded(seed)];
  let commit: Promise<unknown> = Promise.resolve();
  let commits = 0;
  for (let step = 0; step < STEPS; step++) {
    const [got, expected] = [change(mount, one), change(local, two)];
    if (got !== expected) assert.is(got.slice(0, 200), expected.slice(0, 200), `seed ${seed}, step ${step}`);
    if (step % 300 === 299) {
      await commit;
      if (step % 600 === 599) assert.equal(tree(mount), tree(local), `seed ${seed}, step ${step}`);
      commit = volume.commit({ message: `commit ${++commits}` });
    }
    // The commit goes on in between.
    if (step % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await commit;
  assert.equal(tree(mount), tree(local), `seed ${seed}, at the end`);
  const someFile = join(mount, 'd0', 'utime');
  closeSync(openSync(someFile, 'w'));
  utimesSync(someFile, 1, 2);
  const expected = manifest(mount);
  const version = await volume.finalize();
  const again = await version.mount({ mountPath: work.fresh() });
  assert.equal(manifest(again), expected, `seed ${seed}, in the version`);
  await version.unmount();
});

test.run();
