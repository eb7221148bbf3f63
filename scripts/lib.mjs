// Shared by the scripts. Plain JavaScript for the Node that happens to be installed (20 and later): it runs before anything is set up.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bin = join(root, 'node_modules', '.bin');

/** The Node that the project is developed on, from the devDependencies; else the one that runs this script. */
export function nodePath() {
  const local = join(bin, 'node');
  return existsSync(local) ? local : process.execPath;
}

/** The environment in which the project's own Node and tools come first on the PATH. */
export function projectEnv(extra = {}) {
  return { ...process.env, PATH: `${bin}:${process.env.PATH}`, ...extra };
}

export function say(text) {
  process.stderr.write(`${text}\n`);
}

/** Runs a command with its output shown; ends this process with 1 when it fails. */
export function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, stdio: 'inherit', env: projectEnv(), ...options });
  if (result.status === 0) return;
  say(`failed: ${command} ${args.join(' ')}${result.error ? ` (${result.error.message})` : ''}`);
  process.exit(1);
}

/** Does the command answer with exit code 0? Its output is thrown away. */
export function works(command, args) {
  return spawnSync(command, args, { stdio: 'ignore', env: projectEnv() }).status === 0;
}

/** Newest modification time, in ms, of the files below these paths with one of these endings; 0 when there are none. */
export function newest(paths, endings) {
  let latest = 0;
  const visit = (path) => {
    if (!existsSync(path)) return;
    const stat = statSync(path);
    if (stat.isDirectory()) for (const name of readdirSync(path)) visit(join(path, name));
    else if (endings.some((ending) => path.endsWith(ending))) latest = Math.max(latest, stat.mtimeMs);
  };
  for (const path of paths) visit(join(root, path));
  return latest;
}
