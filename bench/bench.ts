/**
 * npm run bench [-- --files N] [--mb N] [--only local,null,juicefs-sqlite,juicefs-redis,forkfs] [--no-store]
 *
 * One table from one run: what one client feels on a local directory, on the null file system (the ceiling of this
 * transport), on JuiceFS with sqlite and with redis, and on forkfs with default options, all one after the other on the
 * same machine. Prints the table with ratios, stores it as JSON with the commit it was made from, and rewrites the table
 * in README.md. JuiceFS rows need `juicefs` (test/oracle/install-juicefs.sh) and redis-server; a peer that is missing is
 * said to be missing and its column stays empty.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, release, tmpdir, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Volume } from '../dist/index.js';
import { readmeTable, tableText, type BenchRun, type Column, type Row } from './table.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { values } = parseArgs({
  options: {
    files: { type: 'string', default: '10000' },
    mb: { type: 'string', default: '512' },
    only: { type: 'string', default: 'local,null,juicefs-sqlite,juicefs-redis,forkfs' },
    'no-store': { type: 'boolean', default: false },
  },
});
const size = [values.files, values.mb];
const work = mkdtempSync(join(tmpdir(), 'forkfs-bench-'));

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** The client is Python, in a process of its own, so that nothing of the file system under test runs in it. */
async function client(directory: string): Promise<Row> {
  const child = spawn('python3', [join(root, 'bench', 'fs_bench.py'), directory, ...size], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  for await (const piece of child.stdout) output += String(piece);
  return JSON.parse(output) as Row;
}

/** Peak resident memory of a process, in MB. */
function peakMemoryMb(pid: number): number {
  const line = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Math.round(Number(line?.[1] ?? 0) / 1024);
}

async function local(): Promise<Row> {
  const directory = join(work, 'local');
  mkdirSync(directory);
  const row = await client(directory);
  rmSync(directory, { recursive: true });
  return row;
}

async function waitFor(what: string, isThere: () => boolean): Promise<void> {
  for (let i = 0; i < 200; i++) {
    if (isThere()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${what} did not come up`);
}

async function nullFuse(): Promise<Row> {
  const directory = join(work, 'null');
  mkdirSync(directory);
  const server = spawn(process.execPath, [join(root, 'bench', 'null_fuse.cjs'), directory, '--xattr'], {
    stdio: 'inherit',
  });
  try {
    await waitFor('the null file system', () => readFileSync('/proc/self/mounts', 'utf8').includes(` ${directory} `));
    const row = await client(directory);
    row.peak_rss_mb = peakMemoryMb(server.pid!);
    return row;
  } finally {
    spawnSync('fusermount3', ['-u', '-z', directory]);
    server.kill();
  }
}

function juicefsPath(): string | undefined {
  const local = join(root, '.cache', 'juicefs', 'bin', 'juicefs');
  const found = process.env['JUICEFS'] ?? (existsSync(local) ? local : undefined);
  return found ?? (spawnSync('sh', ['-c', 'command -v juicefs'], { encoding: 'utf8' }).stdout.trim() || undefined);
}

function juicefs(kind: 'sqlite' | 'redis'): Row | undefined {
  const program = juicefsPath();
  if (program === undefined) return void say('  juicefs is missing: bash test/oracle/install-juicefs.sh');
  if (kind === 'redis' && spawnSync('redis-server', ['--version']).status !== 0)
    return void say('  redis-server is missing');
  const directory = join(work, `juicefs-${kind}`);
  const output = execFileSync('bash', [join(root, 'bench', 'peer_juicefs.sh'), kind, directory, ...size], {
    env: { ...process.env, JUICEFS: program },
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  rmSync(directory, { recursive: true, force: true });
  return JSON.parse(output.trim().split('\n').at(-1)!) as Row;
}

/** All rows from one mount with default options; then a volume of its own for the commit of small files. */
async function forkfs(): Promise<Row> {
  const bucket = `file://${join(work, 'forkfs', 'bucket')}`;
  const options = { metaDir: join(work, 'forkfs', 'meta'), cacheDir: join(work, 'forkfs', 'cache') };
  const volume = Volume.new({ name: 'bench', bucket });
  const path = await volume.mount({ ...options, mountPath: join(work, 'mnt') });
  let row: Row;
  try {
    row = await client(path);
    row.peak_rss_mb = peakMemoryMb((await volume.status()).pid!);
  } finally {
    await volume.abandon({ delete: true });
  }
  const small = Volume.new({ name: 'small', bucket });
  const smallPath = await small.mount({ ...options, mountPath: join(work, 'mnt') });
  try {
    const create =
      'import os,sys\nfor i in range(10000):\n d=f"{sys.argv[1]}/{i//500}"\n os.makedirs(d,exist_ok=True)\n open(f"{d}/{i}","wb").write(os.urandom(100))';
    execFileSync('python3', ['-c', create, smallPath]);
    const begun = performance.now();
    await small.commit();
    row.commit_10k_s = Math.round(performance.now() - begun) / 1000;
  } finally {
    await small.abandon({ delete: true });
  }
  const chunks = join(work, 'forkfs', 'bucket', small.family, 'chunks');
  row.commit_10k_objects = readdirSync(chunks, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /_\d+_\d+$/.test(name),
  ).length;
  return row;
}

const runners: Record<Column, () => Promise<Row | undefined> | Row | undefined> = {
  local,
  null: nullFuse,
  'juicefs-sqlite': () => juicefs('sqlite'),
  'juicefs-redis': () => juicefs('redis'),
  forkfs,
};

try {
  const columns: Partial<Record<Column, Row>> = {};
  for (const name of values.only.split(',') as Column[]) {
    say(`${name} ...`);
    const row = await runners[name]();
    if (row !== undefined) columns[name] = row;
  }
  const run: BenchRun = {
    commit: execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root, encoding: 'utf8' }).trim(),
    date: new Date().toISOString().slice(0, 10),
    machine: `${cpus().length} x ${cpus()[0]?.model ?? 'CPU'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, Node ${process.version}`,
    files: Number(values.files),
    mb: Number(values.mb),
    columns,
  };
  console.log(tableText(run));
  if (!values['no-store']) {
    const results = join(root, 'bench', 'results');
    mkdirSync(results, { recursive: true });
    writeFileSync(join(results, 'fs.json'), `${JSON.stringify(run, null, 2)}\n`);
    writeFileSync(join(root, 'README.md'), readmeTable(readFileSync(join(root, 'README.md'), 'utf8'), run));
    say('stored in bench/results/fs.json; the table in README.md is rewritten');
  }
} finally {
  spawnSync('fusermount3', ['-u', '-z', '-q', join(work, 'mnt')]);
  rmSync(work, { recursive: true, force: true });
}
