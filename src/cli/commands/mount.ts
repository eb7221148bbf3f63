import { Command } from 'commander';
import type { MountOptions } from '../../volume/options.js';
import { startSession } from '../../volume/session.js';
import { addMountOptions, mountOptionsOf, nameArgument, volumeOf } from '../arguments.js';
import { printJson, say, type Terminal } from '../terminal.js';

export function mountCommand(terminal: Terminal): Command {
  const command = new Command('mount')
    .summary('mount a volume')
    .description(
      'Mounts a volume and returns when it is there. A handle file from `create` or `fork` mounts writable, a locator ' +
        'read-only. The mount stays until `umount`, `finalize` or `abandon`.',
    )
    .argument('<handle>', 'file with the JSON of a handle, or a locator')
    .argument('<path>', 'an empty directory, or one that is not there yet')
    .option(
      '--fork <name>',
      'fork the version under this name, mount the fork writable, print its handle',
      nameArgument,
    )
    .option('--read-only', 'mount read-only');
  return addMountOptions(command).action(
    async (source: string, path: string, given: MountOptions & { fork?: string }) => {
      const { fork, ...rest } = given;
      const options = mountOptionsOf(command, { ...rest, mountPath: path });
      const volume = await volumeOf(source);
      const mounted = fork === undefined ? volume : await volume.fork(fork);
      const handle = mounted.toJSON();
      // Printed before it is mounted: a mount that fails does not lose the fork.
      if (fork !== undefined) await printJson(terminal, handle);
      const session = await startSession(handle, options, { mode: 'mount', attached: false });
      const { info } = session.client;
      const how = session.access === 'ro' ? 'read-only' : 'writable';
      say(terminal, `mounted ${handle.name} ${how} at ${session.mountPath} (pid ${info.pid}, log ${info.logPath})`);
      session.client.close();
    },
  );
}
