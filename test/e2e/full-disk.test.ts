/** A full disk under the local log: told before a write is acknowledged, and nothing is lost or half published. */
// needs: mount
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { fallocate } from '../../dist/base/libc.js';
import { Volume, type RWVolume } from '../../dist/index.js';
import { cannotMount, cliFails, rejects } from './failures.ts';
import { isMounted, Workspace } from './support.ts';

const work = new Workspace();
const full = suite('a full disk');
const megabyte = 1024 * 1024;
const piece = randomBytes(megabyte);
let canMount = true;

full.after(() => work.cleanUp());

/** A file system of this size, if we may make one. */
async function onDisk(size: number, use: (disk: string) => Promise<void>): Promise<void> {
  if (!canMount) return;
  const disk = work.fresh('disk');
  mkdirSync(disk);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', disk], { stdio: 'pipe' });
  } catch {
    canMount = false;
    return void console.log('\nSKIP full disk: a small file system cannot be mounted here (needs root)');
  }
  try {
    await use(disk);
  } finally {
    execFileSync('umount', ['-l', disk]);
  }
}

/** Takes space away. */
function hog(path: string, bytes: number): void {
  const fd = openSync(path, 'w');
  assert.is(fallocate(fd, 0, bytes), 0);
  closeSync(fd);
}

/** Writes pieces until there is no space; answers how many were acknowledged. */
function fillUp(path: string): number {
  const fd = openSync(path, 'a');
  try {
    for (let count = 0; ; count++) {
      try {
        assert.is(writeSync(fd, piece), piece.length);
      } catch (error) {
        assert.is((error as NodeJS.ErrnoException).code, 'ENOSPC', String(error));
        assert.is(fstatSync(fd).size % piece.length, 0, 'no part of a write that failed');
        return count;
      }
    }
  } finally {
    closeSync(fd);
  }
}

function isWhole(path: string, pieces: number): void {
  const body = readFileSync(path);
  assert.is(body.length, pieces * piece.length);
  for (let i = 0; i < pieces; i++) {
    assert.ok(body.subarray(i * piece.length, (i + 1) * piece.length).equals(piece), `${path}: piece ${i}`);
  }
}

full(
  'under the log is ENOSPC before a write is acknowledged; freed space is used, and a commit frees some',
  async () => {
    // Room for two segments of the log and the index.
    await onDisk(150 * megabyte, async (disk) => {
      const other = join(disk, 'other');
      hog(other, 60 * megabyte);
      const volume = work.volume('full');
      const path = await volume.mount({ mountPath: work.fresh(), metaDir: join(disk, 'meta') });
      const first = fillUp(join(path, 'first'));
      assert.ok(first > 32, `${first} pieces`);
      isWhole(join(path, 'first'), first);
      // What is left is less than a piece, and small changes use it up.
      let folders = 0;
      const fillWithFolders = (): void => {
        for (; folders < 50_000; folders++) mkdirSync(join(path, `d${folders}`));
      };
      assert.throws(fillWithFolders, /ENOSPC/);
      assert.is(readdirSync(path).length, 1 + folders);

      rmSync(other);
      for (let i = 0; i < folders; i++) rmdirSync(join(path, `d${i}`));
      const second = fillUp(join(path, 'second'));
      assert.ok(second > 32, `${second} pieces`);

      const version = await volume.commit();
      const third = fillUp(join(path, 'third'));
      assert.ok(third > 16, `${third} pieces`);
      const last = await volume.finalize();
      assert.not(isMounted(path));

      let at = await version.mount({ mountPath: work.fresh() });
      assert.equal(readdirSync(at).sort(), ['first', 'second']);
      isWhole(join(at, 'first'), first);
      isWhole(join(at, 'second'), second);
      await version.unmount();
      at = await last.mount({ mountPath: work.fresh() });
      isWhole(join(at, 'third'), third);
      await last.unmount();
    });
  },
);

full('during a commit publishes nothing, and the commit works when there is space', async () => {
  await onDisk(80 * megabyte, async (disk) => {
    const volume = work.volume('commit');
    const path = await volume.mount({ mountPath: work.fresh(), metaDir: join(disk, 'meta') });
    execFileSync('sh', ['-c', 'for i in $(seq 200); do echo $i > "$0/$i"; done', path]);
    const rest = join(disk, 'rest');
    for (let bytes = 64 * megabyte, i = 0; bytes >= 4096; bytes >>= 1, i++) {
      const fd = openSync(`${rest}-${i}`, 'w');
      fallocate(fd, 0, bytes);
      closeSync(fd);
    }
    await rejects(() => volume.commit(), 'no-space', /space|ENOSPC/);
    cliFails(['commit', path], 1, /space|ENOSPC/);
    assert.not(readdirSync(work.path('bucket', volume.family)).includes('versions'), 'nothing is published');
    assert.is(volume.locator, null);
    assert.is(statSync(join(path, '200')).size, 4);

    for (const name of readdirSync(disk)) if (name.startsWith('rest')) rmSync(join(disk, name));
    const version = await volume.commit();
    assert.match(version.locator, /\/1\/volume\.json$/);
    await volume.finalize();
  });
});

full('before a mount is an error that says so, and leaves nothing', async () => {
  await onDisk(20 * megabyte, async (disk) => {
    const volume = work.volume('small');
    const metaDir = join(disk, 'meta');
    await cannotMount(work, volume, { kind: 'no-space', message: /ENOSPC.*space/ }, { metaDir });
    const again = Volume.fromJSON(volume.toJSON()) as RWVolume;
    await again.mount({ mountPath: work.fresh(), metaDir: work.path('elsewhere') });
    await again.abandon({ delete: true });
  });
});

full('under the cache or the bucket breaks neither reads nor what is staged', async () => {
  await onDisk(24 * megabyte, async (disk) => {
    const volume = Volume.new({ name: 'bucket', bucket: `file://${join(disk, 'bucket')}` });
    const path = await volume.mount({ mountPath: work.fresh() });
    const fd = openSync(join(path, 'f'), 'w');
    for (let i = 0; i < 32; i++) writeSync(fd, piece);
    closeSync(fd);
    await rejects(() => volume.commit(), 'no-space', /space/);
    assert.not(readdirSync(join(disk, 'bucket', volume.family)).includes('versions'));
    isWhole(join(path, 'f'), 32);
    execFileSync('mount', ['-o', `remount,size=${64 * megabyte}`, disk]);
    const version = await volume.finalize();

    const cacheDir = join(disk, 'cache');
    hog(join(disk, 'rest'), 20 * megabyte);
    const at = await version.mount({ mountPath: work.fresh(), cacheDir, cacheSize: '1G' });
    isWhole(join(at, 'f'), 32);
    isWhole(join(at, 'f'), 32);
    await version.unmount();
  });
});

full.run();
