import { spawnSync } from 'node:child_process';

/** Registers a test; its body gets an empty directory. */
export type PosixTest = (behaviour: string, body: (directory: string) => void | Promise<void>) => void;

/** The error code of a failing call, or 'ok'. */
export function code(call: () => unknown): string {
  try {
    call();
    return 'ok';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}

export const isRoot = process.getuid?.() === 0;

const hasPython = spawnSync('python3', ['-c', 'pass']).status === 0;

/** Says once for each test why it cannot run; true when it can. */
export function canPython(what: string): boolean {
  if (!hasPython) console.log(`SKIP ${what}: python3 is not installed`);
  return hasPython;
}

export function needsRoot(what: string): boolean {
  if (!isRoot) console.log(`SKIP ${what}: needs root`);
  return isRoot;
}

/** Runs a script in the directory and answers the JSON that it prints. */
export function python(directory: string, script: string): unknown {
  const prelude = `
import ctypes, errno, json, os, stat, sys
libc = ctypes.CDLL(None, use_errno=True)
def code(call):
    try:
        call()
        return 'ok'
    except OSError as e:
        return errno.errorcode[e.errno]
def check(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), 'failed')
    return result
def fallocate(fd, mode, offset, length):
    check(libc.fallocate(fd, mode, ctypes.c_int64(offset), ctypes.c_int64(length)))
def rename2(old, new, flags):
    check(libc.renameat2(-100, old.encode(), -100, new.encode(), flags))
def mode(path):
    return oct(os.lstat(path).st_mode & 0o7777)
def as_user(call):
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([]); os.setgid(65534); os.setuid(65534)
            call()
            os._exit(0)
        except OSError as e:
            os._exit(e.errno)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
`;
  const result = spawnSync('python3', ['-c', `${prelude}\n${script}`], { cwd: directory, encoding: 'utf8' });
  if (result.status !== 0) throw new Error(`python3 failed: ${result.stderr}`);
  return JSON.parse(result.stdout);
}
