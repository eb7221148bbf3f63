// needs: mount
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { mountAt } from '../../dist/fuse/mounts.js';
import { mountedTest, ServedMount } from './served-mount.ts';

const script = fileURLToPath(new URL('./slow-reader.ts', import.meta.url));

async function startReader(file: string) {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', script, file], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const said = { text: '' };
  child.stdout.on('data', (data: Buffer) => (said.text += data.toString()));
  while (!said.text.includes('reading')) await once(child.stdout, 'data');
  return { child, said };
}

mountedTest('a reader that nobody answers outlives its own signals and ends when it is killed', async () => {
  const mount = await ServedMount.start({ isStuck: true });
  try {
    const file = join(mount.path, 'file');
    writeFileSync(file, 'hello');
    const { child, said } = await startReader(file);
    // Signals that it handles, for long enough that the watch looks at it more than once.
    const until = performance.now() + 400;
    while (performance.now() < until) {
      child.kill('SIGUSR2');
      await sleep(20);
    }
    assert.is(child.exitCode, null);
    assert.not.match(said.text, /failed/);
    child.kill('SIGKILL');
    const [, signal] = (await once(child, 'exit')) as [number | null, string];
    assert.is(signal, 'SIGKILL');
  } finally {
    await mount.cleanUp();
  }
});

mountedTest('taking a stuck mount away frees those who wait for it', async () => {
  const mount = await ServedMount.start({ isStuck: true });
  const file = join(mount.path, 'file');
  writeFileSync(file, 'hello');
  const { child, said } = await startReader(file);
  await mount.cleanUp();
  await once(child, 'exit');
  assert.match(said.text, /failed/);
  assert.is(mountAt(mount.path), undefined);
});

test.run();
