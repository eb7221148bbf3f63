/** What the tests with real programs share: running them, several at once, and what must hold afterwards. */
import { spawn, spawnSync } from 'node:child_process';
import * as assert from 'uvu/assert';
import type { RWVolume } from '../../dist/index.js';
import { manifest, until, type Workspace } from './support.ts';

/** No program of these tests takes nearly as long; one that hangs is ended, so that the mount can be. */
const PROGRAM_LIMIT_MS = 120_000;
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;

/** Runs a script of bash, which ends at its first failing command, and gives its output. */
export function sh(cwd: string, script: string, env: Record<string, string> = {}): string {
  return run('bash', ['-euo', 'pipefail', '-c', script], { cwd, env });
}

export function python(script: string, ...args: string[]): string {
  return run('python3', ['-c', script, ...args]);
}

export function run(
  command: string,
  args: string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): string {
  const result = spawnSync(command, args, {
    encoding: 'utf8',
    timeout: PROGRAM_LIMIT_MS,
    killSignal: 'SIGKILL',
    maxBuffer: OUTPUT_BYTES_MAX,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { ...process.env, ...options.env },
  });
  if (result.error !== undefined) throw result.error;
  if (result.status === 0) return result.stdout;
  const how = result.signal ?? `exit code ${result.status}`;
  throw new Error(`${command} ${args[0]}: ${how}\n${result.stdout.slice(-2000)}\n${result.stderr.slice(-4000)}`);
}

/** Starts a Python script; the promise is its output. */
export function startPython(script: string, ...args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn('python3', ['-c', script, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    const limit = setTimeout(() => child.kill('SIGKILL'), PROGRAM_LIMIT_MS);
    let [output, errors] = ['', ''];
    child.stdout.on('data', (data) => (output += data));
    child.stderr.on('data', (data) => (errors += data));
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(limit);
      if (code === 0) resolve(output);
      else
        reject(new Error(`python3: ${signal ?? `exit code ${code}`}\n${output.slice(-2000)}\n${errors.slice(-4000)}`));
    });
  });
}

/** Is the program here? If not, says in the way that the test runner counts what is left out. */
export function has(program: string): boolean {
  const isThere = spawnSync('which', [program]).status === 0;
  if (!isThere) console.log(`SKIP ${program}: not installed`);
  return isThere;
}

/** The manifests of two trees, compared so that a difference shows a few lines only. */
export function assertSameTree(actual: string[], expected: string[], what: string): void {
  if (actual.length === expected.length && actual.every((line, i) => line === expected[i])) return;
  const [have, want] = [new Set(actual), new Set(expected)];
  const extra = actual.filter((line) => !want.has(line)).slice(0, 10);
  const missing = expected.filter((line) => !have.has(line)).slice(0, 10);
  assert.unreachable(`${what}: differs\nhas\n  ${extra.join('\n  ')}\ninstead of\n  ${missing.join('\n  ')}`);
}

/** The daemon holds nothing for anybody once all programs have ended. */
export async function assertNothingHeld(volume: RWVolume): Promise<void> {
  let seen = '';
  try {
    await until('', async () => {
      const { owner, extentsInUse } = (await volume.status()) as unknown as {
        owner: { handles: number; parked: number };
        extentsInUse: number;
      };
      seen = JSON.stringify({ handles: owner.handles, parked: owner.parked, extentsInUse });
      return owner.handles === 0 && owner.parked === 0 && extentsInUse === 0;
    });
  } catch {
    assert.unreachable(`the daemon still holds ${seen}`);
  }
}

/** Publishes, and looks at the version through a mount of its own: it must be the tree that the mount shows. */
export async function assertCommitted(work: Workspace, volume: RWVolume, path: string): Promise<void> {
  const before = manifest(path);
  const version = await volume.commit();
  const at = await version.mount({ mountPath: work.fresh('version') });
  try {
    assertSameTree(manifest(at), before, 'the version');
  } finally {
    await version.unmount();
  }
}
