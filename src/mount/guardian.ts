import { spawn } from 'node:child_process';
import type { Writable } from 'node:stream';

/**
 * A small process that outlives the daemon. It holds one end of a pipe: when the other end closes without a word, the
 * daemon has died, and the guardian takes the dead mount away, so that nobody meets "Transport endpoint is not
 * connected". It is a shell and not Node: a megabyte, and nothing to load. `auto_unmount` of fusermount3 would not do: it
 * leaves the dead mount for an ordinary user.
 */
const SCRIPT = `
trap '' HUP INT TERM QUIT
read -r word
[ "$word" = done ] && exit 0
for try in 1 2 3 4 5; do
  fusermount3 -u -q -z -- "$1" && exit 0
  grep -qF " $2 " /proc/self/mounts || exit 0
  sleep 0.2
done
`;

export class Guardian {
  readonly #pipe: Writable;

  private constructor(pipe: Writable) {
    this.#pipe = pipe;
  }

  static start(mountPath: string): Guardian {
    // /proc/self/mounts writes space, tab, newline and backslash as octal.
    const listed = mountPath.replace(/[ \t\n\\]/g, (c) => `\\${c.charCodeAt(0).toString(8).padStart(3, '0')}`);
    const child = spawn('/bin/sh', ['-c', SCRIPT, 'forkfs-guardian', mountPath, listed], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
      cwd: '/',
    });
    // The guardian may have been killed; the daemon does not depend on it.
    child.on('error', () => undefined);
    child.stdin.on('error', () => undefined);
    child.unref();
    return new Guardian(child.stdin);
  }

  /** The mount is gone in good order. */
  dismiss(): void {
    this.#pipe.end('done\n');
  }
}
