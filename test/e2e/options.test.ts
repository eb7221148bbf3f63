/** Each option of `mount`, with a test that fails when the option is ignored. */
// needs: mount
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Volume, type MountOptions, type ROVolume, type RWVolume, type VolumeError } from '../../dist/index.js';
import { isMounted, until, Workspace } from './support.ts';

const work = new Workspace();
const option = suite('the options of mount');
const isRoot = process.getuid?.() === 0;
const megabyte = 1024 * 1024;

option.after(() => work.cleanUp());

async function withVolume(
  options: MountOptions,
  use: (path: string, volume: RWVolume) => Promise<void>,
): Promise<void> {
  const volume = work.volume('opt');
  const path = await volume.mount({ mountPath: work.fresh(), ...options });
  try {
    await use(path, volume);
  } finally {
    await volume.abandon({ delete: true });
  }
}

/** A version with one large file, and its handle. */
let published: { version: ROVolume; body: Buffer };
option.before(async () => {
  const volume = work.volume('published');
  const path = await volume.mount({ mountPath: work.fresh() });
  const body = randomBytes(9 * megabyte);
  writeFileSync(join(path, 'big'), body);
  chmodSync(path, 0o755);
  writeFileSync(join(path, 'small'), 'small');
  published = { version: await volume.finalize(), body };
});

async function withVersion(options: MountOptions, use: (path: string) => Promise<void> | void): Promise<void> {
  const path = await published.version.mount({ mountPath: work.fresh(), ...options });
  try {
    await use(path);
  } finally {
    await published.version.unmount();
  }
}

function bytesBelow(directory: string): number {
  if (!existsSync(directory)) return 0;
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\d+_\d+_\d+/.test(name))
    .reduce((sum, name) => sum + statSync(join(directory, name)).size, 0);
}

/** Requests of one kind that the daemon has served. */
async function requests(volume: RWVolume | ROVolume, kind: string): Promise<number> {
  const status = (await volume.status()) as unknown as { owner: { requests: Record<string, number> } };
  return status.owner.requests[kind] ?? 0;
}

/** Most uploads that were under way at one time. */
async function peakUploads(volume: RWVolume): Promise<number> {
  const status = (await volume.status()) as unknown as { uploads: { peakActive: number } };
  return status.uploads.peakActive;
}

option('mountPath: the volume appears there, and by default at ~/flyte-volume', async () => {
  await withVolume({ mountPath: work.path('here') }, async (path) => {
    assert.is(path, work.path('here'));
    assert.ok(isMounted(path));
  });
  const home = process.env['HOME'];
  process.env['HOME'] = work.path('home');
  mkdirSync(work.path('home'), { recursive: true });
  try {
    const volume = work.volume('home');
    const path = await volume.mount();
    assert.is(path, work.path('home', 'flyte-volume'));
    assert.ok(isMounted(path));
    await volume.abandon({ delete: true });
  } finally {
    if (home === undefined) delete process.env['HOME'];
    else process.env['HOME'] = home;
  }
});

option('metaDir: what is not published is staged below it', async () => {
  await withVolume({ metaDir: work.path('my-meta') }, async (path, volume) => {
    writeFileSync(join(path, 'f'), 'x');
    assert.ok(existsSync(work.path('my-meta', volume.family, 'opt', 'log')));
  });
});

option('cacheDir: blocks that were read are kept below it', async () => {
  await withVersion({ cacheDir: work.path('my-cache'), cacheSize: '1G' }, async (path) => {
    assert.equal(readFileSync(join(path, 'big')), published.body);
    await until('blocks are cached', () => bytesBelow(work.path('my-cache')) >= published.body.length);
  });
});

option('cacheSize: the folder stays below it, and 0 keeps nothing', async () => {
  await withVersion({ cacheDir: work.path('small-cache'), cacheSize: 5 * megabyte }, async (path) => {
    assert.equal(readFileSync(join(path, 'big')), published.body);
    const isTrimmed = (bytes: number): boolean => bytes > 0 && bytes <= 5 * megabyte;
    await until('the cache is trimmed', () => isTrimmed(bytesBelow(work.path('small-cache'))));
  });
  await withVersion({ cacheDir: work.path('no-cache'), cacheSize: 0 }, (path) => {
    assert.equal(readFileSync(join(path, 'big')), published.body);
    assert.is(bytesBelow(work.path('no-cache')), 0);
  });
});

option('timeout: a mount that takes longer is given up, and nothing stays behind', async () => {
  const volume = work.volume('late');
  const mountPath = work.fresh();
  try {
    await volume.mount({ mountPath, timeout: 0.001 });
    assert.unreachable('mounted in a millisecond');
  } catch (error) {
    assert.is((error as VolumeError).kind, 'timeout');
  }
  assert.not(isMounted(mountPath));
  await volume.mount({ mountPath });
  await volume.abandon({ delete: true });
});

option('writeback: false makes close wait for the upload', async () => {
  await withVolume({ writeback: false, uploadDelay: '1h' }, async (path, volume) => {
    writeFileSync(join(path, 'f'), 'in the store when close returns');
    assert.is(work.blocks(volume.family).length, 1);
  });
  await withVolume({ writeback: true, uploadDelay: '1h' }, async (path, volume) => {
    writeFileSync(join(path, 'f'), 'acknowledged before');
    assert.is(work.blocks(volume.family).length, 0);
  });
});

