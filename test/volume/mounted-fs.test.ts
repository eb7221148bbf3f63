import { mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { mountedFs } from '../../dist/volume/mounted-fs.js';

const test = suite('volume.fs of a mount');
let folder: string;

test.before.each(() => {
  folder = mkdtempSync(join(tmpdir(), 'forkfs-test-'));
});
test.after.each(() => rmSync(folder, { recursive: true, force: true }));

test('is node:fs on the mount path', async () => {
  const fs = mountedFs(folder);
  assert.is(await fs.mkdir('/a/b', { recursive: true }), '/a');
  await fs.writeFile('a/b/f', 'text');
  assert.is(readFileSync(join(folder, 'a/b/f'), 'utf8'), 'text');
  await fs.rename('/a/b/f', '/g');
  await fs.link('/g', '/h');
  assert.is((await fs.stat('/h')).nlink, 2);
  await fs.symlink('g', '/s');
  assert.is(readlinkSync(join(folder, 's')), 'g');
  assert.equal((await fs.readdir('/')).sort(), ['a', 'g', 'h', 's']);
  await using file = await fs.open('/g');
  assert.is(await file.readFile('utf8'), 'text');
  await fs.rm('/a', { recursive: true });
});

test('never leaves the mount by dots', async () => {
  const fs = mountedFs(join(folder));
  writeFileSync(join(folder, 'f'), 'inside');
  assert.is(await fs.readFile('/../../../f', 'utf8'), 'inside');
  assert.is(await fs.readFile(Buffer.from('../f'), 'utf8'), 'inside');
});

test('takes names that are not UTF-8', async () => {
  const fs = mountedFs(folder);
  const odd = Buffer.from([0x66, 0xff]);
  await fs.writeFile(odd, 'odd');
  assert.equal(await fs.readdir('/', 'buffer'), [odd]);
});

test.run();
