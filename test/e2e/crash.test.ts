// needs: mount
import { execFileSync, fork, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Volume, type RWVolume } from '../../dist/index.js';
import { cli, isMounted, manifest, until, Workspace, root } from './support.ts';

const work = new Workspace();
const crash = suite('a mount whose processes are killed');
crash.after(() => work.cleanUp());

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** The path answers like an ordinary folder: no dead mount, no hang. */
function answers(path: string): boolean {
  return spawnSync('ls', ['-a', path], { timeout: 10_000 }).status === 0;
}

async function mounted(name: string): Promise<{ volume: RWVolume; path: string; pid: number }> {
  const volume = work.volume(name);
  const path = await volume.mount({ mountPath: work.fresh() });
  return { volume, path, pid: (await volume.status()).pid! };
}

function writeSynced(path: string, text: string): void {
  const fd = openSync(path, 'w');
  writeSync(fd, text);
  fsyncSync(fd);
  closeSync(fd);
}

crash('keeps what was fsynced when the daemon is killed, and leaves no dead mount', async () => {
  const { volume, path, pid } = await mounted('daemon-dies');
  mkdirSync(join(path, 'deep'));
  for (let i = 0; i < 20; i++) writeSynced(join(path, 'deep', `f${i}`), `synced ${i}`.repeat(1000));
  const before = manifest(path);
  process.kill(pid, 'SIGKILL');
  await until('the mount is gone', () => !isMounted(path));
  assert.ok(answers(path), 'the mount point is an ordinary folder');
  assert.equal(readdirSync(path), []);

  const again = Volume.fromJSON(volume.toJSON()) as RWVolume;
  const second = await again.mount({ mountPath: work.fresh() });
  assert.equal(manifest(second), before);
  const version = await again.finalize();
  const at = await version.mount({ mountPath: work.fresh() });
  assert.equal(manifest(at), before);
  await version.unmount();
});

crash('gives a typed error to the task whose daemon was killed', async () => {
  const { volume, pid, path } = await mounted('typed');
  process.kill(pid, 'SIGKILL');
  await until('the mount is gone', () => !isMounted(path));
  try {
    await volume.commit();
    assert.unreachable('commit without a daemon');
  } catch (error) {
    assert.is((error as Error).name, 'VolumeError');
    assert.ok(['unavailable', 'state'].includes((error as { kind: string }).kind), String(error));
  }
});

crash('leaves no dead mount while a process still works in it', async () => {
  const { path, pid } = await mounted('busy');
  writeFileSync(join(path, 'file'), 'x');
  const user = spawn('sh', ['-c', 'exec 3<file; echo ready; exec sleep 60'], {
    cwd: path,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  await once(user.stdout, 'data');
  process.kill(pid, 'SIGKILL');
  await until('the mount is gone', () => !isMounted(path));
  assert.ok(answers(path));
  user.kill('SIGKILL');
});

/** A task that mounts, writes and waits: test/e2e/crash-task.ts in a process of its own. */
async function startTask(name: string): Promise<{ task: ChildProcess; path: string; pid: number; handle: unknown }> {
  const task = fork(join(root, 'test/e2e/crash-task.ts'), [name, work.bucket, work.fresh()], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const [message] = (await once(task, 'message')) as [{ path: string; pid: number; handle: unknown }];
  return { task, ...message };
}

crash('stages everything and unmounts when the task is killed', async () => {
  const { task, path, pid, handle } = await startTask('task-dies');
  assert.is(readFileSync(join(path, 'from-task'), 'utf8'), 'not synced by the task');
  task.kill('SIGKILL');
  await until('the daemon ended', () => !isAlive(pid));
  assert.not(isMounted(path));
  assert.ok(answers(path));
  const again = Volume.fromJSON(handle as never) as RWVolume;
  const second = await again.mount({ mountPath: work.fresh() });
  assert.is(readFileSync(join(second, 'from-task'), 'utf8'), 'not synced by the task');
  await again.abandon({ delete: true });
});

crash('leaves no mount when task and daemon are killed together, with a child of the task alive', async () => {
  const { task, path, pid } = await startTask('both-die');
  const child = spawn('sleep', ['60'], { cwd: path, stdio: 'ignore' });
  task.kill('SIGKILL');
  process.kill(pid, 'SIGKILL');
  await until('the mount is gone', () => !isMounted(path));
  assert.ok(answers(path));
  child.kill('SIGKILL');
});

crash('loses nothing by a plain umount, SIGTERM or SIGINT', async () => {
  for (const how of ['umount', 'SIGTERM', 'SIGINT'] as const) {
    const { volume, path, pid } = await mounted(`plain-${how.toLowerCase()}`);
    writeFileSync(join(path, 'kept'), how);
    if (how === 'umount') execFileSync('fusermount3', ['-u', path]);
    else process.kill(pid, how);
    await until('the daemon ended', () => !isAlive(pid));
    assert.not(isMounted(path), how);
    const again = Volume.fromJSON(volume.toJSON()) as RWVolume;
    const second = await again.mount({ mountPath: work.fresh() });
    assert.is(readFileSync(join(second, 'kept'), 'utf8'), how);
    await again.abandon({ delete: true });
  }
});

crash('status lists the work that a killed daemon left', async () => {
  const { path, pid, volume } = await mounted('listed');
  writeSynced(join(path, 'f'), 'x');
  process.kill(pid, 'SIGKILL');
  await until('the mount is gone', () => !isMounted(path));
  const { code, stdout } = cli('status', '--json');
  assert.is(code, 0);
  const rows = JSON.parse(stdout) as { family: string; unpublished: boolean; pid: number | null }[];
  const row = rows.find((candidate) => candidate.family === volume.family);
  assert.ok(row, 'the volume is listed');
  assert.is(row.pid, null);
  assert.is(row.unpublished, true);
});

crash('keeps an exact prefix of the operations when the daemon is killed in mid-work', async () => {
  for (let round = 0; round < 4; round++) {
    const { volume, path, pid } = await mounted(`prefix-${round}`);
    const script = 'i=0; while :; do echo $i > "$0/f$i" || exit 1; mv "$0/f$i" "$0/g$i"; echo $i; i=$((i+1)); done';
    const writer = spawn('sh', ['-c', script, path], { stdio: ['ignore', 'pipe', 'ignore'] });
    const acknowledged: string[] = [];
    writer.stdout.on('data', (data) => acknowledged.push(String(data)));
    await until('some files are written', () => acknowledged.join('').split('\n').length > 50 * (round + 1));
    process.kill(pid, 'SIGKILL');
    await until('the mount is gone', () => !isMounted(path));
    writer.kill('SIGKILL');
    const again = Volume.fromJSON(volume.toJSON()) as RWVolume;
    const second = await again.mount({ mountPath: work.fresh() });
    const names = readdirSync(second);
    const done = names.filter((name) => name.startsWith('g')).map((name) => Number(name.slice(1)));
    const last = Math.max(-1, ...done);
    assert.is(done.length, last + 1, 'every earlier file is there');
    for (const i of done) assert.is(readFileSync(join(second, `g${i}`), 'utf8'), `${i}\n`);
    const begun = names.filter((name) => name.startsWith('f'));
    assert.ok(begun.length === 0 || (begun.length === 1 && begun[0] === `f${last + 1}`), begun.join());
    await again.abandon({ delete: true });
  }
});

crash.run();
