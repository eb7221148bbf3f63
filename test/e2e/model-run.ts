/** One run of the model: workers at once on a mount, the same workers on a local directory, and what must be equal. */
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import * as assert from 'uvu/assert';
import type { MountOptions, RWVolume } from '../../dist/index.js';
import { assertNothingHeld, assertSameTree, python } from './programs.ts';
import { manifest, root, type Workspace } from './support.ts';

const runFile = promisify(execFile);

export interface ModelRun {
  seed: number;
  workers: number;
  /** Of each worker in each round. */
  operations: number;
  /** Between two rounds the volume is unmounted and mounted again. */
  rounds: number;
  mount?: MountOptions;
}

/** What each worker said, all at once at this place. */
function runWorkers(at: string, { seed, workers, operations }: ModelRun, round: number): Promise<string[]> {
  const script = join(root, 'test', 'e2e', 'model-worker.py');
  return Promise.all(
    Array.from({ length: workers }, async (_, i) => {
      const args = [script, at, String(i), `${seed}-${round}`, String(operations)];
      const { stdout } = await runFile('python3', args, { maxBuffer: 1 << 28, timeout: 250_000 });
      return stdout;
    }),
  );
}

function prepare(at: string): void {
  mkdirSync(at, { recursive: true });
  for (const name of ['shared-0', 'shared-1']) mkdirSync(join(at, name));
  writeFileSync(join(at, 'shared-log'), '');
}

/** Everything that must be the same at both places: the log apart, whose lines come in any order between workers. */
function stateOf(at: string): { tree: string[]; attributes: string; lines: string[] } {
  const attributes = python(
    `
import os, sys
for at, dirs, files in os.walk(sys.argv[1]):
    for name in sorted(dirs + files):
        path = os.path.join(at, name)
        for key in sorted(os.listxattr(path, follow_symlinks=False)):
            if key.startswith('user.'): print(os.path.relpath(path, sys.argv[1]), key, os.getxattr(path, key, follow_symlinks=False).hex())
`,
    at,
  );
  return {
    tree: manifest(at, { mtime: false }).filter((line) => !line.startsWith('/shared-log ')),
    attributes: attributes.split('\n').sort().join('\n'),
    lines: readFileSync(join(at, 'shared-log'), 'latin1').split('\n').sort(),
  };
}

function assertSameState(at: string, expected: ReturnType<typeof stateOf>, what: string): void {
  const actual = stateOf(at);
  assertSameTree(actual.tree, expected.tree, what);
  assert.is(actual.attributes, expected.attributes, `${what}: attributes`);
  assertSameTree(actual.lines, expected.lines, `${what}: lines that were appended`);
}

function firstDifference(actual: string, expected: string): string | undefined {
  const [a, b] = [actual.split('\n'), expected.split('\n')];
  const at = b.findIndex((line, i) => line !== a[i]);
  return at < 0
    ? undefined
    : `said "${a[at]}" instead of "${b[at]}", after\n  ${b.slice(Math.max(0, at - 30), at).join('\n  ')}`;
}

/** The workers at both places, with commits in between on the mount, which change nothing; what they said and left is equal. */
async function runBoth(volume: RWVolume, path: string, local: string, run: ModelRun, round: number): Promise<void> {
  const expected = await runWorkers(local, run, round);
  let isOver = false;
  const committing = (async () => {
    while (!isOver) {
      await volume.commit();
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  })();
  let said: string[];
  try {
    said = await runWorkers(path, run, round);
  } finally {
    isOver = true;
    await committing;
  }
  for (const [i, text] of said.entries()) {
    const difference = firstDifference(text, expected[i]!);
    assert.ok(difference === undefined, `seed ${run.seed}, round ${round}, worker ${i} ${difference}`);
  }
  assertSameState(path, stateOf(local), `seed ${run.seed}, the mount`);
  await assertNothingHeld(volume);
  const names = 'import os, sys; print(sum(len(f) + len(d) for _, d, f in os.walk(sys.argv[1])))';
  assert.ok((await volume.status()).files <= Number(python(names, path)), 'no inode outlives its names');
}

/** A version, and a mount that goes on from it or from what was left unpublished, show what the mount showed. */
export async function runModel(work: Workspace, run: ModelRun): Promise<void> {
  const local = work.fresh('local');
  const volume = work.volume('model');
  prepare(local);
  let path = await volume.mount({ mountPath: work.fresh(), ...run.mount });
  prepare(path);
  for (let round = 0; round < run.rounds; round++) {
    if (round > 0) {
      // By turns from the log alone and from a version: then each inode is one that was stored.
      await (round % 2 === 1 ? volume.abandon() : volume.finalize());
      path = await volume.mount({ mountPath: work.fresh(), ...run.mount });
      assertSameState(path, stateOf(local), `seed ${run.seed}, the mount after round ${round}`);
    }
    await runBoth(volume, path, local, run, round);
  }
  const state = stateOf(local);
  const version = await volume.finalize();
  const at = await version.mount({ mountPath: work.fresh() });
  assertSameState(at, state, `seed ${run.seed}, the version`);
  await version.unmount();
  rmSync(local, { recursive: true });
}
