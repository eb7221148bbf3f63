import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { fuseFacts } from '../../dist/fuse/facts.js';
import { canMount, mountedTest } from './served-mount.ts';

const script = fileURLToPath(new URL('./user-mount.ts', import.meta.url));
/** The number of `nobody`; a test that is not run by root is an ordinary user already. */
const NOBODY = 65534;
const isRoot = process.getuid!() === 0;

/** Everybody may open /dev/fuse, as udev has it; some containers do not, so it is done in a mount namespace of its own. */
const NAMESPACE = `
mount -t tmpfs forkfs-test /mnt && mknod -m 666 /mnt/fuse c 10 229 && mount --bind /mnt/fuse /dev/fuse || exit 1
exec setpriv --reuid ${NOBODY} --regid ${NOBODY} --clear-groups "$@"
`;

const canMountAsUser = canMount() && fuseFacts().helperIsSetuid;

function asUser(args: string[], setpriv: string[] = []): Record<string, unknown> {
  const node = [process.execPath, '--disable-warning=ExperimentalWarning', script, ...args];
  const enter = isRoot ? ['unshare', '-m', 'sh', '-c', NAMESPACE, 'sh'] : ['setpriv'];
  const [program, ...rest] = [...enter, ...setpriv, '--', ...node];
  const child = spawnSync(program!, rest, {
    encoding: 'utf8',
    cwd: '/',
    timeout: 20_000,
    env: { PATH: process.env['PATH'] },
  });
  assert.is(child.status, 0, child.stderr);
  return JSON.parse(child.stdout) as Record<string, unknown>;
}

mountedTest(
  'an ordinary user mounts, works and unmounts',
  () => {
    const report = asUser([]);
    const { outcome, ...rest } = report as { outcome: { ended: string } };
    assert.equal(
      rest,
      { files: 100, owner: isRoot ? NOBODY : process.getuid!(), type: 'fuse.forkfs', isGone: true },
      JSON.stringify(report),
    );
    assert.is(outcome.ended, 'unmounted');
  },
  canMountAsUser,
);

mountedTest(
  'an ordinary user gets allowOther only when /etc/fuse.conf says so',
  () => {
    const isAllowed = /^\s*user_allow_other\s*$/m.test(readFileSync('/etc/fuse.conf', 'utf8'));
    const report = asUser(['allow-other']);
    if (isAllowed) return assert.is(report['isGone'], true, JSON.stringify(report));
    assert.is(report['kind'], 'denied');
    assert.match(String(report['message']), /user_allow_other to \/etc\/fuse\.conf/);
  },
  canMountAsUser,
);

mountedTest(
  'without new privileges the error says so',
  () => {
    const report = asUser([], ['--no-new-privs']);
    assert.is(report['kind'], 'unsupported', JSON.stringify(report));
    assert.match(String(report['message']), /no_new_privs/);
  },
  canMountAsUser,
);

test.run();
