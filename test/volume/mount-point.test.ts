import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { VolumeError } from '../../dist/base/errors.js';
import { prepareFolder, prepareMountPoint } from '../../dist/volume/mount-point.js';

const test = suite('mount point');
let folder: string;

test.before.each(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'forkfs-test-')));
});
test.after.each(() => rmSync(folder, { recursive: true, force: true }));

function kindOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    assert.instance(error, VolumeError);
    return (error as VolumeError).kind;
  }
  return 'none';
}

test('makes the directory, and takes it away again when mounting fails', () => {
  const point = prepareMountPoint(join(folder, 'a', 'b', 'c'));
  assert.is(point.path, join(folder, 'a', 'b', 'c'));
  assert.ok(existsSync(point.path));
  point.remove();
  assert.equal(readdirSync(folder), []);
});

test('leaves a directory that was there', () => {
  const path = join(folder, 'there');
  mkdirSync(path);
  prepareMountPoint(path).remove();
  assert.ok(existsSync(path));
});

test('follows links, as the kernel does', () => {
  mkdirSync(join(folder, 'real'));
  symlinkSync('real', join(folder, 'link'));
  assert.is(prepareMountPoint(join(folder, 'link')).path, join(folder, 'real'));
});

test('refuses a directory that is not empty', () => {
  writeFileSync(join(folder, 'file'), '');
  assert.is(
    kindOf(() => prepareMountPoint(folder)),
    'busy',
  );
});

test('refuses a file', () => {
  writeFileSync(join(folder, 'file'), '');
  assert.is(
    kindOf(() => prepareMountPoint(join(folder, 'file'))),
    'invalid',
  );
  assert.is(
    kindOf(() => prepareMountPoint(join(folder, 'file', 'below'))),
    'invalid',
  );
});

test('refuses what is a mount point already', () => {
  if (existsSync('/proc/self/mountinfo'))
    assert.is(
      kindOf(() => prepareMountPoint('/proc')),
      'busy',
    );
});

test('refuses folders of ours below the mount, also through a link', () => {
  const mount = prepareMountPoint(join(folder, 'mount')).path;
  symlinkSync(mount, join(folder, 'link'));
  for (const path of [mount, join(mount, 'cache'), join(folder, 'link', 'cache')]) {
    assert.is(
      kindOf(() => prepareFolder('cacheDir', path, mount)),
      'invalid',
    );
  }
  prepareFolder('cacheDir', join(folder, 'mount-beside'), mount);
  assert.equal(readdirSync(mount), []);
});

test('names the option whose folder cannot be used', () => {
  writeFileSync(join(folder, 'file'), '');
  assert.throws(() => prepareFolder('metaDir', join(folder, 'file'), undefined), /^VolumeError: metaDir|metaDir: /);
  assert.is(
    kindOf(() => prepareFolder('metaDir', join(folder, 'file'), undefined)),
    'invalid',
  );
  if (process.getuid?.() === 0) return;
  mkdirSync(join(folder, 'locked'));
  chmodSync(join(folder, 'locked'), 0o500);
  assert.is(
    kindOf(() => prepareFolder('metaDir', join(folder, 'locked'), undefined)),
    'denied',
  );
});

test.run();
