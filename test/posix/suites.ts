/** Runs the POSIX suites that others wrote (run.sh), for tests. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('./run.sh', import.meta.url));

/** Why the suites cannot run here; undefined when they can. Installs them, which takes minutes the first time. */
export function missingForPosixSuites(options: { needsRoot: boolean }): string | undefined {
  if (options.needsRoot && process.getuid?.() !== 0) return 'needs root';
  const { status, stderr } = spawnSync(script, ['install'], { encoding: 'utf8' });
  if (status === 2) return 'cargo is not installed';
  return status === 0 ? undefined : `cargo could not install it: ${stderr.trim().split('\n').at(-1)}`;
}

export function runPosixSuite(...args: string[]): { code: number; output: string } {
  const { status, stdout, stderr } = spawnSync(script, args, { encoding: 'utf8', maxBuffer: 2 ** 28 });
  return { code: status ?? -1, output: stdout + stderr };
}
