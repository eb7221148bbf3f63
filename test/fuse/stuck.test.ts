import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { mountAt } from '../../dist/fuse/mounts.js';
import { mountedTest, ServedMount } from './served-mount.ts';

/** Reads a file while a timer's signals come in; says 'read' before, and the error if there is one. */
const READER = `
import os, signal, sys
signal.signal(signal.SIGALRM, lambda *_: sys.stdout.write('.') and sys.stdout.flush())
signal.siginterrupt(signal.SIGALRM, False)
signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
f = os.open(sys.argv[1], os.O_RDONLY)
print('read', flush=True)
try: os.read(f, 100)
except OSError as error: print('failed', error, flush=True)
`;

async function startReader(file: string) {
  const child = spawn('python3', ['-c', READER, file], { stdio: ['ignore', 'pipe', 'inherit'] });
  const said = { text: '' };
  child.stdout.on('data', (data: Buffer) => (said.text += data.toString()));
  while (!said.text.includes('read')) await once(child.stdout, 'data');
  return { child, said };
}

mountedTest('a reader that nobody answers outlives its own signals and ends when it is killed', async () => {
  const mount = await ServedMount.start({ isStuck: true });
  try {
    const file = join(mount.path, 'file');
    writeFileSync(file, 'hello');
    const { child, said } = await startReader(file);
    // Long enough for several signals and for the watch to look at it more than once.
    const until = performance.now() + 400;
    while (performance.now() < until) await new Promise((resolve) => setImmediate(resolve));
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
