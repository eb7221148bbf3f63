import { mkdtempSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { useCachedImage } from '../../dist/mount/index-cache.js';

const cache = suite('the cache of index images');
const directory = mkdtempSync(join(tmpdir(), 'forkfs-index-cache-'));
cache.after(() => rmSync(directory, { recursive: true }));

function file(name: string, bytes: number, ageS: number): string {
  const path = join(directory, name);
  writeFileSync(path, Buffer.alloc(bytes));
  const at = Date.now() / 1000 - ageS;
  utimesSync(path, at, at);
  return path;
}

cache('keeps what was used last below the limit, and what may be in use', () => {
  const used = file('used.db', 100, 9000);
  file('older.db', 100, 4000);
  file('oldest.db', 100, 5000);
  file('recent.db', 100, 10);
  file('broken.db.tmp', 1, 4000);
  file('under-way.db.tmp', 1, 10);
  useCachedImage(directory, used, 310);
  assert.equal(readdirSync(directory).sort(), ['older.db', 'recent.db', 'under-way.db.tmp', 'used.db']);
  assert.ok(statSync(used).mtimeMs > Date.now() - 60_000);
  useCachedImage(directory, used, 10);
  assert.equal(readdirSync(directory).sort(), ['recent.db', 'under-way.db.tmp', 'used.db']);
});

cache.run();
