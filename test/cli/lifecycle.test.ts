import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { diagnoseFuse } from '../../dist/fuse/diagnose.js';
import { Volume, type MountStatus } from '../../dist/index.js';

const test = suite('command line with mounts');
const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const refusal = (await diagnoseFuse()).find((finding) => !finding.ok);
const folder = mkdtempSync(join(tmpdir(), 'forkfs-test-'));
const bucket = pathToFileURL(join(folder, 'bucket')).href;
const mount = join(folder, 'mount');
const env = {
  ...process.env,
  HOME: folder,
  XDG_STATE_HOME: join(folder, 'state'),
  XDG_CACHE_HOME: join(folder, 'cache'),
};

function run(...args: string[]): { code: number | null; out: string; err: string } {
  const ran = spawnSync(process.execPath, [main, ...args], { encoding: 'utf8', env, timeout: 60_000 });
  return { code: ran.status, out: ran.stdout, err: ran.stderr };
}

/** Runs what must succeed; what it printed. */
function ok(...args: string[]): string {
  const { code, out, err } = run(...args);
  assert.is(code, 0, `${args.join(' ')}: ${err}`);
  return out;
}

function status(): MountStatus[] {
  return JSON.parse(ok('status', '--json')) as MountStatus[];
}

function handle(name: string): string {
  const file = join(folder, `${name}.json`);
  writeFileSync(file, ok('create', name, '--bucket', bucket));
  return file;
}

const withMount = (what: string, body: () => void): void => {
  test(what, () => {
    if (refusal === undefined) body();
    else console.log(`\nSKIP ${what}: ${refusal.detail}`);
  });
};

test.after(() => {
  for (const { path } of status()) if (path !== null) run('abandon', path, '--delete');
  rmSync(folder, { recursive: true, force: true });
});

withMount('a volume goes through its life', () => {
  const file = handle('life');
  assert.is(ok('mount', file, mount), '', 'mount says where on standard error');
  const [mounted] = status();
  assert.is(mounted?.volume, 'life');
  assert.is(mounted?.path, mount);
  assert.is(mounted?.readOnly, false);
  assert.is(mounted?.attached, false);
  assert.ok(existsSync(mounted?.log ?? ''), 'status names the log');
  writeFileSync(join(mount, 'f'), 'one');
  const first = ok('commit', mount, '-m', 'first');
  assert.match(first, /^file:\/\/\S+\/versions\/life\/1\/volume\.json\n$/);
  writeFileSync(join(mount, 'f'), 'two');
  const second = ok('finalize', mount, '--message', 'second');
  assert.match(second, /^file:\/\/\S+\/versions\/life\/2\/volume\.json\n$/);
  assert.equal(status(), []);
  assert.equal(readdirSync(mount), [], 'nothing is mounted any more');
  assert.is(ok('cat', first.trim(), 'f'), 'one');
  assert.is(ok('cat', second.trim(), '/f'), 'two');
  const log = JSON.parse(ok('log', second.trim(), '--json')) as { message: string }[];
  assert.equal(
    log.map((entry) => entry.message),
    ['second', 'first'],
  );
});

withMount('umount keeps what is staged, status lists it, and a mount goes on with it', () => {
  const file = handle('staged');
  ok('mount', file, mount);
  writeFileSync(join(mount, 'f'), 'staged');
  const { code, out, err } = run('umount', mount);
  assert.is(code, 0, err);
  assert.is(out, '');
  assert.match(err, /forkfs mount .*\n.*forkfs finalize/);
  const [waiting] = status();
  assert.is(waiting?.volume, 'staged');
  assert.is(waiting?.path, null);
  assert.is(waiting?.pid, null);
  assert.is(waiting?.unpublished, true);
  ok('mount', file, mount);
  assert.is(readFileSync(join(mount, 'f'), 'utf8'), 'staged');
  ok('finalize', mount);
  assert.equal(status(), []);
});

withMount('abandon keeps, and with --delete deletes', () => {
  const file = handle('left');
  ok('mount', file, mount);
  writeFileSync(join(mount, 'f'), 'x');
  ok('abandon', mount);
  assert.is(status().length, 1);
  ok('mount', file, mount);
  ok('abandon', mount, '--delete');
  assert.equal(status(), []);
});

withMount('a locator mounts read-only, and with --fork writable', () => {
  const file = handle('base');
  ok('mount', file, mount);
  writeFileSync(join(mount, 'f'), 'base');
  const locator = ok('finalize', mount).trim();
  ok('mount', locator, mount);
  assert.is(status()[0]?.readOnly, true);
  assert.throws(() => writeFileSync(join(mount, 'f'), ''), /EROFS|EACCES/);
  ok('umount', mount);
  const printed = ok('mount', locator, mount, '--fork', 'branch');
  assert.is(Volume.fromJSON(printed).name, 'branch');
  writeFileSync(join(mount, 'f'), 'branch');
  const forked = ok('finalize', mount).trim();
  assert.is(ok('cat', forked, 'f'), 'branch');
  assert.is(ok('cat', locator, 'f'), 'base');
});

withMount('options reach the mount', () => {
  const file = handle('options');
  ok(
    'mount',
    file,
    mount,
    '--meta-dir',
    join(folder, 'other'),
    '--uid',
    '12345',
    '--no-writeback',
    '--upload-delay',
    '1h',
  );
  writeFileSync(join(mount, 'f'), 'x');
  assert.ok(existsSync(join(folder, 'other')));
  assert.match(spawnSync('stat', ['-c', '%u', join(mount, 'f')], { encoding: 'utf8' }).stdout, '12345');
  ok('abandon', mount, '--delete');
});

withMount('what cannot be is refused in one line, and nothing stays behind', () => {
  const file = handle('refused');
  mkdirSync(join(folder, 'full', 'x'), { recursive: true });
  ok('mount', file, mount);
  const refused = [
    ['mount', file, join(folder, 'full')],
    ['mount', handle('another'), mount],
    ['mount', file, join(folder, 'second')],
    ['mount', file, join(folder, 'third'), '--cache-dir', join(folder, 'third', 'cache')],
    ['commit', join(folder, 'full')],
  ];
  for (const args of refused) {
    const { code, out, err } = run(...args);
    assert.is(code, 1, args.join(' '));
    assert.is(out, '');
    assert.match(err, /^forkfs: [^\n]+\n$/);
  }
  assert.not.ok(existsSync(join(folder, 'second')));
  assert.not.ok(existsSync(join(folder, 'third')));
  assert.is(status().length, 1);
  ok('abandon', mount, '--delete');
});

test.run();
