import { Command } from 'commander';
import { utf8ToName } from '../../base/bytes.js';
import { VersionTree } from '../../volume/version-tree.js';
import { locatorArgument } from '../arguments.js';
import { modeText } from '../mode-text.js';
import { print, printJson, table, type Terminal } from '../terminal.js';
import { entryJson } from './ls.js';

export function statCommand(terminal: Terminal): Command {
  return new Command('stat')
    .summary('show what a version knows of a path')
    .description(
      'Shows what a version knows of a path, without mounting it. A symbolic link is shown itself. No data is read.',
    )
    .argument('<locator>', 'address of a version', locatorArgument)
    .argument('<path>', 'path in the volume')
    .option('--json', 'as JSON')
    .action(async (locator: string, path: string, options: { json?: boolean }) => {
      using tree = await VersionTree.open(locator);
      const entry = tree.stat(utf8ToName(path));
      const fields = entryJson(entry);
      if (options.json === true) return printJson(terminal, fields);
      const shown: Record<string, string | number> = { ...fields, mode: `${fields['mode']} ${modeText(entry)}` };
      await print(terminal, table(Object.entries(shown).map(([field, value]) => [field, String(value)])));
    });
}
