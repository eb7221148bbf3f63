import { Command, Option } from 'commander';
import { Volume } from '../../volume/volume.js';
import { locatorArgument, nameArgument } from '../arguments.js';
import { printJson, type Terminal } from '../terminal.js';

export function forkCommand(terminal: Terminal): Command {
  return new Command('fork')
    .summary('make a new volume that begins as a version')
    .description('Makes a new volume that begins as this version and shares its data, and prints the handle as JSON.')
    .argument('<locator>', 'address of a version', locatorArgument)
    .argument('<name>', 'name of the new volume', nameArgument)
    .addOption(new Option('--as <access>', 'kind of handle').choices(['rw', 'ro']).default('rw'))
    .action(async (locator: string, name: string, options: { as: 'rw' | 'ro' }) => {
      const parent = await Volume.fromLocator(locator);
      const fork = await parent.fork(name);
      const made = options.as === 'ro' && fork.locator !== null ? await Volume.fromLocator(fork.locator) : fork;
      await printJson(terminal, made);
    });
}
