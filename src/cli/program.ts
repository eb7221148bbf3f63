import { Command } from 'commander';
import { readFileSync } from 'node:fs';
import { abandonCommand } from './commands/abandon.js';
import { catCommand } from './commands/cat.js';
import { commitCommand } from './commands/commit.js';
import { createCommand } from './commands/create.js';
import { doctorCommand } from './commands/doctor.js';
import { exportIndexCommand } from './commands/export-index.js';
import { finalizeCommand } from './commands/finalize.js';
import { forkCommand } from './commands/fork.js';
import { importIndexCommand } from './commands/import-index.js';
import { logCommand } from './commands/log.js';
import { lsCommand } from './commands/ls.js';
import { mountCommand } from './commands/mount.js';
import { statCommand } from './commands/stat.js';
import { statusCommand } from './commands/status.js';
import { umountCommand } from './commands/umount.js';
import type { Terminal } from './terminal.js';

// In the order of a volume's life.
// prettier-ignore
const COMMANDS = [
  createCommand, mountCommand, commitCommand, finalizeCommand, umountCommand, abandonCommand, statusCommand, forkCommand,
  logCommand, lsCommand, catCommand, statCommand, exportIndexCommand, importIndexCommand, doctorCommand,
];

export function program(terminal: Terminal): Command {
  const manifest = new URL('../../package.json', import.meta.url);
  const { version, description } = JSON.parse(readFileSync(manifest, 'utf8')) as Record<
    'version' | 'description',
    string
  >;
  const top = new Command('forkfs')
    .description(description)
    .version(version)
    .helpCommand(false)
    .showHelpAfterError('(try --help)')
    .addHelpText(
      'after',
      '\nData goes to standard output, everything else to standard error. Exit: 0 done, 1 failed, 2 wrong usage.',
    );
  for (const make of COMMANDS) top.addCommand(make(terminal));
  // After the commands: these settings must hold for each of them.
  for (const command of [top, ...top.commands]) {
    command.exitOverride().configureOutput({
      writeOut: (text) => terminal.out.write(text),
      writeErr: (text) => terminal.err.write(text),
    });
    command.showHelpAfterError('(try --help)');
  }
  return top;
}
