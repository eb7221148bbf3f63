import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** The program that mounts for us. */
export const HELPER = 'fusermount3';

const CAP_SYS_ADMIN = 1n << 21n;
export const SECCOMP_FILTER = 2;

/** What decides whether this process can mount. */
export interface FuseFacts {
  isRoot: boolean;
  /** Of fusermount3; null = not in PATH. */
  helperPath: string | null;
  helperIsSetuid: boolean;
  /** /dev/fuse: 'closed' = there, but this user may not open it; fusermount3 opens it as the user. */
  device: 'open' | 'closed' | 'absent';
  noNewPrivs: boolean;
  /** 0 none, 1 strict, 2 a filter. */
  seccomp: number;
  hasSysAdmin: boolean;
  isContainer: boolean;
  userAllowOther: boolean;
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function findHelper(): string | null {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/bin', '/bin'];
  return folders.map((folder) => join(folder, HELPER)).find((path) => existsSync(path)) ?? null;
}

function deviceState(): FuseFacts['device'] {
  if (!existsSync('/dev/fuse')) return 'absent';
  try {
    accessSync('/dev/fuse', constants.R_OK | constants.W_OK);
    return 'open';
  } catch {
    return 'closed';
  }
}

export function fuseFacts(): FuseFacts {
  const status = readText('/proc/self/status');
  const field = (name: string): string => new RegExp(`^${name}:\\s*(\\S+)`, 'm').exec(status)?.[1] ?? '0';
  const helperPath = findHelper();
  const helper = helperPath === null ? undefined : statSync(helperPath);
  return {
    isRoot: process.getuid?.() === 0,
    helperPath,
    helperIsSetuid: helper !== undefined && helper.uid === 0 && (helper.mode & 0o4000) !== 0,
    device: deviceState(),
    noNewPrivs: field('NoNewPrivs') === '1',
    seccomp: Number(field('Seccomp')),
    hasSysAdmin: (BigInt(`0x${field('CapEff')}`) & CAP_SYS_ADMIN) !== 0n,
    isContainer:
      existsSync('/.dockerenv') || existsSync('/run/.containerenv') || 'KUBERNETES_SERVICE_HOST' in process.env,
    userAllowOther: /^\s*user_allow_other\s*$/m.test(readText('/etc/fuse.conf')),
  };
}
