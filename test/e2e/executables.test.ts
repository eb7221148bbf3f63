// needs: mount
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, constants, copyFileSync, openSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Workspace } from './support.ts';

const work = new Workspace();
const executables = suite('programs that run from a mount');
executables.after(() => work.cleanUp());

executables('cannot be written to or cut while they run, and do not notice that somebody tried', async () => {
  const volume = work.volume('programs');
  const path = await volume.mount({ mountPath: work.fresh() });
  const program = join(path, 'node');
  copyFileSync(process.execPath, program);
  chmodSync(program, 0o755);
  const running = spawn(program, ['-e', 'console.log("up"); process.stdin.on("data", () => process.exit(7))']);
  await once(running.stdout, 'data');
  const before = statSync(program).size;
  for (const flags of [constants.O_WRONLY, constants.O_RDWR, constants.O_RDONLY | constants.O_TRUNC]) {
    assert.throws(() => openSync(program, flags), /ETXTBSY/);
  }
  assert.throws(() => truncateSync(program, 0), /ETXTBSY/);
  assert.is(statSync(program).size, before);
  running.stdin.write('go on');
  assert.equal(await once(running, 'exit'), [7, null]);
  await volume.abandon({ delete: true });
});

executables.run();
