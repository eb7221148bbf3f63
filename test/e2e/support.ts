/** What the end-to-end tests share: private folders, volumes that are always cleaned up, and trees to compare. */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Volume, type RWVolume } from '../../dist/index.js';

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
export const cliPath = join(root, 'dist', 'cli', 'main.js');

/** Folders of one test file, all below one that is removed at the end. XDG folders point into it, so nothing leaks in or out. */
export class Workspace {
  readonly directory = mkdtempSync(join(tmpdir(), 'forkfs-e2e-'));
  readonly bucket = `file://${this.path('bucket')}`;
  #count = 0;

  constructor() {
    process.env['XDG_STATE_HOME'] = this.path('state');
    process.env['XDG_CACHE_HOME'] = this.path('cache');
    process.env['XDG_DATA_HOME'] = this.path('data');
    mkdirSync(this.path('bucket'));
  }

  path(...parts: string[]): string {
    return join(this.directory, ...parts);
  }

  /** A path that nothing is at yet. */
  fresh(name = 'mnt'): string {
    return this.path(`${name}-${++this.#count}`);
  }

  volume(name = 'vol'): RWVolume {
    return Volume.new({ name, bucket: this.bucket });
  }

  /** Keys of all block objects of a family, sorted. */
  blocks(family: string): string[] {
    const chunks = this.path('bucket', family, 'chunks');
    if (!existsSync(chunks)) return [];
    return readdirSync(chunks, { recursive: true, encoding: 'utf8' })
      .filter((name) => /\d+_\d+_\d+$/.test(name))
      .sort();
  }

  /** Pids of daemons that were started for this folder. */
  daemons(): number[] {
    return daemonsOf(this.directory);
  }

  /** Frees every mount below the folder, ends every daemon that was started for it, and removes it. */
  cleanUp(): void {
    for (const mount of mountsBelow(this.directory)) {
      spawnSync('fusermount3', ['-u', '-z', '-q', mount]);
    }
    for (const pid of daemonsOf(this.directory)) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
      }
    }
    for (const mount of mountsBelow(this.directory)) spawnSync('umount', ['-l', mount]);
    rmSync(this.directory, { recursive: true, force: true });
  }
}

export function mountsBelow(directory: string): string[] {
  return readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((path) => path.startsWith(`${directory}/`))
    .reverse();
}

/** Daemons whose state folder is below the directory: they inherit our XDG_STATE_HOME. */
function daemonsOf(directory: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return (
          readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('mount/daemon.js') &&
          readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`XDG_STATE_HOME=${directory}/`)
        );
      } catch {
        return false;
      }
    });
}

export function isMounted(path: string): boolean {
  return readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .some((line) => line.split(' ')[1] === path);
}

export async function until(what: string, isTrue: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 600; i++) {
    if (await isTrue()) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`waited in vain: ${what}`);
}

/** One line for each path: type and mode, size, mtime, link target or sha256; the root itself left out. */
export function manifest(directory: string, options: { mtime?: boolean } = {}): string[] {
  const lines: string[] = [];
  const visit = (path: Buffer, relative: string): void => {
    for (const name of readdirSync(path, { encoding: 'buffer' })) {
      const child = Buffer.concat([path, Buffer.from('/'), name]);
      const shown = `${relative}/${name.toString('latin1')}`;
      const stat = lstatSync(child, { bigint: true });
      const mtime = options.mtime === false || stat.isDirectory() ? '-' : String(stat.mtimeNs);
      const size = stat.isDirectory() ? '-' : String(stat.size);
      let what = '-';
      if (stat.isSymbolicLink()) what = readlinkSync(child, { encoding: 'latin1' } as never) as unknown as string;
      else if (stat.isFile()) what = createHash('sha256').update(readFileSync(child)).digest('hex');
      lines.push([shown, stat.mode.toString(8), String(stat.nlink), size, mtime, what].join(' '));
      if (stat.isDirectory()) visit(child, shown);
    }
  };
  visit(Buffer.from(directory), '');
  return lines.sort();
}

/** Runs the command line; nothing is thrown on a failure. */
export function cli(...args: string[]): { code: number; stdout: string; stderr: string } {
  const result = spawnSync(process.execPath, [cliPath, ...args], {
    encoding: 'utf8',
    env: process.env,
    timeout: 60_000,
    maxBuffer: 64 * 1024 * 1024,
  });
  return { code: result.status ?? -1, stdout: result.stdout, stderr: result.stderr };
}

/** A small tree with what a real one has: nested folders, links, holes, modes, odd names. */
export function makeTree(directory: string, files = 50): void {
  mkdirSync(directory, { recursive: true });
  for (let i = 0; i < files; i++) {
    const folder = join(directory, `d${i % 7}`, `e${i % 3}`);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `f${i}.txt`), `file ${i}\n`.repeat(1 + ((i * 37) % 400)), {
      mode: i % 5 === 0 ? 0o755 : 0o640,
    });
  }
  const script = `
import os, sys
os.chdir(sys.argv[1])
os.symlink('d0/e0', 'link'); os.symlink('nowhere', 'broken'); os.link('d0/e0/f0.txt', 'hard')
open(b'odd \\xff\\xfe name', 'wb').write(b'x'); open('empty', 'w').close()
f = open('big', 'wb'); f.write(os.urandom(9 << 20)); f.seek(70 << 20); f.write(b'end'); f.seek(1 << 20); f.write(b'over'); f.close()
os.mkfifo('fifo'); os.mkdir('bare'); os.setxattr('hard', 'user.note', b'hello'); os.setxattr('bare', 'user.empty', b'')
os.utime('big', ns=(1600000000123456789, 1500000000987654321))
`;
  execFileSync('python3', ['-c', script, directory]);
}
