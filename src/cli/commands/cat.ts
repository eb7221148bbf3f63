import { Command } from 'commander';
import { utf8ToName } from '../../base/bytes.js';
import { VersionTree } from '../../volume/version-tree.js';
import { locatorArgument } from '../arguments.js';
import { print, type Terminal } from '../terminal.js';

export function catCommand(terminal: Terminal): Command {
  return new Command('cat')
    .summary('print a file of a version')
    .description(
      'Prints a file of a version without mounting it. Only what is printed is read from the store, and checked.',
    )
    .argument('<locator>', 'address of a version', locatorArgument)
    .argument('<path>', 'path in the volume')
    .action(async (locator: string, path: string) => {
      using tree = await VersionTree.open(locator);
      for await (const piece of tree.read(utf8ToName(path))) await print(terminal, piece);
    });
}
