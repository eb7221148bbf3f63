import { InvalidArgumentError, type Command } from 'commander';
import { readFile } from 'node:fs/promises';
import { RECORD_BYTES_MAX } from '../base/limits.js';
import { toVolumeError, VolumeError } from '../base/errors.js';
import { parseLocator } from '../version/locator.js';
import { checkName } from '../volume/names.js';
import { resolveOptions, type MountOptions } from '../volume/options.js';
import { Volume, type ROVolume, type RWVolume } from '../volume/volume.js';

/** Turns what a check says about an argument into a usage error: exit code 2. */
export function asUsage<T>(check: (text: string) => T): (text: string) => T {
  return (text) => {
    try {
      return check(text);
    } catch (error) {
      if (error instanceof VolumeError && error.kind === 'invalid') throw new InvalidArgumentError(error.message);
      throw error;
    }
  };
}

export const nameArgument = asUsage((text) => checkName(text));

export const locatorArgument = asUsage((text) => {
  parseLocator(text);
  return text;
});

/** A handle's file, or the address of a version. */
export async function volumeOf(text: string): Promise<RWVolume | ROVolume> {
  if (text.includes('://')) return Volume.fromLocator(text);
  let json: string;
  try {
    json = await readFile(text, 'utf8');
  } catch (error) {
    throw toVolumeError(error, `the handle ${text} cannot be read`);
  }
  if (json.length > RECORD_BYTES_MAX) throw new VolumeError('invalid', `${text} is too large to be a handle`);
  try {
    return Volume.fromJSON(json);
  } catch (error) {
    const { kind, message } = toVolumeError(error);
    throw new VolumeError(kind, `${text}: ${message}`, { cause: error });
  }
}

/** The options of `mount`, as the API has them, in kebab-case. */
export function addMountOptions(command: Command): Command {
  const number = (option: string): ((text: string) => number) =>
    asUsage((text) => {
      if (/^\d+$/.test(text)) return Number(text);
      throw new VolumeError('invalid', `${option}: '${text}' is not a whole number`);
    });
  return command
    .option('--meta-dir <dir>', 'folder of what is not published yet (default: $XDG_STATE_HOME/forkfs/volumes)')
    .option('--cache-dir <dir>', 'folder of blocks that were read (default: $XDG_CACHE_HOME/forkfs)')
    .option(
      '--cache-size <size>',
      "limit of that folder: bytes, or '512M', '10G' (default: 10G; none kept of a file:// bucket)",
    )
    .option('--timeout <time>', "how long mounting may take: seconds, or '1h', '30m', '5s' (default: 60s)")
    .option('--writeback', 'acknowledge writes before they are uploaded (default)')
    .option('--no-writeback', 'close and fsync return after the upload')
    .option('--upload-delay <time>', 'wait this long before uploading (default: 0)')
    .option('--max-uploads <count>', 'uploads at one time (default: 50)', number('--max-uploads'))
    .option('--attr-cache <time>', 'how long the kernel may keep attributes (default: 60s)')
    .option('--entry-cache <time>', 'how long the kernel may keep names of files (default: 60s)')
    .option('--dir-entry-cache <time>', 'how long the kernel may keep names of directories (default: 60s)')
    .option('--allow-other', 'let other users use the mount (default for root)')
    .option('--no-allow-other', 'only you may use the mount (default for others)')
    .option('--uid <id>', 'show everything as owned by this user', number('--uid'))
    .option('--gid <id>', 'show everything as owned by this group', number('--gid'))
    .option('--transport <name>', 'auto or direct (default: auto)')
    .option('--kernel-writeback', 'let the kernel hold writes back (default: off)');
}

/** What commander collected for {@link addMountOptions}, checked. A wrong one is a usage error that names it as typed. */
export function mountOptionsOf(command: Command, options: MountOptions): MountOptions {
  try {
    resolveOptions(options);
  } catch (error) {
    if (!(error instanceof VolumeError) || error.kind !== 'invalid') throw error;
    const message = error.message.replace(/^[a-zA-Z]+(?=:)/, (option) => {
      return `--${option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    });
    return command.error(`error: ${message}`);
  }
  return options;
}
