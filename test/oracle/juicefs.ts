import { spawn } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));

/** The real juicefs: `$JUICEFS`, on the PATH, or where install-juicefs.sh puts it. */
export function findJuicefs(): string | undefined {
  const asked = process.env['JUICEFS'];
  const onPath = (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, 'juicefs'));
  const installed = join(here, '../../.cache/juicefs/bin/juicefs');
  return [...(asked === undefined ? [] : [asked]), ...onPath, installed].find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Why nothing can be shown to juicefs on this machine; undefined when it can. */
export function whyNoJuicefs(options: { mount: boolean } = { mount: true }): string | undefined {
  if (findJuicefs() === undefined) return 'no juicefs (test/oracle/install-juicefs.sh gets it)';
  if (options.mount && !existsSync('/dev/fuse')) return 'no /dev/fuse';
  return undefined;
}

export interface Ended {
  code: number | null;
  stdout: string;
  /** What it said besides. */
  stderr: string;
}

/** Runs a program to its end, without a shell. */
export function run(
  program: string,
  args: readonly string[],
  options: { env?: Record<string, string> } = {},
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const [stdout, stderr]: Buffer[][] = [[], []];
    child.stdout.on('data', (data: Buffer) => stdout?.push(data));
    child.stderr.on('data', (data: Buffer) => stderr?.push(data));
    child.once('error', reject);
    child.once('close', (code) =>
      resolve({ code, stdout: Buffer.concat(stdout ?? []).toString(), stderr: Buffer.concat(stderr ?? []).toString() }),
    );
  });
}

/** Runs juicefs itself. */
export function juicefs(args: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  return run(findJuicefs() ?? 'juicefs', ['--no-color', '--no-agent', ...args], { env });
}

export interface Checked {
  /** juicefs found nothing wrong and every file could be read. */
  good: boolean;
  /** One line for each path, sorted; see check-with-juicefs.sh. */
  manifest: string;
  log: string;
}

/** Has juicefs judge an index and the objects in a directory: fsck, recount, gc (report), and a read-only mount. */
export async function checkWithJuicefs(options: {
  index: string;
  bucket: string;
  mountPoint: string;
  flags?: readonly string[];
}): Promise<Checked> {
  const { index, bucket, mountPoint, flags = [] } = options;
  const ended = await run(join(here, 'check-with-juicefs.sh'), [...flags, index, bucket, mountPoint], {
    env: { JUICEFS: findJuicefs() ?? '' },
  });
  return { good: ended.code === 0, manifest: ended.stdout, log: ended.stderr };
}

/** Writes a small volume by hand, without juicefs, and answers the manifest that a reader must see. */
export async function makeJuicefsVolume(args: readonly string[]): Promise<void> {
  const ended = await run('python3', [join(here, 'make-juicefs-volume.py'), ...args]);
  if (ended.code !== 0) throw new Error(`make-juicefs-volume.py: ${ended.stderr}`);
}

/** Options of a mount that keeps nothing on this machine, does nothing by itself and caches nothing. */
export const QUIET_MOUNT: readonly string[] = (
  '-d --enable-xattr --no-usage-report --backup-meta 0 --cache-size 0 --cache-dir memory --buffer-size 64 ' +
  '--attr-cache 0 --entry-cache 0 --dir-entry-cache 0 --metrics 127.0.0.1:0'
).split(' ');
