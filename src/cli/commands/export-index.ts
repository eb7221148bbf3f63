import { Command } from 'commander';
import { resolve } from 'node:path';
import { exportVersion } from '../../volume/exchange.js';
import { locatorArgument } from '../arguments.js';
import { say, type Terminal } from '../terminal.js';

export function exportIndexCommand(terminal: Terminal): Command {
  return new Command('export-index')
    .summary('write an index that juicefs opens')
    .description(
      'Writes the index of a version as a plain SQLite file that juicefs opens as it is. It is guarded: nothing that juicefs ' +
        'does through it to files harms other versions. Never run `juicefs gc --delete` or `juicefs destroy` on it.',
    )
    .argument('<locator>', 'address of a version', locatorArgument)
    .argument('<file>', 'file to write')
    .action(async (locator: string, file: string) => {
      await exportVersion(locator, resolve(file));
      say(terminal, `wrote ${file}; open it as sqlite3://${resolve(file)}?_journal=DELETE`);
    });
}
