import { Command } from 'commander';
import { connectDaemon } from '../../mount/client.js';
import type { VersionRecord } from '../../version/record.js';
import { publishProgress } from '../publish-progress.js';
import { printLine, type Terminal } from '../terminal.js';

export function commitCommand(terminal: Terminal): Command {
  return new Command('commit')
    .summary('publish a version, stay mounted')
    .description(
      'Publishes the present state of a mounted volume as its next version and prints the locator. It stays mounted.',
    )
    .argument('<path>', 'where the volume is mounted')
    .option('-m, --message <text>', 'kept with the version')
    .action(async (path: string, params: { message?: string }) => {
      const client = await connectDaemon(path);
      const record = await publishProgress(terminal, (onProgress) =>
        client.call<VersionRecord>('commit', params, { onProgress }),
      );
      client.close();
      await printLine(terminal, record.locator);
    });
}
