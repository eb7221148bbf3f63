import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Volume } from '../../dist/volume/volume.js';
import { cli } from './terminal.ts';

const test = suite('command line');
// prettier-ignore
const COMMANDS = [
  'create', 'mount', 'commit', 'finalize', 'umount', 'abandon', 'status', 'fork', 'log', 'ls', 'cat', 'stat', 'export-index',
  'import-index', 'doctor',
];
const locator = 'file:///nowhere/at/all/demo-abcdefgh/versions/demo/1/volume.json';
let folder: string;

test.before.each(() => {
  folder = mkdtempSync(join(tmpdir(), 'forkfs-test-'));
});
test.after.each(() => rmSync(folder, { recursive: true, force: true }));

test('every command has help on standard output', async () => {
  const top = await cli('--help');
  assert.is(top.code, 0);
  for (const command of COMMANDS) {
    assert.match(top.out, new RegExp(`^  ${command}\\b`, 'm'));
    const { code, out, err } = await cli(command, '--help');
    assert.is(code, 0);
    assert.match(out, `Usage: forkfs ${command}`);
    assert.is(err, '');
  }
});

test('prints its version', async () => {
  const { code, out } = await cli('--version');
  assert.is(code, 0);
  assert.match(out, /^\d+\.\d+\.\d+\n$/);
});

test('wrong usage is exit code 2, said on standard error', async () => {
  const wrong: string[][] = [
    [],
    ['frobnicate'],
    ['create'],
    ['create', '../x'],
    ['create', 'a', 'b'],
    ['create', 'a', '--bucket', 's3://key:secret@bucket'],
    ['create', 'a', '--bucket', 'relative/path'],
    ['create', 'a', '--nonsense'],
    ['mount', 'x.json'],
    ['mount', locator, folder, '--cache-size', 'big'],
    ['mount', locator, folder, '--max-uploads', '0'],
    ['mount', locator, folder, '--uid', 'root'],
    ['mount', locator, folder, '--transport', 'pigeon'],
    ['mount', locator, folder, '--fork', 'a/b'],
    ['fork', locator, 'x', '--as', 'wo'],
    ['fork', 'nonsense', 'x'],
    ['log', 'nonsense'],
    ['ls', 'nonsense'],
    ['cat', locator],
    ['import-index', 'index.db'],
  ];
  for (const args of wrong) {
    const { code, out, err } = await cli(...args);
    assert.is(code, 2, `${args.join(' ')}: ${err}`);
    assert.is(out, '', args.join(' '));
    assert.is.not(err, '', args.join(' '));
    assert.not.match(err, /\n\s+at /, args.join(' '));
  }
});

test('an option that is wrong is named as it was typed', async () => {
  const { err } = await cli('mount', locator, folder, '--attr-cache', 'soon');
  assert.match(err, '--attr-cache');
});

test('what fails is exit code 1, one line and no stack trace', async () => {
  writeFileSync(join(folder, 'bad.json'), '{"kind": "other"}');
  writeFileSync(join(folder, 'text.json'), 'not json');
  const failing = [
    ['mount', join(folder, 'missing.json'), join(folder, 'm')],
    ['mount', join(folder, 'bad.json'), join(folder, 'm')],
    ['mount', join(folder, 'text.json'), join(folder, 'm')],
    ['mount', locator, join(folder, 'm')],
    ['commit', folder],
    ['finalize', folder],
    ['umount', folder],
    ['abandon', folder],
    ['fork', locator, 'x'],
    ['log', locator],
    ['ls', locator],
    ['cat', locator, '/x'],
    ['stat', locator, '/x'],
    ['export-index', locator, join(folder, 'out.db')],
    ['import-index', join(folder, 'missing.db'), '--bucket', pathToFileURL(folder).href],
  ];
  for (const args of failing) {
    const { code, out, err } = await cli(...args);
    assert.is(code, 1, `${args.join(' ')}: ${err}`);
    assert.is(out, '');
    assert.match(err, /^forkfs: [^\n]+\n$/, args.join(' '));
  }
  assert.not.ok(existsSync(join(folder, 'm')), 'the mount point is gone again');
});

test('create prints a handle and touches no store', async () => {
  const bucket = pathToFileURL(join(folder, 'store')).href;
  const { code, out, err } = await cli('create', 'my-dataset', '--bucket', bucket);
  assert.is(code, 0);
  assert.is(err, '');
  const volume = Volume.fromJSON(out);
  assert.is(volume.name, 'my-dataset');
  assert.is(volume.bucket, bucket);
  assert.equal(readdirSync(folder), []);
});

test('status is an array, also when there is nothing', async () => {
  process.env['XDG_STATE_HOME'] = folder;
  const { code, out } = await cli('status', '--json');
  delete process.env['XDG_STATE_HOME'];
  assert.is(code, 0);
  assert.equal(JSON.parse(out), []);
});

test('runs as a program', () => {
  const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
  const made = spawnSync(process.execPath, [main, 'create', 'x', '--bucket', 'file:///b'], { encoding: 'utf8' });
  assert.is(made.status, 0, made.stderr);
  assert.is(Volume.fromJSON(made.stdout).name, 'x');
  assert.is(spawnSync(process.execPath, [main, 'nonsense']).status, 2);
  assert.is(spawnSync(process.execPath, [main, 'commit', folder]).status, 1);
});

test.run();
