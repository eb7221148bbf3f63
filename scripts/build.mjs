// Builds dist/: the WebAssembly kernels and the TypeScript, each only when its sources are newer than what is built.
import { chmodSync, existsSync, mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { newest, nodePath, root, run, say } from './lib.mjs';

/** A file whose time says when this part was last built with success. */
function stamp(name) {
  return join(root, 'build', `${name}.stamp`);
}

function isStale(name, sources, endings, product) {
  if (!existsSync(join(root, product)) || !existsSync(stamp(name))) return true;
  return newest(sources, endings) > newest([`build/${name}.stamp`], ['.stamp']);
}

function build(name, sources, endings, product, make) {
  if (!isStale(name, sources, endings, product)) return;
  const started = new Date();
  say(`building ${name}`);
  make();
  mkdirSync(join(root, 'build'), { recursive: true });
  writeFileSync(stamp(name), '');
  // The time at which the build began: a source changed meanwhile is newer.
  utimesSync(stamp(name), started, started);
}

const tool = (name) => join(root, 'node_modules', '.bin', name);

build('wasm', ['assembly', 'asconfig.json'], ['.ts', '.json'], 'dist/workers/kernels.wasm', () => {
  run(nodePath(), [tool('asc'), '--config', 'asconfig.json', '--target', 'release']);
});
build('typescript', ['src', 'tsconfig.json', 'package-lock.json'], ['.ts', '.json'], 'dist/index.js', () => {
  run(nodePath(), [tool('tsc'), '-p', 'tsconfig.json']);
  chmodSync(join(root, 'dist/cli/main.js'), 0o755);
});
