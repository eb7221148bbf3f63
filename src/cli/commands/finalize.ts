import { Command } from 'commander';
import { connectDaemon } from '../../mount/client.js';
import { daemonEnd } from '../../volume/session.js';
import type { VersionRecord } from '../../version/record.js';
import { parseDuration } from '../../volume/quantities.js';
import { asUsage } from '../arguments.js';
import { publishProgress } from '../publish-progress.js';
import { printLine, type Terminal } from '../terminal.js';

export function finalizeCommand(terminal: Terminal): Command {
  return new Command('finalize')
    .summary('unmount and publish the last version')
    .description('Brings everything to the store, unmounts, publishes the last version and prints the locator.')
    .argument('<path>', 'where the volume is mounted')
    .option('-m, --message <text>', 'kept with the version')
    .option(
      '--timeout <time>',
      'give up after this long; what was written stays staged (default: no limit)',
      asUsage((text) => parseDuration(text, '--timeout')),
    )
    .action(async (path: string, { message, timeout }: { message?: string; timeout?: number }) => {
      const client = await connectDaemon(path);
      const params = { message, timeoutMs: timeout };
      const record = await publishProgress(terminal, (onProgress) =>
        client.call<VersionRecord>('finalize', params, { onProgress }),
      );
      await daemonEnd(client);
      await printLine(terminal, record.locator);
    });
}
