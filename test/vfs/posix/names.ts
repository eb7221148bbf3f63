import {
  closeSync,
  existsSync,
  fstatSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  renameSync,
  rmdirSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { code, type PosixTest } from './support.ts';

/** Creating, linking, renaming and removing. */
export function nameTests(test: PosixTest): void {
  createTests(test);
  linkTests(test);
  renameTests(test);
  removeTests(test);
}

function createTests(test: PosixTest): void {
  test('creates a file once: the flags say what happens when it is there, or is not', (dir) => {
    const path = join(dir, 'f');
    assert.is(
      code(() => openSync(path, 'r')),
      'ENOENT',
    );
    assert.is(
      code(() => openSync(path, 'r+')),
      'ENOENT',
    );
    closeSync(openSync(path, 'wx'));
    assert.is(
      code(() => openSync(path, 'wx')),
      'EEXIST',
    );
    writeFileSync(path, 'contents');
    closeSync(openSync(path, 'r+'));
    assert.is(readFileSync(path, 'utf8'), 'contents');
    closeSync(openSync(path, 'w'));
    assert.is(readFileSync(path, 'utf8'), '');
    assert.is(
      code(() => openSync(join(dir, 'no', 'f'), 'w')),
      'ENOENT',
    );
    assert.is(
      code(() => openSync(join(path, 'f'), 'w')),
      'ENOTDIR',
    );
    assert.is(
      code(() => openSync(dir, 'w')),
      'EISDIR',
    );
    assert.is(
      code(() => openSync(`${path}/`, 'r')),
      'ENOTDIR',
    );
  });

  test('does not follow a symbolic link that an exclusive create finds', (dir) => {
    symlinkSync('nowhere', join(dir, 'l'));
    assert.is(
      code(() => openSync(join(dir, 'l'), 'wx')),
      'EEXIST',
    );
    closeSync(openSync(join(dir, 'l'), 'w'));
    assert.ok(existsSync(join(dir, 'nowhere')), 'an ordinary create makes the target');
  });

  test('takes names of 255 bytes of any kind, and no longer ones', (dir) => {
    const odd = Buffer.concat([Buffer.from(`${dir}/`), Buffer.from([1, 9, 10, 0xff, 0xfe, 0x80, 92, 34])]);
    writeFileSync(odd, 'odd');
    const list = readdirSync(dir, { encoding: 'buffer' });
    assert.equal(
      list.map((name) => name.toString('hex')),
      ['01090afffe805c22'],
    );
    assert.is(readFileSync(odd, 'utf8'), 'odd');
    const long = 'n'.repeat(255);
    writeFileSync(join(dir, long), '');
    assert.ok(readdirSync(dir).includes(long));
    for (const call of [
      () => writeFileSync(join(dir, `${long}n`), ''),
      () => statSync(join(dir, `${long}n`)),
      () => mkdirSync(join(dir, `${long}n`)),
      () => unlinkSync(join(dir, `${long}n`)),
      () => renameSync(join(dir, long), join(dir, `${long}n`)),
      () => symlinkSync('x', join(dir, `${long}n`)),
      () => linkSync(join(dir, long), join(dir, `${long}n`)),
    ]) {
      assert.is(code(call), 'ENAMETOOLONG');
    }
    // Names that other file systems of this family keep for themselves, here in a directory like any other.
    for (const name of ['.config', '.stats', '.trash', '.accesslog']) writeFileSync(join(dir, name), name);
    assert.is(readFileSync(join(dir, '.trash'), 'utf8'), '.trash');
  });
}

function linkTests(test: PosixTest): void {
  test('a hard link is the same file until the last name goes', (dir) => {
    const [a, b] = [join(dir, 'a'), join(dir, 'b')];
    writeFileSync(a, 'one');
    linkSync(a, b);
    assert.is(statSync(a).ino, statSync(b).ino);
    assert.is(statSync(a).nlink, 2);
    writeFileSync(b, 'two');
    assert.is(readFileSync(a, 'utf8'), 'two');
    assert.is(
      code(() => linkSync(a, b)),
      'EEXIST',
    );
    unlinkSync(a);
    assert.is(statSync(b).nlink, 1);
    assert.is(readFileSync(b, 'utf8'), 'two');
    assert.is(
      code(() => linkSync(a, join(dir, 'c'))),
      'ENOENT',
    );
    mkdirSync(join(dir, 'd'));
    assert.is(
      code(() => linkSync(join(dir, 'd'), join(dir, 'e'))),
      'EPERM',
    );
  });

  test('symbolic links hold any text, are followed, and end in ELOOP', (dir) => {
    const at = (name: string): string => join(dir, name);
    writeFileSync(at('file'), 'text');
    symlinkSync('file', at('l'));
    assert.is(readlinkSync(at('l')), 'file');
    assert.is(readFileSync(at('l'), 'utf8'), 'text');
    assert.ok(lstatSync(at('l')).isSymbolicLink());
    assert.is(lstatSync(at('l')).size, 4);
    const target = 't'.repeat(4000);
    symlinkSync(target, at('long'));
    assert.is(readlinkSync(at('long')), target);
    assert.is(
      code(() => statSync(at('long'))),
      'ENAMETOOLONG',
    );
    symlinkSync('y', at('x'));
    symlinkSync('x', at('y'));
    assert.is(
      code(() => statSync(at('x'))),
      'ELOOP',
    );
    assert.is(
      code(() => openSync(at('x'), 'w')),
      'ELOOP',
    );
    assert.is(
      code(() => readlinkSync(at('file'))),
      'EINVAL',
    );
    assert.is(
      code(() => symlinkSync('z', at('l'))),
      'EEXIST',
    );
    unlinkSync(at('l'));
    assert.is(readFileSync(at('file'), 'utf8'), 'text');
  });
}

function renameTests(test: PosixTest): void {
  test('rename moves files and directories with all that is in them', (dir) => {
    const at = (...names: string[]): string => join(dir, ...names);
    mkdirSync(at('d/e'), { recursive: true });
    writeFileSync(at('d/e/f'), 'deep');
    mkdirSync(at('to'));
    const { ino } = statSync(at('d'));
    const links = statSync(at('to')).nlink;
    renameSync(at('d'), at('to/moved'));
    assert.is(readFileSync(at('to/moved/e/f'), 'utf8'), 'deep');
    assert.is(statSync(at('to/moved')).ino, ino);
    assert.is(statSync(at('to')).nlink, links + 1);
    assert.not(existsSync(at('d')));
    assert.is(statSync(`${dir}/to/moved/..`).ino, statSync(at('to')).ino);
    assert.is(
      code(() => renameSync(at('to'), at('to/moved/inside'))),
      'EINVAL',
    );
    assert.is(
      code(() => renameSync(at('none'), at('x'))),
      'ENOENT',
    );
  });

  test('rename replaces a file in one step; who has it open keeps it', (dir) => {
    const at = (name: string): string => join(dir, name);
    writeFileSync(at('old'), 'old contents');
    writeFileSync(at('new'), 'new');
    const fd = openSync(at('old'), 'r');
    renameSync(at('new'), at('old'));
    assert.is(readFileSync(at('old'), 'utf8'), 'new');
    const kept = Buffer.alloc(20);
    assert.is(readSync(fd, kept, 0, 20, 0), 12);
    assert.is(fstatSync(fd).nlink, 0);
    closeSync(fd);
    assert.equal(readdirSync(dir), ['old']);
    linkSync(at('old'), at('same'));
    renameSync(at('old'), at('same'));
    assert.equal(readdirSync(dir).sort(), ['old', 'same'], 'two names of one file: nothing happens');
  });

  test('rename replaces an empty directory, and only by a directory', (dir) => {
    const at = (...names: string[]): string => join(dir, ...names);
    for (const name of ['a', 'empty', 'full']) mkdirSync(at(name));
    writeFileSync(at('a/f'), '');
    writeFileSync(at('full/f'), '');
    writeFileSync(at('file'), '');
    assert.is(
      code(() => renameSync(at('a'), at('full'))),
      'ENOTEMPTY',
    );
    assert.is(
      code(() => renameSync(at('a'), at('file'))),
      'ENOTDIR',
    );
    assert.is(
      code(() => renameSync(at('file'), at('empty'))),
      'EISDIR',
    );
    renameSync(at('a'), at('empty'));
    assert.equal(readdirSync(at('empty')), ['f']);
    assert.equal(readdirSync(dir).sort(), ['empty', 'file', 'full']);
  });
}

function removeTests(test: PosixTest): void {
  test('a file that is open goes on without a name', (dir) => {
    const path = join(dir, 'f');
    const fd = openSync(path, 'w+');
    writeSync(fd, 'before');
    unlinkSync(path);
    assert.not(existsSync(path));
    writeSync(fd, ' and after');
    const all = Buffer.alloc(100);
    assert.is(all.toString('utf8', 0, readSync(fd, all, 0, 100, 0)), 'before and after');
    ftruncateSync(fd, 3);
    assert.is(fstatSync(fd).size, 3);
    assert.is(fstatSync(fd).nlink, 0);
    writeFileSync(path, 'another');
    assert.is.not(statSync(path).ino, fstatSync(fd).ino);
    closeSync(fd);
    assert.is(readFileSync(path, 'utf8'), 'another');
  });

  test('remove says what is wrong', (dir) => {
    const at = (...names: string[]): string => join(dir, ...names);
    mkdirSync(at('d/e'), { recursive: true });
    writeFileSync(at('f'), '');
    assert.is(
      code(() => rmdirSync(at('d'))),
      'ENOTEMPTY',
    );
    assert.is(
      code(() => rmdirSync(at('f'))),
      'ENOTDIR',
    );
    assert.is(
      code(() => rmdirSync(at('none'))),
      'ENOENT',
    );
    assert.is(
      code(() => unlinkSync(at('d'))),
      'EISDIR',
    );
    assert.is(
      code(() => unlinkSync(at('none'))),
      'ENOENT',
    );
    assert.is(
      code(() => unlinkSync(at('f', 'x'))),
      'ENOTDIR',
    );
    assert.is(
      code(() => rmdirSync(`${dir}/d/.`)),
      'EINVAL',
    );
    assert.is(
      code(() => rmdirSync(`${dir}/d/e/..`)),
      'ENOTEMPTY',
    );
    rmdirSync(at('d/e'));
    rmdirSync(at('d'));
    assert.equal(readdirSync(dir), ['f']);
  });
}
