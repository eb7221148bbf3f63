import { Command } from 'commander';
import { connectDaemon } from '../../mount/client.js';
import { daemonEnd } from '../../volume/session.js';
import type { MountStatus } from '../../mount/spec.js';
import { bytesText, say, type Terminal } from '../terminal.js';

export function umountCommand(terminal: Terminal): Command {
  return new Command('umount')
    .summary('end a mount, keep what is staged')
    .description('Ends a mount. Of a writable one everything is staged on this machine and kept; nothing is published.')
    .argument('<path>', 'where the volume is mounted')
    .action(async (path: string) => {
      const client = await connectDaemon(path);
      const status = await client.call<MountStatus>('status');
      await client.call('umount');
      await daemonEnd(client);
      say(terminal, `unmounted ${status.volume} from ${status.path ?? path}`);
      if (status.readOnly || !status.unpublished) return;
      say(
        terminal,
        `not published: ${bytesText(status.stagedBytes + status.dirtyBytes)} are staged in ${status.state ?? ''}`,
      );
      say(terminal, `to resume:    forkfs mount HANDLE.json ${path}   (with the handle that you mounted)`);
      say(terminal, `to publish:   resume, then: forkfs finalize ${path}`);
      say(terminal, `to drop it:   resume, then: forkfs abandon ${path} --delete`);
    });
}
