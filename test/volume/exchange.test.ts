import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { FsError, VolumeError } from '../../dist/base/errors.js';
import { exportVersion, importVolume } from '../../dist/volume/exchange.js';
import { VersionTree, type TreeEntry } from '../../dist/volume/version-tree.js';
import { Volume } from '../../dist/volume/volume.js';
import { cli } from '../cli/terminal.ts';

const test = suite('adopting and exporting');
const script = fileURLToPath(new URL('../oracle/make-juicefs-volume.py', import.meta.url));
let folder: string;
let index: string;
let bucket: string;

test.before.each(() => {
  folder = mkdtempSync(join(tmpdir(), 'forkfs-test-'));
  index = join(folder, 'index.db');
  bucket = pathToFileURL(join(folder, 'bucket')).href;
  const options = [
    '--index',
    index,
    '--bucket',
    join(folder, 'bucket'),
    '--name',
    'vol',
    '--manifest',
    join(folder, 'manifest'),
  ];
  const made = spawnSync('python3', [script, ...options], { encoding: 'utf8' });
  if (made.status !== 0) throw new Error(`python3: ${made.error?.message ?? made.stderr}`);
});
test.after.each(() => rmSync(folder, { recursive: true, force: true }));

const TYPES: Record<TreeEntry['type'], number> = {
  file: 0o100000,
  directory: 0o040000,
  symlink: 0o120000,
  fifo: 0o010000,
  block: 0o060000,
  char: 0o020000,
  socket: 0o140000,
};

/** The oracle's manifest of a version: path, mode, links, owner, device, size, mtime, sha256, target. */
async function manifest(tree: VersionTree): Promise<string[]> {
  const lines: string[] = [];
  const visit = async (path: string, entry: TreeEntry): Promise<void> => {
    const mode = (TYPES[entry.type] | entry.mode).toString(8).padStart(6, '0');
    const ns = BigInt(entry.mtime.sec) * 1_000_000_000n + BigInt(entry.mtime.nsec);
    const hash = createHash('sha256');
    if (entry.type === 'file') for await (const piece of tree.read(path)) hash.update(piece);
    const sha256 = entry.type === 'file' ? hash.digest('hex') : '-';
    const owner = `${entry.uid}:${entry.gid}`;
    const shown = path.replace(/[^!-$&-~]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`);
    lines.push([shown, mode, entry.nlink, owner, entry.rdev, entry.size, ns, sha256, entry.target ?? '-'].join('\t'));
    if (entry.type !== 'directory') return;
    for (const child of tree.list(path)) await visit(path === '/' ? `/${child.name}` : `${path}/${child.name}`, child);
  };
  await visit('/', tree.stat('/'));
  return lines.toSorted();
}

function expected(): string[] {
  const lines = readFileSync(join(folder, 'manifest'), 'latin1').trimEnd().split('\n');
  return lines.map((line) => line.split('\t').slice(0, 9).join('\t')).toSorted();
}

async function refusal(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    return (error as VolumeError).kind ?? (error as FsError).code;
  }
  return 'none';
}

test('an adopted volume shows what it held, and nothing is copied', async () => {
  const before = readdirSync(join(folder, 'bucket', 'vol', 'chunks'), { recursive: true }).length;
  const { locator, retired } = await importVolume(index, bucket);
  assert.is(readdirSync(join(folder, 'bucket', 'vol', 'chunks'), { recursive: true }).length, before);
  using tree = await VersionTree.open(locator);
  assert.equal(await manifest(tree), expected());
  assert.not.ok(existsSync(index), 'the old index is out of the way');
  assert.ok(existsSync(retired));
});

test('is adopted once, and forked without its data', async () => {
  const { locator, retired } = await importVolume(index, bucket);
  assert.is(await refusal(importVolume(retired, bucket)), 'exists');
  const fork = await (await Volume.fromLocator(locator)).fork('branch');
  using tree = await VersionTree.open(fork.locator!);
  assert.equal(await manifest(tree), expected());
});

test('refuses a bucket that is not the volume’s', async () => {
  assert.is(await refusal(importVolume(index, pathToFileURL(join(folder, 'elsewhere')).href)), 'not-found');
  writeFileSync(join(folder, 'bucket', 'vol', 'juicefs_uuid'), '00000000-0000-4000-8000-000000000000');
  assert.is(await refusal(importVolume(index, bucket)), 'invalid');
  assert.ok(existsSync(index), 'a refused index stays where it is');
});

test('an export is a file of its own, with a range of ids of its own', async () => {
  const { locator } = await importVolume(index, bucket);
  const out = join(folder, 'out.db');
  const sessions = (): number => {
    const path = join(folder, 'bucket', 'vol', 'sessions');
    return existsSync(path) ? readdirSync(path).length : 0;
  };
  const before = sessions();
  await exportVersion(locator, out);
  assert.is(readFileSync(out).subarray(0, 15).toString(), 'SQLite format 3');
  assert.is(sessions(), before + 1);
  assert.is(await refusal(exportVersion(locator, out)), 'exists');
});

test('the command line adopts, prints the locator alone, lists and prints files', async () => {
  const adopted = await cli('import-index', index, '--bucket', bucket);
  assert.is(adopted.code, 0, adopted.err);
  assert.match(adopted.out, /^file:\/\/\S+volume\.json\n$/);
  const locator = adopted.out.trim();
  const listed = await cli('ls', locator, '/dir');
  assert.is(listed.out, 'big.bin\nsub\nsym\n');
  const long = JSON.parse((await cli('ls', locator, '--json')).out) as { name: string; nameBase64?: string }[];
  assert.ok(
    long.some((entry) => entry.nameBase64 !== undefined),
    'a name that is not UTF-8 is exact',
  );
  assert.is((await cli('cat', locator, '/dir/sub')).code, 1);
  assert.is((await cli('cat', locator, '/nothing')).code, 1);
  assert.is((await cli('stat', locator, '/dir/sym', '--json')).code, 0);
});

test('a block that is missing or cut is an error of that file alone', async () => {
  const { locator } = await importVolume(index, bucket);
  const blocks = readdirSync(join(folder, 'bucket', 'vol', 'chunks'), { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, 'bucket', 'vol', 'chunks', name))
    .filter((path) => statSync(path).isFile());
  using tree = await VersionTree.open(locator);
  const readable = async (): Promise<number> => {
    let count = 0;
    for (const entry of tree.list('/')) {
      if (entry.type !== 'file') continue;
      const read = async (): Promise<void> => {
        for await (const piece of tree.read(`/${entry.name}`)) assert.ok(piece.length > 0);
      };
      const kind = await refusal(read());
      if (kind === 'none') count++;
      else assert.is(kind, 'EIO');
    }
    return count;
  };
  const all = await readable();
  rmSync(blocks[0]!);
  truncateSync(blocks[1]!, 10);
  const left = await readable();
  assert.ok(left < all && left > 0, `${left} of ${all}`);
});

test.run();
