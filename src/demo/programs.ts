import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Runs a program to its end. @throws Error with what it said when it fails */
export function run(
  program: string,
  args: readonly string[],
  options: { signal?: AbortSignal; env?: NodeJS.ProcessEnv } = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
    let output = '';
    child.stdout.on('data', (data: Buffer) => (output += data.toString()));
    child.stderr.on('data', (data: Buffer) => (output += data.toString()));
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (code === 0) return resolve(output);
      reject(
        new Error(`${program} ${args[0] ?? ''} ended with ${signal ?? `exit code ${code}`}: ${output.slice(-2000)}`),
      );
    });
  });
}

/** Git that knows no settings but ours, with a repository beside the tree: the tree may hold a `.git` of its own. */
export function git(repository: string, tree: string, signal: AbortSignal): (...args: string[]) => Promise<string> {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('GIT_'));
  const env = {
    ...Object.fromEntries(inherited),
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_NOSYSTEM: '1',
    LC_ALL: 'C',
  };
  const who = ['-c', 'user.name=demo', '-c', 'user.email=demo@localhost', '-c', 'commit.gpgsign=false'];
  return (...args) => run('git', [`--git-dir=${repository}`, `--work-tree=${tree}`, ...who, ...args], { signal, env });
}

/** The juicefs program: `$JUICEFS`, the PATH, or where CI puts it. */
export function findJuicefs(): string | undefined {
  const checkout = fileURLToPath(new URL('../../', import.meta.url));
  const inPath = (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, 'juicefs'));
  const places = [process.env['JUICEFS'] ?? '', ...inPath, join(checkout, '.cache/juicefs/bin/juicefs')];
  return places.find((path) => path !== '' && existsSync(path));
}
