import { Command } from 'commander';
import { lineage, type LineageEntry } from '../../volume/lineage.js';
import { locatorArgument } from '../arguments.js';
import { bytesText, print, printJson, table, type Terminal } from '../terminal.js';

export function logCommand(terminal: Terminal): Command {
  return new Command('log')
    .summary('list a version and its ancestors')
    .description(
      'Lists a version and the versions that it comes from, newest first, through all forks. No data is read.',
    )
    .argument('<locator>', 'address of a version', locatorArgument)
    .option('--json', 'as a JSON array')
    .option('-n, --max-count <count>', 'no more than this many', Number.parseInt)
    .action(async (locator: string, options: { json?: boolean; maxCount?: number }) => {
      const entries: LineageEntry[] = [];
      for await (const entry of lineage(locator)) {
        if (options.maxCount !== undefined && entries.length >= options.maxCount) break;
        entries.push(entry);
      }
      if (options.json === true) return printJson(terminal, entries);
      const head = ['VOLUME', 'VERSION', 'WHEN', 'FILES', 'USED', 'MESSAGE', 'LOCATOR'];
      await print(terminal, table([head, ...entries.map(row)]));
    });
}

function row(entry: LineageEntry): string[] {
  const when = entry.createdMs === null ? '-' : new Date(entry.createdMs).toISOString().replace(/\.\d+Z$/, 'Z');
  const message = (entry.message ?? '').split('\n')[0] ?? '';
  return [
    entry.volume,
    String(entry.version),
    when,
    String(entry.inodeCount ?? '-'),
    entry.usedBytes === null ? '-' : bytesText(entry.usedBytes),
    message.length > 40 ? `${message.slice(0, 39)}…` : message || '-',
    entry.locator,
  ];
}
