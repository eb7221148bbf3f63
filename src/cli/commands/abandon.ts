import { Command } from 'commander';
import { connectDaemon } from '../../mount/client.js';
import { daemonEnd } from '../../volume/session.js';
import { say, type Terminal } from '../terminal.js';

export function abandonCommand(terminal: Terminal): Command {
  return new Command('abandon')
    .summary('unmount without publishing')
    .description('Unmounts without publishing. What is staged stays on this machine unless --delete is given.')
    .argument('<path>', 'where the volume is mounted')
    .option('--delete', 'throw away what is not published; it cannot be brought back')
    .action(async (path: string, options: { delete?: boolean }) => {
      const client = await connectDaemon(path);
      const { volume } = client.info;
      await client.call('abandon', { delete: options.delete === true });
      await daemonEnd(client);
      const kept =
        options.delete === true ? 'unpublished work is deleted' : 'what was staged is kept: mount it again to go on';
      say(terminal, `abandoned ${volume} at ${path}; ${kept}`);
    });
}
