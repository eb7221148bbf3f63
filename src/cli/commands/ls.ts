import { Command } from 'commander';
import { utf8ToName } from '../../base/bytes.js';
import { modeText } from '../mode-text.js';
import { VersionTree, type TreeEntry } from '../../volume/version-tree.js';
import { locatorArgument } from '../arguments.js';
import { print, printJson, table, type Terminal } from '../terminal.js';

export function lsCommand(terminal: Terminal): Command {
  return new Command('ls')
    .summary('list a directory of a version')
    .description(
      'Lists a directory of a version without mounting it; of another file, the file itself. No data is read.',
    )
    .argument('<locator>', 'address of a version', locatorArgument)
    .argument('[path]', 'path in the volume', '/')
    .option('-l, --long', 'with mode, links, owner, size and time')
    .option('--json', 'as a JSON array')
    .action(async (locator: string, path: string, options: { long?: boolean; json?: boolean }) => {
      using tree = await VersionTree.open(locator);
      const entries = tree.list(utf8ToName(path));
      if (options.json === true) return printJson(terminal, entries.map(entryJson));
      if (options.long === true) return print(terminal, Buffer.from(table(entries.map(longRow)), 'latin1'));
      // Names are bytes, and go out as they are.
      for (const entry of entries) await print(terminal, Buffer.from(`${entry.name}\n`, 'latin1'));
    });
}

/** An entry as JSON. A name that is not UTF-8 is readable there, and exact in `nameBase64`. */
export function entryJson(entry: TreeEntry): Record<string, string | number> {
  const bytes = Buffer.from(entry.name, 'latin1');
  const isText = Buffer.from(bytes.toString('utf8'), 'utf8').equals(bytes);
  return {
    name: bytes.toString('utf8'),
    ...(isText ? {} : { nameBase64: bytes.toString('base64') }),
    type: entry.type,
    mode: (entry.mode & 0o7777).toString(8).padStart(4, '0'),
    ino: entry.ino,
    nlink: entry.nlink,
    uid: entry.uid,
    gid: entry.gid,
    rdev: entry.rdev,
    size: entry.size,
    mtime: timeText(entry.mtime),
    ctime: timeText(entry.ctime),
    atime: timeText(entry.atime),
    ...(entry.target === null ? {} : { target: Buffer.from(entry.target, 'latin1').toString('utf8') }),
  };
}

/** ISO 8601 with all nine digits. */
export function timeText({ sec, nsec }: { sec: number; nsec: number }): string {
  return new Date(sec * 1000).toISOString().replace('.000Z', `.${String(nsec).padStart(9, '0')}Z`);
}

function longRow(entry: TreeEntry): string[] {
  const arrow = entry.target === null ? '' : ` -> ${entry.target}`;
  const owner = `${entry.uid}:${entry.gid}`;
  const size = String(entry.size);
  return [modeText(entry), String(entry.nlink), owner, size, timeText(entry.mtime).slice(0, 19), entry.name + arrow];
}
