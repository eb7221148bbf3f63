// needs: mount
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { silentLogger } from '../../dist/base/log.js';
import { LocalState } from '../../dist/chunk/local-state.js';
import { FileStore } from '../../dist/cloud/file.js';
import { Volume, type RWVolume } from '../../dist/index.js';
import { writableBase } from '../../dist/mount/session-base.js';
import type { MountSpec } from '../../dist/mount/spec.js';
import { isMounted, until, Workspace } from './support.ts';

const work = new Workspace();
const log = suite('the local log of a session that has published');
log.after(() => work.cleanUp());

log('is never read as changes of a newer version that another machine published', async () => {
  const volume = work.volume('twice');
  const metaDir = work.path('here');
  const path = await volume.mount({ mountPath: work.fresh(), metaDir });
  writeFileSync(join(path, 'f'), 'old');
  await volume.commit();
  process.kill((await volume.status()).pid!, 'SIGKILL');
  await until('the mount is gone', () => !isMounted(path));

  const elsewhere = Volume.fromJSON(volume.toJSON()) as RWVolume;
  const other = await elsewhere.mount({ mountPath: work.fresh(), metaDir: work.path('there') });
  writeFileSync(join(other, 'f'), 'new');
  await elsewhere.finalize();

  // A session begins on the first machine, and dies before it has touched the log.
  const state = LocalState.open(join(metaDir, volume.family, 'twice'), { create: false });
  const spec = { volume: { name: 'twice', family: volume.family, bucket: work.bucket } } as unknown as MountSpec;
  const base = await writableBase(spec, await FileStore.open(work.path('bucket')), state, silentLogger);
  assert.equal([base.seq, base.isResumed], [2, false]);
  assert.is(state.hasUnpublished(), false, 'what the log holds is in version 1');
  state.close();

  const again = Volume.fromJSON(volume.toJSON()) as RWVolume;
  const at = await again.mount({ mountPath: work.fresh(), metaDir });
  assert.is(readFileSync(join(at, 'f'), 'utf8'), 'new');
  await again.abandon({ delete: true });
});

log.run();
