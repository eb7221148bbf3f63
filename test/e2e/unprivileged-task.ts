// Run by unprivileged.test.ts as an ordinary user. Its mounts are in a namespace of its own, so it looks at them itself.
import { execFileSync, fork, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { Volume, type RWVolume } from '../../dist/index.js';
import { cannotMount, cliFails } from './failures.ts';
import { cli, isMounted, makeTree, manifest, root, until, Workspace } from './support.ts';

const work = new Workspace();
const uid = process.getuid!();

async function mounted(name: string): Promise<{ volume: RWVolume; path: string; pid: number }> {
  const volume = work.volume(name);
  const path = await volume.mount({ mountPath: work.fresh() });
  return { volume, path, pid: (await volume.status()).pid! };
}

/** The mount is gone, and the path is an ordinary empty folder. */
async function isFree(path: string): Promise<void> {
  await until('the mount is gone', () => !isMounted(path));
  assert.is(spawnSync('ls', ['-a', path], { timeout: 10_000 }).status, 0);
  assert.equal(readdirSync(path), []);
}

async function startTask(name: string): Promise<{ kill: () => void; path: string; pid: number; handle: unknown }> {
  const task = fork(join(root, 'test/e2e/crash-task.ts'), [name, work.bucket, work.fresh()], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const [message] = (await once(task, 'message')) as [{ path: string; pid: number; handle: unknown }];
  return { ...message, kill: () => void task.kill('SIGKILL') };
}

const scenarios: Record<string, () => Promise<void>> = {
  works: async () => {
    assert.not.equal(uid, 0);
    const { volume, path } = await mounted('works');
    makeTree(path, 20);
    assert.is(statSync(join(path, 'big')).uid, uid);
    const before = manifest(path);
    const version = await volume.commit();
    writeFileSync(join(path, 'later'), 'x');
    await volume.finalize();
    const at = await version.mount({ mountPath: work.fresh() });
    assert.equal(manifest(at), before);
    await version.unmount();

    const handle = work.path('fork.json');
    writeFileSync(handle, cli('fork', version.locator, 'branch').stdout);
    const forkPath = work.fresh();
    assert.is(cli('mount', handle, forkPath).code, 0);
    execFileSync('rm', ['-r', join(forkPath, 'd0')]);
    const { code, stdout } = cli('finalize', forkPath);
    assert.is(code, 0);
    assert.match(stdout, /\/versions\/branch\/2\/volume\.json\n$/);
    assert.not(isMounted(forkPath));
  },

  'daemon-dies': async () => {
    const { volume, path, pid } = await mounted('daemon-dies');
    const fd = openSync(join(path, 'synced'), 'w');
    writeSync(fd, 'synced');
    fsyncSync(fd);
    closeSync(fd);
    const user = spawn('sh', ['-c', 'exec 3<synced; echo ready; exec sleep 60'], {
      cwd: path,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    await once(user.stdout, 'data');
    process.kill(pid, 'SIGKILL');
    await isFree(path);
    user.kill('SIGKILL');
    const again = Volume.fromJSON(volume.toJSON()) as RWVolume;
    const second = await again.mount({ mountPath: path });
    assert.is(readFileSync(join(second, 'synced'), 'utf8'), 'synced');
    await again.finalize();
  },

  'task-dies': async () => {
    const { kill, path, pid, handle } = await startTask('task-dies');
    kill();
    await until('the daemon ended', () => !work.daemons().includes(pid));
    await isFree(path);
    const again = Volume.fromJSON(handle) as RWVolume;
    const second = await again.mount({ mountPath: work.fresh() });
    assert.is(readFileSync(join(second, 'from-task'), 'utf8'), 'not synced by the task');
    await again.abandon({ delete: true });
  },

  'both-die': async () => {
    const { kill, path, pid } = await startTask('both-die');
    kill();
    process.kill(pid, 'SIGKILL');
    await isFree(path);
  },

  denied: async () => {
    const locked = work.path('locked');
    mkdirSync(locked);
    chmodSync(locked, 0o500);
    const volume = work.volume('denied');
    for (const option of ['metaDir', 'cacheDir'] as const) {
      for (const path of [locked, join(locked, 'new')]) {
        await cannotMount(work, volume, { kind: 'denied', message: new RegExp(`^${option}: `) }, { [option]: path });
      }
    }
    await cannotMount(work, volume, { kind: 'denied', message: /mountPath/ }, { mountPath: join(locked, 'mnt') });
    // Ours to see, but not to mount over.
    await cannotMount(work, volume, { kind: 'denied', message: /\S/ }, { mountPath: '/media' });
    await cannotMount(work, Volume.new({ name: 'v', bucket: `file://${locked}/bucket` }), { kind: 'denied' });
    const isAllowed = /^\s*user_allow_other\s*$/m.test(readFileSync('/etc/fuse.conf', 'utf8'));
    if (!isAllowed) {
      await cannotMount(work, volume, { kind: 'denied', message: /user_allow_other/ }, { allowOther: true });
    }
    const handle = work.path('handle.json');
    writeFileSync(handle, JSON.stringify(volume.toJSON()));
    cliFails(['mount', handle, join(locked, 'mnt')], 1, /mountPath/);
  },
};

try {
  await scenarios[process.argv[2]!]!();
  console.log('done');
} finally {
  work.cleanUp();
}
