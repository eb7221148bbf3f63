import {
  mkdirSync,
  opendirSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { code, type PosixTest } from './support.ts';

/** Listing, counting, and removing whole trees. */
export function directoryTests(test: PosixTest): void {
  test('a directory counts its subdirectories as links', (dir) => {
    const links = statSync(dir).nlink;
    mkdirSync(join(dir, 'a'));
    mkdirSync(join(dir, 'b'));
    writeFileSync(join(dir, 'f'), '');
    assert.is(statSync(dir).nlink, links + 2);
    assert.is(statSync(join(dir, 'a')).nlink, 2);
    rmdirSync(join(dir, 'a'));
    assert.is(statSync(dir).nlink, links + 1);
    assert.is(
      code(() => mkdirSync(join(dir, 'b'))),
      'EEXIST',
    );
    assert.is(
      code(() => mkdirSync(join(dir, 'f'))),
      'EEXIST',
    );
    assert.is(
      code(() => readdirSync(join(dir, 'f'))),
      'ENOTDIR',
    );
    assert.is(
      code(() => readdirSync(join(dir, 'none'))),
      'ENOENT',
    );
  });

  test('lists thousands of entries, each once, with its type', (dir) => {
    const expected: string[] = [];
    for (let i = 0; i < 3000; i++) {
      const name = `entry-with-a-name-that-takes-some-room-${i}`;
      if (i % 100 === 0) mkdirSync(join(dir, name));
      else writeFileSync(join(dir, name), '');
      expected.push(name);
    }
    const entries = readdirSync(dir, { withFileTypes: true });
    assert.equal(entries.map(({ name }) => name).sort(), expected.sort());
    assert.is(entries.filter((entry) => entry.isDirectory()).length, 30);
    assert.is(entries.filter((entry) => entry.isFile()).length, 2970);
  });

  test('a listing goes on while what it named is deleted', (dir) => {
    for (let i = 0; i < 2000; i++) writeFileSync(join(dir, `f${i}`), '');
    const seen = new Set<string>();
    const listing = opendirSync(dir, { bufferSize: 32 });
    for (let entry = listing.readSync(); entry !== null; entry = listing.readSync()) {
      assert.not(seen.has(entry.name), `${entry.name} twice`);
      seen.add(entry.name);
      unlinkSync(join(dir, entry.name));
    }
    listing.closeSync();
    assert.is(seen.size, 2000);
    assert.equal(readdirSync(dir), []);
  });

  test('shows what changed in the next listing', (dir) => {
    for (let round = 0; round < 20; round++) {
      writeFileSync(join(dir, `n${round}`), '');
      assert.equal(readdirSync(dir), [`n${round}`]);
      renameSync(join(dir, `n${round}`), join(dir, `m${round}`));
      assert.equal(readdirSync(dir), [`m${round}`]);
      unlinkSync(join(dir, `m${round}`));
      assert.equal(readdirSync(dir), []);
    }
  });

  test('removes a deep and wide tree', (dir) => {
    let path = join(dir, 'tree');
    for (let depth = 0; depth < 30; depth++) {
      mkdirSync(path);
      for (let i = 0; i < 10; i++) writeFileSync(join(path, `f${i}`), 'x');
      path = join(path, 'deeper');
    }
    rmSync(join(dir, 'tree'), { recursive: true });
    assert.equal(readdirSync(dir), []);
  });

  test('an open directory that was removed is empty', (dir) => {
    mkdirSync(join(dir, 'd'));
    const listing = opendirSync(join(dir, 'd'));
    rmdirSync(join(dir, 'd'));
    assert.is(listing.readSync(), null);
    listing.closeSync();
    assert.is(
      code(() => writeFileSync(join(dir, 'd', 'f'), '')),
      'ENOENT',
    );
  });

  test('changes of the entries change the times of the directory', (dir) => {
    const inner = join(dir, 'd');
    mkdirSync(inner);
    const changes: [string, () => void][] = [
      ['create', () => writeFileSync(join(inner, 'f'), '')],
      ['rename', () => renameSync(join(inner, 'f'), join(inner, 'g'))],
      ['unlink', () => unlinkSync(join(inner, 'g'))],
      ['mkdir', () => mkdirSync(join(inner, 'e'))],
      ['rmdir', () => rmdirSync(join(inner, 'e'))],
    ];
    for (const [what, change] of changes) {
      const before = statSync(inner, { bigint: true }).mtimeNs;
      // Clocks of file systems go on in steps of some milliseconds.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 12);
      change();
      const after = statSync(inner, { bigint: true });
      assert.ok(after.mtimeNs > before, what);
      assert.is(after.ctimeNs, after.mtimeNs);
    }
  });
}
