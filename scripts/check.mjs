// npm run check: types, lint, format, and what a package must be.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { nodePath, projectEnv, root, say } from './lib.mjs';

const tool = (name) => join(root, 'node_modules', '.bin', name);
let failed = 0;

function step(name, ok) {
  say(`${ok ? 'ok  ' : 'FAIL'} ${name}`);
  if (!ok) failed++;
}

function passes(...args) {
  return spawnSync(nodePath(), args, { cwd: root, stdio: 'inherit', env: projectEnv() }).status === 0;
}

/** What `npm pack` would ship: everything that package.json points at, and nothing of the tests. */
function packageIsWhole() {
  const packed = spawnSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: root,
    encoding: 'utf8',
    env: projectEnv(),
  });
  if (packed.status !== 0) return false;
  const report = JSON.parse(packed.stdout);
  const [entry] = Array.isArray(report) ? report : Object.values(report);
  const shipped = new Set(entry.files.map((file) => file.path));
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const needed = [
    ...Object.values(manifest.bin),
    ...Object.values(manifest.exports['.']),
    'dist/workers/kernels.wasm',
    'LICENSE',
    'README.md',
    'CHANGELOG.md',
  ].map((path) => path.replace(/^\.\//, ''));
  const missing = needed.filter((path) => !shipped.has(path) || !existsSync(join(root, path)));
  const stray = [...shipped].filter((path) => /^(test|bench|scripts|assembly|src|build)\//.test(path));
  if (missing.length > 0) say(`not in the package: ${missing.join(', ')}`);
  if (stray.length > 0) say(`should not be in the package: ${stray.join(', ')}`);
  return missing.length === 0 && stray.length === 0;
}

step('types of src', passes(tool('tsc'), '-p', 'tsconfig.json', '--noEmit', '--incremental', 'false'));
step('types of test, bench and examples', passes(tool('tsc'), '-p', 'tsconfig.test.json', '--incremental', 'false'));
step('lint', passes(tool('oxlint'), '--type-aware', '--deny-warnings', 'src', 'test', 'bench', 'examples', 'scripts'));
step('format', passes(tool('prettier'), '--check', '--log-level', 'warn', '.'));
step('package', packageIsWhole());
process.exit(failed === 0 ? 0 : 1);
