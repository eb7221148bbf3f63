// needs: mount
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Volume, type RWVolume, type VolumeError } from '../../dist/index.js';
import { manifest, Workspace } from './support.ts';

const work = new Workspace();
const sessions = suite('two writers of one version');
sessions.after(() => work.cleanUp());

function hashes(family: string): Map<string, string> {
  return new Map(
    work.blocks(family).map((key) => {
      const body = readFileSync(work.path('bucket', family, 'chunks', key));
      return [key, createHash('sha256').update(body).digest('hex')];
    }),
  );
}

async function kindOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    return (error as VolumeError).kind;
  }
  return 'no error';
}

sessions(
  'never overwrite a block of each other; the loser cannot publish, keeps its work and publishes it as a fork',
  async () => {
    const first = work.volume('shared');
    const start = await first.mount({ mountPath: work.fresh() });
    writeFileSync(join(start, 'base'), 'base');
    await first.finalize();

    // Two machines, as far as local state goes: each has folders of its own.
    const handle = first.toJSON();
    const [a, b] = [Volume.fromJSON(handle) as RWVolume, Volume.fromJSON(handle) as RWVolume];
    const pathA = await a.mount({ mountPath: work.fresh(), metaDir: work.path('meta-a') });
    const pathB = await b.mount({ mountPath: work.fresh(), metaDir: work.path('meta-b') });
    writeFileSync(join(pathA, 'from-a'), 'a'.repeat(3_000_000));
    writeFileSync(join(pathB, 'from-b'), 'b'.repeat(3_000_000));
    const byA = await a.commit();
    const afterA = hashes(first.family);

    assert.is(await kindOf(b.commit()), 'conflict');
    assert.is(readFileSync(join(pathB, 'from-b'), 'utf8'), 'b'.repeat(3_000_000), 'the loser still has its work');
    for (const [key, hash] of afterA) assert.is(hashes(first.family).get(key), hash, key);

    const rescued = (await b.fork('rescued', { as: 'ro' })) as Awaited<ReturnType<RWVolume['commit']>>;
    await a.finalize();
    const loserTree = manifest(pathB);
    assert.is(await kindOf(b.finalize()), 'conflict');

    const atA = await byA.mount({ mountPath: work.fresh() });
    assert.is(readFileSync(join(atA, 'from-a'), 'utf8'), 'a'.repeat(3_000_000));
    await byA.unmount();
    const atFork = await rescued.mount({ mountPath: work.fresh() });
    assert.equal(manifest(atFork), loserTree);
    await rescued.unmount();

    // The work is on the loser's disk until it is told to go.
    const later = Volume.fromJSON(handle) as RWVolume;
    const kept = await later.mount({ mountPath: work.fresh(), metaDir: work.path('meta-b') });
    assert.equal(manifest(kept), loserTree);
    await later.abandon({ delete: true });
  },
);

sessions('of one machine exclude each other with an error that names the holder', async () => {
  const volume = work.volume('held');
  await volume.mount({ mountPath: work.fresh() });
  const { pid } = await volume.status();
  const second = Volume.fromJSON(volume.toJSON()) as RWVolume;
  try {
    await second.mount({ mountPath: work.fresh() });
    assert.unreachable('mounted twice');
  } catch (error) {
    assert.is((error as VolumeError).kind, 'busy');
    assert.match((error as Error).message, String(pid));
  }
  await volume.abandon({ delete: true });
});

sessions('that are stale resume after the newest version', async () => {
  const volume = work.volume('stale');
  const path = await volume.mount({ mountPath: work.fresh() });
  const old = volume.toJSON();
  writeFileSync(join(path, 'one'), '1');
  await volume.commit();
  writeFileSync(join(path, 'two'), '2');
  await volume.finalize();
  const again = Volume.fromJSON(old) as RWVolume;
  const at = await again.mount({ mountPath: work.fresh() });
  assert.is(readFileSync(join(at, 'two'), 'utf8'), '2');
  const third = await again.finalize();
  assert.match(third.locator!, /\/versions\/stale\/3\//);
});

sessions.run();
