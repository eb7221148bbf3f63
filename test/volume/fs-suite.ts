import { suite, type Test } from 'uvu';
import * as assert from 'uvu/assert';
import type { VolumeFs } from '../../dist/index.js';

/** A file system to try, and the folder in it that is the test's own. */
export interface Subject {
  fs: VolumeFs;
  top: string;
}

type Body = (fs: VolumeFs, top: string) => Promise<void>;

async function codeOf(work: Promise<unknown>): Promise<string | undefined> {
  try {
    await work;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  }
  return undefined;
}

/** What must be the same of every file system; node's own on a plain folder is the judge. The caller runs it. */
export function fsSuite(name: string, subject: () => Subject, after: () => Promise<void>): Test {
  const test = suite(name);
  const check = (what: string, body: Body): void => {
    let count = 0;
    test(what, async () => {
      const { fs, top } = subject();
      const folder = `${top}/${what.replace(/\W+/g, '-')}-${++count}`;
      await fs.mkdir(folder);
      await body(fs, folder);
    });
  };

  check('removes a tree of many entries and levels', async (fs, top) => {
    for (let i = 0; i < 600; i++) {
      const folder = `${top}/tree/a${i % 3}/b${i % 5}`;
      await fs.mkdir(folder, { recursive: true });
      await fs.writeFile(`${folder}/f${i}`, '');
    }
    assert.is((await codeOf(fs.rm(`${top}/tree`))) === undefined, false, 'only when it is told to');
    await fs.rm(`${top}/tree`, { recursive: true });
    assert.equal(await fs.readdir(top), []);
  });

  check('reads what was written, as bytes and as text', async (fs, top) => {
    await fs.writeFile(`${top}/f`, 'zurück');
    assert.is(await fs.readFile(`${top}/f`, 'utf8'), 'zurück');
    assert.equal(await fs.readFile(`${top}/f`), Buffer.from('zurück'));
    await fs.writeFile(`${top}/f`, new Uint8Array([1, 2]));
    assert.equal(await fs.readFile(`${top}/f`), Buffer.from([1, 2]));
    await fs.appendFile(`${top}/f`, Buffer.from([3]));
    assert.is((await fs.stat(`${top}/f`)).size, 3);
    assert.is(await codeOf(fs.writeFile(`${top}/f`, '', { flag: 'wx' })), 'EEXIST');
    assert.is(await codeOf(fs.readFile(`${top}/none`)), 'ENOENT');
    assert.is(await codeOf(fs.readFile(top)), 'EISDIR');
  });

  check('moves large files in pieces', async (fs, top) => {
    const large = Buffer.alloc(20 * 1024 * 1024 + 7);
    for (let i = 0; i < large.length; i += 4093) large[i] = i % 251;
    await fs.writeFile(`${top}/large`, large);
    assert.ok((await fs.readFile(`${top}/large`)).equals(large));
    await using file = await fs.open(`${top}/large`, 'r+');
    const part = Buffer.alloc(9 * 1024 * 1024);
    assert.is((await file.read(part, 0, part.length, 5_000_000)).bytesRead, part.length);
    assert.ok(part.equals(large.subarray(5_000_000, 5_000_000 + part.length)));
    await file.write(part, 0, part.length, 12 * 1024 * 1024);
    assert.is((await file.stat()).size, 21 * 1024 * 1024);
  });

  check('makes, lists and removes directories', async (fs, top) => {
    assert.ok(String(await fs.mkdir(`${top}/a/b/c`, { recursive: true })).endsWith('/a'));
    assert.is(await fs.mkdir(`${top}/a/b`, { recursive: true }), undefined);
    await fs.writeFile(`${top}/a/f`, '');
    assert.equal((await fs.readdir(`${top}/a`)).toSorted(), ['b', 'f']);
    const entries = await fs.readdir(`${top}/a`, { withFileTypes: true });
    assert.equal(
      entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name),
      ['b'],
    );
    assert.equal((await fs.readdir(top, { recursive: true })).toSorted(), ['a', 'a/b', 'a/b/c', 'a/f']);
    assert.is(await codeOf(fs.mkdir(`${top}/a`)), 'EEXIST');
    assert.is(await codeOf(fs.rmdir(`${top}/a`)), 'ENOTEMPTY');
    assert.is(await codeOf(fs.readdir(`${top}/a/f`)), 'ENOTDIR');
    await fs.rm(`${top}/a`, { recursive: true });
    assert.equal(await fs.readdir(top), []);
    assert.is(await codeOf(fs.rm(`${top}/a`)), 'ENOENT');
    await fs.rm(`${top}/a`, { force: true });
  });

  check('keeps names that are not text', async (fs, top) => {
    const odd = Buffer.concat([Buffer.from(`${top}/`), Buffer.from([0x66, 0xff, 0xfe])]);
    await fs.writeFile(odd, 'odd');
    assert.is(await fs.readFile(odd, 'utf8'), 'odd');
    assert.equal(await fs.readdir(top, 'buffer'), [Buffer.from([0x66, 0xff, 0xfe])]);
    await fs.unlink(odd);
  });

  check('links, both kinds', async (fs, top) => {
    await fs.writeFile(`${top}/f`, 'x');
    await fs.link(`${top}/f`, `${top}/hard`);
    assert.is((await fs.stat(`${top}/hard`)).nlink, 2);
    await fs.symlink('f', `${top}/soft`);
    assert.is(await fs.readlink(`${top}/soft`), 'f');
    assert.ok((await fs.lstat(`${top}/soft`)).isSymbolicLink());
    assert.ok((await fs.stat(`${top}/soft`)).isFile());
    await fs.symlink('loop', `${top}/loop`);
    assert.is(await codeOf(fs.stat(`${top}/loop`)), 'ELOOP');
    assert.is(await codeOf(fs.readlink(`${top}/f`)), 'EINVAL');
    assert.is(await codeOf(fs.symlink('f', `${top}/soft`)), 'EEXIST');
    await fs.unlink(`${top}/f`);
    assert.is(await fs.readFile(`${top}/hard`, 'utf8'), 'x');
    assert.is(await codeOf(fs.readFile(`${top}/soft`)), 'ENOENT');
  });

  check('renames and replaces', async (fs, top) => {
    await fs.writeFile(`${top}/a`, 'a');
    await fs.writeFile(`${top}/b`, 'b');
    await fs.rename(`${top}/a`, `${top}/b`);
    assert.is(await fs.readFile(`${top}/b`, 'utf8'), 'a');
    await fs.mkdir(`${top}/d`);
    assert.is(await codeOf(fs.rename(`${top}/b`, `${top}/d`)), 'EISDIR');
    assert.is(await codeOf(fs.rename(`${top}/d`, `${top}/b`)), 'ENOTDIR');
    assert.is(await codeOf(fs.rename(`${top}/none`, `${top}/x`)), 'ENOENT');
    assert.is(await codeOf(fs.rename(`${top}/d`, `${top}/d/in/itself`)), 'ENOENT');
    assert.is(await codeOf(fs.rename(`${top}/d`, `${top}/d/x`)), 'EINVAL');
  });

  check('truncates, and fills with zeros', async (fs, top) => {
    await fs.writeFile(`${top}/f`, '123456');
    await fs.truncate(`${top}/f`, 3);
    await fs.truncate(`${top}/f`, 5);
    assert.equal(await fs.readFile(`${top}/f`), Buffer.from('123\0\0'));
    await fs.truncate(`${top}/f`);
    assert.is((await fs.stat(`${top}/f`)).size, 0);
  });

  check('sets modes, owners and times', async (fs, top) => {
    await fs.writeFile(`${top}/f`, '', { mode: 0o600 });
    assert.is((await fs.stat(`${top}/f`)).mode & 0o777, 0o600);
    await fs.chmod(`${top}/f`, 0o751);
    assert.is((await fs.stat(`${top}/f`)).mode & 0o7777, 0o751);
    await fs.chmod(`${top}/f`, '640');
    assert.is((await fs.stat(`${top}/f`)).mode & 0o7777, 0o640);
    await fs.utimes(`${top}/f`, 1_000_000_000.25, new Date(1_500_000_000_125));
    const { atimeMs, mtimeMs } = await fs.stat(`${top}/f`);
    assert.equal([atimeMs, mtimeMs], [1_000_000_000_250, 1_500_000_000_125]);
    await fs.symlink('f', `${top}/s`);
    await fs.lutimes(`${top}/s`, 1, 2);
    assert.is((await fs.lstat(`${top}/s`)).mtimeMs, 2000);
    assert.is((await fs.stat(`${top}/s`)).mtimeMs, 1_500_000_000_125);
    const { uid, gid } = await fs.stat(`${top}/f`);
    await fs.chown(`${top}/f`, uid, gid);
    assert.is((await fs.stat(`${top}/f`, { bigint: true })).mtimeNs, 1_500_000_000_125_000_000n);
  });

  check('serves open files', async (fs, top) => {
    await using file = await fs.open(`${top}/f`, 'w+');
    await file.write('hello');
    await file.write(Buffer.from('HELLO'), 1, 3, 10);
    await file.appendFile('!');
    assert.equal(await fs.readFile(`${top}/f`), Buffer.from('hello!\0\0\0\0ELL'));
    const buffer = Buffer.alloc(20);
    assert.is((await file.read(buffer, 0, 20, 10)).bytesRead, 3);
    assert.is((await file.read(buffer, 0, 20, 13)).bytesRead, 0);
    await file.truncate(2);
    assert.is((await file.stat()).size, 2);
    await file.chmod(0o600);
    await file.utimes(1, 2);
    assert.is((await file.stat()).mtimeMs, 2000);
    await file.sync();
    await file.datasync();
    await fs.unlink(`${top}/f`);
    assert.is((await file.read(buffer, 0, 20, 0)).bytesRead, 2, 'usable after unlink');
    assert.is(await codeOf(fs.stat(`${top}/f`)), 'ENOENT');
  });

  check('appends at the end whatever the position', async (fs, top) => {
    await fs.writeFile(`${top}/f`, 'abc');
    await using file = await fs.open(`${top}/f`, 'a');
    await file.write('d');
    await fs.appendFile(`${top}/f`, 'e');
    await file.write('f');
    assert.is(await fs.readFile(`${top}/f`, 'utf8'), 'abcdef');
    assert.is(await codeOf(file.read(Buffer.alloc(1), 0, 1, 0)), 'EBADF');
  });

  check('says what the system would say', async (fs, top) => {
    await fs.writeFile(`${top}/f`, '');
    assert.is(await codeOf(fs.stat(`${top}/f/below`)), 'ENOTDIR');
    assert.is(await codeOf(fs.unlink(`${top}/none`)), 'ENOENT');
    assert.is(await codeOf(fs.writeFile(`${top}/${'x'.repeat(256)}`, '')), 'ENAMETOOLONG');
    assert.is(await codeOf(fs.mkdir(`${top}/none/below`)), 'ENOENT');
    assert.is(await codeOf(fs.access(`${top}/f`)), undefined);
    assert.is(await codeOf(fs.access(`${top}/none`)), 'ENOENT');
    assert.is(await codeOf(fs.open(`${top}/none`)), 'ENOENT');
  });

  check('does many things at one time', async (fs, top) => {
    const names = Array.from({ length: 200 }, (_, i) => `${top}/file-${i}`);
    await Promise.all(names.map((path, i) => fs.writeFile(path, `${i}`.repeat(100))));
    const texts = await Promise.all(names.map((path) => fs.readFile(path, 'utf8')));
    assert.ok(texts.every((text, i) => text === `${i}`.repeat(100)));
    await Promise.all(names.map((path) => fs.unlink(path)));
    assert.equal(await fs.readdir(top), []);
  });

  test.after(after);
  return test;
}
