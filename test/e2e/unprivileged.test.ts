/** Everything an ordinary user needs: mounting, committing, and no dead mount when processes are killed. */
// needs: mount
import { spawnSync } from 'node:child_process';
import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { fuseFacts } from '../../dist/fuse/facts.js';
import { root } from './support.ts';

const user = suite('an ordinary user');
const isRoot = process.getuid?.() === 0;
/** The number of `nobody`; a test that is not run by root is an ordinary user already. */
const NOBODY = 65534;

/** Everybody may open /dev/fuse, as udev has it; some containers do not, so it is done in a mount namespace of its own. */
const NAMESPACE = `
mount -t tmpfs forkfs-test /mnt && mknod -m 666 /mnt/fuse c 10 229 && mount --bind /mnt/fuse /dev/fuse || exit 99
exec setpriv --reuid ${NOBODY} --regid ${NOBODY} --clear-groups -- "$@"
`;

function asUser(scenario: string): void {
  if (!fuseFacts().helperIsSetuid) return console.log(`\nSKIP ${scenario}: fusermount3 is not setuid`);
  const folder = mkdtempSync(join(tmpdir(), 'forkfs-user-'));
  if (isRoot) chownSync(folder, NOBODY, NOBODY);
  try {
    const task = [process.execPath, join(root, 'test/e2e/unprivileged-task.ts'), scenario];
    const [program, ...args] = isRoot ? ['unshare', '-m', 'sh', '-c', NAMESPACE, 'sh', ...task] : task;
    // Of its own: home, temporary and runtime folders, so that nothing is shared with the user's real work.
    const env = { PATH: process.env['PATH'], HOME: folder, TMPDIR: folder, XDG_RUNTIME_DIR: folder };
    const child = spawnSync(program!, args, { encoding: 'utf8', cwd: '/', timeout: 60_000, env });
    if (child.status === 99) return console.log(`\nSKIP ${scenario}: no mount namespace here (${child.stderr.trim()})`);
    assert.is(child.status, 0, child.stderr);
    assert.is(child.stdout.trim(), 'done');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

user('mounts, writes, commits, reads and forks', () => asUser('works'));
user('finds no dead mount after kill -9 of the daemon, and what was synced', () => asUser('daemon-dies'));
user('finds no dead mount after kill -9 of the task, and all that was written', () => asUser('task-dies'));
user('finds no dead mount after kill -9 of both', () => asUser('both-die'));
user('is told what is not permitted, and nothing is left', () => asUser('denied'));

user.run();
