import { Command } from 'commander';
import { resolve } from 'node:path';
import { listMounts, listUnpublished } from '../../mount/client.js';
import type { MountStatus } from '../../mount/spec.js';
import { places } from '../../volume/places.js';
import { bytesText, print, printJson, say, table, type Terminal } from '../terminal.js';

export function statusCommand(terminal: Terminal): Command {
  return new Command('status')
    .summary('list what is mounted or not published')
    .description('Lists volumes of this machine that are mounted, or hold work that no version has.')
    .option('--json', 'as a JSON array')
    .option(
      '--meta-dir <dir>',
      'folder in which unmounted work is looked for (default: $XDG_STATE_HOME/forkfs/volumes)',
    )
    .action(async (options: { json?: boolean; metaDir?: string }) => {
      const all = await everything(resolve(options.metaDir ?? places().metaDir));
      if (options.json === true) return printJson(terminal, all);
      if (all.length === 0) return say(terminal, 'nothing is mounted, and nothing waits to be published');
      const head = ['VOLUME', 'VERSION', 'MODE', 'PID', 'DIRTY', 'STAGED', 'FILES', 'PATH'];
      await print(terminal, table([head, ...all.map(row)]));
    });
}

async function everything(metaDir: string): Promise<MountStatus[]> {
  const mounted = await listMounts();
  const states = new Set(mounted.map((status) => status.state));
  return [...mounted, ...listUnpublished(metaDir).filter((status) => !states.has(status.state))];
}

function row(status: MountStatus): string[] {
  const mode = status.pid === null ? 'unmounted' : status.readOnly ? 'read-only' : 'writable';
  return [
    status.volume,
    String(status.version),
    mode,
    status.pid === null ? '-' : String(status.pid),
    bytesText(status.dirtyBytes),
    bytesText(status.stagedBytes),
    String(status.files),
    status.path ?? status.state ?? '-',
  ];
}
