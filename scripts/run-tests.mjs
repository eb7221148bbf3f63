// Runs the test files, each in a process of its own under a time limit, and ends with real counts.
//
//   node scripts/run-tests.mjs [--slow | --all] [PART-OF-A-PATH ...]
//
// Files named *.slow.test.ts run only with --slow or --all. uvu prints a summary for each suite; these lines are read here
// and added up. A file that ends without a summary, or past its limit, is one failure. Skips are counted: with CI=true a
// skip that test/allowed-skips.txt does not list is a failure. A file with the line `// needs: mount` is skipped where nothing
// can be mounted.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { nodePath, projectEnv, root, say } from './lib.mjs';

const FILE_LIMIT_S = 300;
const args = process.argv.slice(2);
const filters = args.filter((arg) => !arg.startsWith('--'));
const isCi = process.env.CI === 'true';

function testFiles(directory = join(root, 'test')) {
  return readdirSync(directory, { withFileTypes: true })
    .flatMap((entry) => {
      const path = join(directory, entry.name);
      if (entry.isDirectory()) return testFiles(path);
      return entry.name.endsWith('.test.ts') ? [relative(root, path)] : [];
    })
    .sort();
}

function chosen(file) {
  if (filters.length > 0) return filters.some((part) => file.includes(part));
  const isSlow = file.endsWith('.slow.test.ts');
  if (args.includes('--all')) return true;
  return args.includes('--slow') ? isSlow : !isSlow;
}

/** Why nothing can be mounted here; '' when it can. */
function mountRefusal() {
  const asked = spawnSync(nodePath(), [join(root, 'scripts', 'mount-refusal.mjs')], {
    encoding: 'utf8',
    env: projectEnv(),
  });
  return asked.status === 0 ? asked.stdout.trim() : asked.stderr.trim();
}

function needsMount(file) {
  return /^\/\/ needs: mount$/m.test(readFileSync(join(root, file), 'utf8'));
}

/** Runs one file; on the limit its whole process group is ended. */
function runFile(file) {
  return new Promise((resolve) => {
    const started = Date.now();
    const child = spawn(nodePath(), ['--disable-warning=ExperimentalWarning', file], {
      cwd: root,
      env: projectEnv({ FORCE_COLOR: '0', NO_COLOR: '1' }),
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    let output = '';
    child.stdout.on('data', (data) => (output += data));
    child.stderr.on('data', (data) => (output += data));
    let isLate = false;
    const limit = setTimeout(() => {
      isLate = true;
      endGroup(child.pid);
    }, FILE_LIMIT_S * 1000);
    // 'exit', not 'close': a daemon that outlives a failed test may hold the pipes open.
    child.on('exit', (code, signal) => {
      clearTimeout(limit);
      setTimeout(() => {
        endGroup(child.pid);
        resolve({ file, output, code, signal, isLate, seconds: (Date.now() - started) / 1000 });
      }, 20);
    });
  });
}

function endGroup(pid) {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

function sum(output, word) {
  let total = 0;
  for (const [, count] of output.matchAll(new RegExp(`^\\s*${word}:\\s+(\\d+)`, 'gm'))) total += Number(count);
  return total;
}

function judge({ file, output, code, signal, isLate, seconds }) {
  const total = sum(output, 'Total');
  const passed = sum(output, 'Passed');
  const skipped = sum(output, 'Skipped');
  // uvu counts a test that threw in Total and not in Passed.
  let failed = total - passed;
  const reasons = [];
  if (isLate) reasons.push(`not finished after ${FILE_LIMIT_S} s`);
  else if (code !== 0) reasons.push(signal ? `ended by ${signal}` : `exit code ${code}`);
  // A test that finds its need missing says so: "SKIP <what>: <why>". uvu may have put its bullets in front.
  const skips = [...output.matchAll(/^(?:.*[•✘] *)?SKIP (.+)$/gm)].map((match) => match[1]);
  if (total + skipped + skips.length === 0) reasons.push('no suite ran (is .run() missing?)');
  if (reasons.length > 0 && failed === 0) failed = 1;
  return { file, passed, failed, skipped: skipped + skips.length, skips, reasons, output, seconds };
}

function allowedSkips() {
  const path = join(root, 'test', 'allowed-skips.txt');
  if (!existsSync(path)) return [];
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
}

const files = testFiles().filter(chosen);
if (files.length === 0) {
  say('no test file matches');
  process.exit(1);
}
const allowed = allowedSkips();
const refusal = files.some(needsMount) ? mountRefusal() : '';
if (refusal !== '') say(`nothing can be mounted here, so the tests that need it are skipped: ${refusal}`);
const totals = { passed: 0, failed: 0, skipped: 0 };
const bad = [];
for (const [i, file] of files.entries()) {
  const isRefused = refusal !== '' && needsMount(file);
  const skipped = { file, output: `SKIP ${file}: ${refusal}`, code: 0, signal: null, isLate: false, seconds: 0 };
  const result = judge(isRefused ? skipped : await runFile(file));
  const unlisted = isCi ? result.skips.filter((skip) => !allowed.some((line) => skip.startsWith(line))) : [];
  if (isCi && result.skipped > result.skips.length) unlisted.push(`${file}: a test is skipped in its source`);
  result.failed += unlisted.length;
  totals.passed += result.passed;
  totals.failed += result.failed;
  totals.skipped += result.skipped;
  const mark = result.failed > 0 ? 'FAIL' : 'ok  ';
  const counts = `${result.passed} passed${result.failed ? `, ${result.failed} failed` : ''}${result.skipped ? `, ${result.skipped} skipped` : ''}`;
  console.log(
    `[${i + 1}/${files.length}] ${mark} ${file}  ${counts}  ${result.seconds.toFixed(1)} s ${result.reasons.join('; ')}`,
  );
  for (const skip of result.skips) console.log(`    skipped: ${skip}`);
  for (const skip of unlisted) console.log(`    not on the list of allowed skips: ${skip}`);
  if (result.failed > 0) {
    bad.push(file);
    console.log(result.output.replace(/^/gm, '    ').slice(-20_000));
  }
}
if (bad.length > 0) console.log(`\nfailed files:\n  ${bad.join('\n  ')}`);
console.log('');
console.log(`${totals.passed} passed, ${totals.failed} failed${totals.skipped ? `, ${totals.skipped} skipped` : ''}`);
process.exit(totals.failed === 0 ? 0 : 1);
