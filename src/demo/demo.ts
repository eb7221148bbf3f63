// npm run demo [-- DIR]: a volume is created, mounted, filled with a real tree, committed, mounted again, forked and checked.
import { existsSync, lstatSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { bytesText } from '../cli/terminal.js';
import { exportVersion } from '../volume/exchange.js';
import { Volume, type ROVolume, type RWVolume } from '../volume/volume.js';
import type { MountStatus } from '../mount/spec.js';
import { changeTree } from './changes.js';
import { findJuicefs, git, run } from './programs.js';
import { Stage } from './stage.js';
import { kernelJobs, showSummary } from './summary.js';
import { differences, fileBytes, readTree, type Tree } from './tree.js';

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
const EXIT_INTERRUPTED = 130;
const WARNINGS_SHOWN_MAX = 10;

class Demo {
  readonly #stage: Stage;
  readonly #signal: AbortSignal;
  readonly #source: string;
  /** Everything that the demo makes is below this folder. */
  readonly #folder: string;
  readonly #open: (RWVolume | ROVolume)[] = [];
  readonly #kernels: MountStatus['kernels'][] = [];

  constructor(stage: Stage, signal: AbortSignal, source: string, folder: string) {
    this.#stage = stage;
    this.#signal = signal;
    this.#source = source;
    this.#folder = folder;
  }

  async play(): Promise<void> {
    const stage = this.#stage;
    stage.line(`A volume, with ${this.#source} in it`);
    stage.line();
    const volume = Volume.new({ name: 'demo', bucket: pathToFileURL(join(this.#folder, 'store')).href });
    const top = await stage.step(
      'mount a new volume',
      () => this.#mount(volume, 'mount'),
      (path) => path,
    );
    await this.#fill(volume, top);
    const first = await this.#checkpoint(volume, top);
    const second = await this.#change(volume, top);
    await this.#same('version 1, mounted by its locator alone', first.version, first.tree);
    await this.#same('version 2, mounted by its locator', second.version, second.tree);
    const fork = await this.#fork(first.version);
    await this.#same('the fork, mounted by its locator', fork.version, fork.tree);
    await this.#same('version 1 again: the parent is unchanged', first.version, first.tree);
    const versions = [
      { name: 'version 1 (checkpoint)', version: first.version },
      { name: 'version 2 (finalized)', version: second.version },
      { name: 'fork of version 1', version: fork.version },
    ];
    for (const { name, version } of versions) await this.#fsck(name, version);
    if (kernelJobs(this.#kernels) === 0) stage.failures.push('the WASM kernels did nothing');
    const heads = [second.version, fork.version];
    const store = stored(join(this.#folder, 'store'));
    await showSummary(stage, { versions, heads, kernels: this.#kernels, stored: store });
  }

  /** Ends every mount, whatever happened. */
  async close(): Promise<void> {
    for (const volume of this.#open.splice(0)) await volume[Symbol.asyncDispose]();
  }

  async #mount(volume: RWVolume | ROVolume, name: string): Promise<string> {
    this.#signal.throwIfAborted();
    const path = await volume.mount({
      mountPath: join(this.#folder, name),
      metaDir: join(this.#folder, 'meta'),
      cacheDir: join(this.#folder, 'cache'),
    });
    this.#open.push(volume);
    return path;
  }

  async #fill(volume: RWVolume, top: string): Promise<void> {
    const stage = this.#stage;
    const source = await stage.step(
      'read the tree',
      () => this.#read(this.#source),
      (tree) => {
        return `${tree.size} paths, ${bytesText(fileBytes(tree))}`;
      },
    );
    const copy = (): Promise<string> =>
      run('cp', ['-a', `${this.#source}/.`, join(top, 'tree')], { signal: this.#signal });
    await volume.fs.mkdir('tree');
    await stage.step('cp -a the tree into the volume', () =>
      stage.watching(copy(), async () => filled(await volume.status())),
    );
    await stage.step(
      'compare every path with the original',
      () => this.#read(join(top, 'tree')),
      (tree) => {
        return stage.held('the copy', differences(source, tree));
      },
    );
    const inRepository = git(join(top, 'repository.git'), join(top, 'tree'), this.#signal);
    const commit = async (): Promise<string> => {
      await inRepository('init', '--quiet');
      await inRepository('add', '--all');
      await inRepository('commit', '--quiet', '--message', 'everything');
      return (await inRepository('rev-parse', '--short', 'HEAD')).trim();
    };
    await stage.step(
      'git init, git add, git commit in the mount',
      () => stage.watching(commit(), async () => filled(await volume.status())),
      (id) => `commit ${id}`,
    );
  }

  async #checkpoint(volume: RWVolume, top: string): Promise<{ version: ROVolume; tree: Tree }> {
    const stage = this.#stage;
    const onProgress = (progress: { step: string }): void => stage.progress(`commit: ${progress.step}`);
    const version = await stage.step(
      'commit version 1, still mounted',
      () => volume.commit({ message: 'checkpoint', signal: this.#signal, onProgress }),
      ({ stats }) => (stats === null ? '' : `${stats.objects} objects, ${bytesText(stats.bytes)}`),
    );
    const tree = await stage.step(
      'note every path of it',
      () => this.#read(top),
      (tree) => `${tree.size} paths`,
    );
    return { version, tree };
  }

  async #change(volume: RWVolume, top: string): Promise<{ version: ROVolume; tree: Tree }> {
    const stage = this.#stage;
    await stage.step(
      'change, delete, make and move files',
      () => changeTree(join(top, 'tree')),
      (done) => {
        return `${done.changed} changed, ${done.deleted} deleted, ${done.created} made`;
      },
    );
    const tree = await stage.step(
      'note every path',
      () => this.#read(top),
      (tree) => `${tree.size} paths`,
    );
    const version = await stage.step(
      'finalize version 2',
      () => this.#finalize(volume, 'changed'),
      ({ stats }) => (stats === null ? '' : `${stats.objects} objects, ${bytesText(stats.bytes)}`),
    );
    return { version, tree };
  }

  async #finalize(volume: RWVolume, message: string): Promise<ROVolume> {
    this.#kernels.push((await volume.status()).kernels);
    const onProgress = (progress: { step: string }): void => this.#stage.progress(`finalize: ${progress.step}`);
    const version = await volume.finalize({ message, signal: this.#signal, onProgress });
    this.#open.splice(this.#open.indexOf(volume), 1);
    return version;
  }

  /** Mounts a version by nothing but its locator and compares every path. */
  async #same(what: string, version: ROVolume, expected: Tree): Promise<void> {
    const compare = async (): Promise<string[]> => {
      await using mounted = await Volume.fromLocator(version.locator);
      const top = await this.#mount(mounted, 'look');
      const found = differences(expected, this.#read(top));
      this.#open.splice(this.#open.indexOf(mounted), 1);
      return found;
    };
    await this.#stage.step(what, compare, (found) => this.#stage.held(what, found));
  }

  async #fork(parent: ROVolume): Promise<{ version: ROVolume; tree: Tree }> {
    const stage = this.#stage;
    const fork = await stage.step(
      'fork version 1',
      () => parent.fork('demo-fork'),
      ({ name }) => name,
    );
    const top = await stage.step(
      'mount the fork',
      () => this.#mount(fork, 'fork'),
      (path) => path,
    );
    await stage.step(
      'change the fork',
      () => changeTree(join(top, 'tree')),
      (done) => `${done.changed} changed, ${done.deleted} deleted`,
    );
    const tree = await stage.step(
      'note every path',
      () => this.#read(top),
      (tree) => `${tree.size} paths`,
    );
    const version = await stage.step('finalize the fork', () => this.#finalize(fork, 'changed in the fork'));
    return { version, tree };
  }

  async #fsck(name: string, version: ROVolume): Promise<void> {
    const juicefs = findJuicefs();
    if (juicefs === undefined) return this.#stage.line(`juicefs fsck of ${name}: skipped, juicefs is not installed`);
    const index = join(this.#folder, 'exported.db');
    const check = async (): Promise<void> => {
      await rm(index, { force: true });
      await exportVersion(version.locator, index);
      await run(juicefs, ['fsck', '--no-color', `sqlite3://${index}?_journal=DELETE`], { signal: this.#signal });
    };
    await this.#stage.step(`juicefs fsck of ${name}`, check, () => 'no fault found');
  }

  #read(top: string): Tree {
    return readTree(top, (paths) => this.#stage.progress(`${paths} paths`));
  }
}

function filled(status: MountStatus): string {
  return `${status.files} files, ${bytesText(status.usedBytes)} in the volume, ${bytesText(status.stagedBytes)} to upload`;
}

function stored(folder: string): { objects: number; bytes: number } {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const bytes = files.reduce((sum, entry) => sum + lstatSync(join(entry.parentPath, entry.name)).size, 0);
  return { objects: files.length, bytes };
}

/** What the daemons complained about: their logs go with the folder. */
function warnings(logs: string): string[] {
  const files = existsSync(logs) ? readdirSync(logs) : [];
  const lines = files.flatMap((name) => readFileSync(join(logs, name), 'utf8').split('\n'));
  return lines.filter((line) => line !== '' && !/^\{"level":[1-3]0,/.test(line)).slice(-WARNINGS_SHOWN_MAX);
}

function isInside(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way === '' || !(way === '..' || way.startsWith('../'));
}

async function main(): Promise<number> {
  const checkout = fileURLToPath(new URL('../../', import.meta.url));
  const source = resolve(process.argv[2] ?? checkout);
  if (!existsSync(source) || !lstatSync(source).isDirectory() || isInside(tmpdir(), source)) {
    process.stderr.write(`${source} is not a directory that can be copied to ${tmpdir()}\n`);
    return EXIT_USAGE;
  }
  const interrupted = new AbortController();
  let isInterrupted = false;
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      isInterrupted = true;
      interrupted.abort(new Error('interrupted'));
    });
  }
  // A defect anywhere must not leave mounts and folders behind.
  for (const name of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(name, (error: unknown) => interrupted.abort(error));
  }
  const folder = await mkdtemp(join(tmpdir(), 'forkfs-demo-'));
  // The daemons' own files go with the rest at the end.
  process.env['XDG_STATE_HOME'] = join(folder, 'state');
  const stage = new Stage(interrupted.signal);
  const demo = new Demo(stage, interrupted.signal, source, folder);
  try {
    await demo.play();
  } catch (error) {
    stage.failures.push(error instanceof Error ? error.message : String(error));
    if (!isInterrupted) stage.failures.push(...warnings(join(folder, 'state', 'forkfs', 'logs')));
  } finally {
    await demo.close().catch((error: unknown) => stage.failures.push(`cleaning up: ${String(error)}`));
    await rm(folder, { recursive: true, force: true });
  }
  stage.line();
  for (const failure of stage.failures) stage.line(failure);
  if (isInterrupted) return EXIT_INTERRUPTED;
  stage.line(stage.failures.length === 0 ? `All ${stage.comparisons} comparisons held.` : 'FAILED');
  return stage.failures.length === 0 ? 0 : EXIT_FAILED;
}

process.exitCode = await main();
