import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

function filesBelow(directory: string, ending: string): string[] {
  return readdirSync(join(root, directory), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending))
    .map((name) => join(directory, name));
}

const read = (file: string): string => readFileSync(join(root, file), 'utf8');

/** What each room of src/ may import besides itself. */
const ROOMS: Record<string, readonly string[]> = {
  base: [],
  cloud: ['base'],
  workers: ['base'],
  meta: ['base', 'workers'],
  chunk: ['base', 'cloud', 'workers', 'meta'],
  version: ['base', 'cloud', 'workers', 'meta', 'chunk'],
  vfs: ['base', 'meta', 'chunk'],
  fuse: ['base', 'meta', 'chunk', 'vfs'],
  mount: ['base', 'cloud', 'workers', 'meta', 'chunk', 'version', 'vfs', 'fuse'],
  volume: ['base', 'cloud', 'workers', 'meta', 'chunk', 'version', 'vfs', 'fuse', 'mount'],
  cli: ['base', 'cloud', 'workers', 'meta', 'chunk', 'version', 'vfs', 'fuse', 'mount', 'volume'],
  demo: ['base', 'cloud', 'workers', 'meta', 'chunk', 'version', 'vfs', 'fuse', 'mount', 'volume', 'cli'],
};

function importsOf(file: string): string[] {
  return [...read(file).matchAll(/(?:from|import)\s*\(?\s*'(\.[^']*)'/g)].map(([, path]) =>
    relative(join(root, 'src'), resolve(root, dirname(file), path!)),
  );
}

test('rooms import only what lies below them', () => {
  const wrong: string[] = [];
  for (const file of filesBelow('src', '.ts')) {
    const [room] = relative('src', file).split('/');
    if (room === undefined || room.endsWith('.ts')) continue;
    const allowed = ROOMS[room];
    if (allowed === undefined) wrong.push(`${file}: src/${room} is not a room`);
    for (const imported of importsOf(file)) {
      const [target] = imported.split('/');
      if (target !== room && !allowed?.includes(target!)) wrong.push(`${file} imports ${imported}`);
    }
  }
  assert.equal(wrong, []);
});

test('the protocol room imports base only', () => {
  const wrong = filesBelow('src/fuse/protocol', '.ts').flatMap((file) =>
    importsOf(file)
      .filter((path) => !path.startsWith('base/') && !path.startsWith('fuse/protocol/'))
      .map((path) => `${file} imports ${path}`),
  );
  assert.equal(wrong, []);
});

test('every uvu suite runs', () => {
  const silent = filesBelow('test', '.test.ts').filter((file) => !/\.run\(\)/.test(read(file)));
  assert.equal(silent, []);
});

test('each suite that is made is run', () => {
  const wrong: string[] = [];
  for (const file of filesBelow('test', '.test.ts')) {
    const text = read(file);
    const suites = [...text.matchAll(/(?:const|let) (\w+) = (?:uvu\.)?suite(?:<[^>]*>)?\(/g)].map(([, name]) => name!);
    for (const name of suites) if (!new RegExp(`\\b${name}\\.run\\(\\)`).test(text)) wrong.push(`${file}: ${name}`);
  }
  assert.equal(wrong, []);
});

test('no test is skipped or singled out in its source', () => {
  const wrong = filesBelow('test', '.ts').filter((file) => /^\s*\w+\.(only|skip)\(/m.test(read(file)));
  assert.equal(wrong, []);
});

test('clocks, random values and timers are drawn in base only', () => {
  const banned = /\b(Date\.now|Math\.random|setTimeout|setInterval)\(/;
  const wrong = filesBelow('src', '.ts').filter((file) => !file.startsWith('src/base/') && banned.test(read(file)));
  assert.equal(wrong, []);
});

test('files stay below their limit of lines', () => {
  const limits: [string, number][] = [['src', 600], ['assembly', 600], ['test', 800], ['bench', 600]]; // prettier-ignore
  const long = limits.flatMap(([directory, limit]) =>
    filesBelow(directory, '.ts')
      .map((file) => [file, read(file).split('\n').length] as const)
      .filter(([, lines]) => lines > limit),
  );
  assert.equal(long, []);
});

test('nothing is unfinished by its own words', () => {
  const words = /\b(TODO|FIXME|XXX|HACK|not yet implemented|not implemented)\b/;
  const wrong = ['src', 'assembly', 'bench', 'scripts'].flatMap((directory) =>
    [...filesBelow(directory, '.ts'), ...filesBelow(directory, '.mjs')].filter((file) => words.test(read(file))),
  );
  assert.equal(wrong, []);
});

test.run();
