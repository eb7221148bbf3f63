import { Command } from 'commander';
import { accessSync, constants, existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { VolumeError } from '../../base/errors.js';
import { diagnoseFuse, type Finding } from '../../fuse/diagnose.js';
import { places } from '../../volume/places.js';
import { print, printJson, table, type Terminal } from '../terminal.js';

export function doctorCommand(terminal: Terminal): Command {
  return new Command('doctor')
    .summary('say what this machine can do')
    .description('Says what this machine can and cannot do, and the remedy for each. Exit 1 when it cannot mount.')
    .option('--json', 'as a JSON array')
    .action(async (options: { json?: boolean }) => {
      const found = [node(), ...folders(), ...(await diagnoseFuse())];
      if (options.json === true) await printJson(terminal, found);
      else await print(terminal, table(found.map(row)));
      if (found.every((finding) => finding.ok)) return;
      const without = 'without a mount, `volume.open()` and `volume.fs` work all the same';
      throw new VolumeError('unsupported', `something is in the way of mounting; ${without}`);
    });
}

function row({ check, ok, detail, remedy }: Finding): string[] {
  return [ok ? 'ok' : 'FAIL', check, remedy === undefined ? detail : `${detail}; remedy: ${remedy}`];
}

function node(): Finding {
  return { check: 'node', ok: true, detail: `${process.version} ${process.platform} ${process.arch}` };
}

/** Can what is not there yet be made? The first folder above that is there must allow it. */
function folders(): Finding[] {
  const { metaDir, cacheDir } = places();
  return Object.entries({ metaDir, cacheDir }).map(([check, folder]) => {
    let there = folder;
    while (!existsSync(there)) there = dirname(there);
    try {
      accessSync(there, constants.W_OK | constants.X_OK);
      return { check, ok: true, detail: folder };
    } catch {
      const remedy = `make ${there} writable, or give another folder with the option`;
      return { check, ok: false, detail: `${folder} cannot be written`, remedy };
    }
  });
}
