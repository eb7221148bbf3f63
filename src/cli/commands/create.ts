import { Command } from 'commander';
import { parseBucket } from '../../cloud/open-store.js';
import { Volume } from '../../volume/volume.js';
import { asUsage, nameArgument } from '../arguments.js';
import { printJson, type Terminal } from '../terminal.js';

export function createCommand(terminal: Terminal): Command {
  return new Command('create')
    .summary('make the handle of a new volume')
    .description(
      'Prints the handle of a new volume as JSON: a file that `mount` takes. The store is not touched before the first mount.',
    )
    .argument('<name>', 'name of the volume', nameArgument)
    .option(
      '--bucket <uri>',
      'where volumes are kept, such as file:///data/volumes (default: $FORKFS_BUCKET, else your data folder)',
      asUsage((text) => parseBucket(text).url),
    )
    .action((name: string, options: { bucket?: string }) => printJson(terminal, Volume.new({ name, ...options })));
}