option('uploadDelay: full blocks are not uploaded before it', async () => {
  const body = randomBytes(12 * megabyte);
  await withVolume({ uploadDelay: '1h' }, async (path, volume) => {
    writeFileSync(join(path, 'f'), body);
    await until('blocks are queued', async () => (await volume.status()).uploads.queued >= 2);
    assert.is(await peakUploads(volume), 0, 'none was begun');
  });
  await withVolume({ uploadDelay: 0 }, async (path, volume) => {
    writeFileSync(join(path, 'f'), body);
    await until('blocks are uploaded', () => work.blocks(volume.family).length >= 2);
  });
});

option('maxUploads: no more are under way at one time', async () => {
  const peak = async (maxUploads: number): Promise<number> => {
    let most = 0;
    await withVolume({ maxUploads, uploadDelay: '1h' }, async (path, volume) => {
      writeFileSync(join(path, 'f'), randomBytes(40 * megabyte));
      await volume.commit();
      most = await peakUploads(volume);
    });
    return most;
  };
  assert.is(await peak(1), 1);
  assert.ok((await peak(8)) > 1);
});

option('attrCache: the kernel asks again for attributes when it is 0', async () => {
  const asked = async (attrCache: number): Promise<number> => {
    let count = 0;
    await withVolume({ attrCache }, async (path, volume) => {
      writeFileSync(join(path, 'f'), 'x');
      statSync(join(path, 'f'));
      const before = await requests(volume, 'GETATTR');
      for (let i = 0; i < 20; i++) statSync(join(path, 'f'));
      count = (await requests(volume, 'GETATTR')) - before;
    });
    return count;
  };
  assert.ok((await asked(0)) >= 20);
  assert.ok((await asked(60)) < 5);
});

option(
  'entryCache and dirEntryCache: the kernel asks again for names of files or folders when they are 0',
  async () => {
    const asked = async (options: MountOptions): Promise<{ file: number; folder: number }> => {
      const count = { file: 0, folder: 0 };
      await withVolume(options, async (path, volume) => {
        mkdirSync(join(path, 'd'));
        writeFileSync(join(path, 'f'), 'x');
        for (const [kind, name] of [
          ['file', 'f'],
          ['folder', 'd'],
        ] as const) {
          statSync(join(path, name));
          const before = await requests(volume, 'LOOKUP');
          for (let i = 0; i < 20; i++) statSync(join(path, name));
          count[kind] = (await requests(volume, 'LOOKUP')) - before;
        }
      });
      return count;
    };
    const noEntries = await asked({ entryCache: 0 });
    assert.ok(noEntries.file >= 20 && noEntries.folder < 5, JSON.stringify(noEntries));
    const noFolders = await asked({ dirEntryCache: 0 });
    assert.ok(noFolders.file < 5 && noFolders.folder >= 20, JSON.stringify(noFolders));
  },
);

option('readOnly: nothing can be changed', async () => {
  const volume = work.volume('ro');
  await volume.mount({ mountPath: work.fresh() });
  await volume.finalize();
  const again = Volume.fromJSON(volume.toJSON()) as RWVolume;
  const path = await again.mount({ mountPath: work.fresh(), readOnly: true });
  assert.throws(() => writeFileSync(join(path, 'f'), 'x'), /EROFS/);
  await again.abandon();
});

option('allowOther: other users may use the mount, or may not', async () => {
  if (!isRoot) return void console.log('\nSKIP allowOther: needs root to become another user');
  // The way to the mount must be open to the other user as well.
  chmodSync(work.directory, 0o755);
  const asOther = (path: string): number =>
    spawnSync('cat', [join(path, 'small')], { uid: 65534, gid: 65534, timeout: 10_000 }).status ?? -1;
  await withVersion({ allowOther: true }, (path) => assert.is(asOther(path), 0));
  await withVersion({ allowOther: false }, (path) => assert.is(asOther(path), 1));
});

option('uid and gid: everything appears as owned by them', async () => {
  await withVersion({ uid: 1234, gid: 4321, attrCache: 0 }, (path) => {
    const stat = statSync(join(path, 'small'));
    assert.equal([stat.uid, stat.gid], [1234, 4321]);
  });
  await withVersion({}, (path) => assert.is(statSync(join(path, 'small')).uid, process.getuid?.()));
});

option('transport: direct is what auto means on Linux; native is refused with a typed error', async () => {
  await withVolume({ transport: 'direct' }, async (_path, volume) => {
    assert.is((await volume.status()).transport, 'direct');
  });
  try {
    await work.volume('native').mount({ mountPath: work.fresh(), transport: 'native' });
    assert.unreachable('native transport');
  } catch (error) {
    assert.is((error as VolumeError).kind, 'unsupported');
  }
});

option('kernelWriteback: the kernel gathers small writes', async () => {
  const asked = async (kernelWriteback: boolean): Promise<number> => {
    let count = 0;
    await withVolume({ kernelWriteback }, async (path, volume) => {
      const script = 'import sys\nf=open(sys.argv[1],"wb",buffering=0)\nfor i in range(2000): f.write(b"x"*100)';
      const before = await requests(volume, 'WRITE');
      assert.is(spawnSync('python3', ['-c', script, join(path, 'f')]).status, 0);
      count = (await requests(volume, 'WRITE')) - before;
      assert.is(statSync(join(path, 'f')).size, 200_000);
    });
    return count;
  };
  // A write that goes over the end of a page may come in two.
  assert.ok((await asked(false)) >= 2000);
  assert.ok((await asked(true)) < 200);
});

option.run();
