import { Command } from 'commander';
import { resolve } from 'node:path';
import { parseBucket } from '../../cloud/open-store.js';
import { importVolume } from '../../volume/exchange.js';
import { asUsage } from '../arguments.js';
import { printLine, say, type Terminal } from '../terminal.js';

export function importIndexCommand(terminal: Terminal): Command {
  return new Command('import-index')
    .summary('adopt a juicefs volume')
    .description(
      'Adopts a JuiceFS volume with an SQLite index in place and prints the locator of its first version. No data is copied. ' +
        'Unmount it everywhere first, and never open the old index again: it is retired.',
    )
    .argument('<index>', 'the SQLite file of the volume')
    .requiredOption(
      '--bucket <uri>',
      'where its objects are, such as file:///data/volumes',
      asUsage((text) => parseBucket(text).url),
    )
    .action(async (index: string, { bucket }: { bucket: string }) => {
      const { locator, retired, notes } = await importVolume(resolve(index), bucket);
      for (const note of notes) say(terminal, `note: ${note}`);
      say(terminal, `the old index is retired, now ${retired}: do not open it with juicefs any more`);
      await printLine(terminal, locator);
    });
}
