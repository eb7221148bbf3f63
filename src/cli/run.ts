import { CommanderError } from 'commander';
import { FsError, StoreError, VolumeError } from '../base/errors.js';
import { program } from './program.js';
import { say, type Terminal } from './terminal.js';

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

/** Runs one command line (without node and the script). @returns the exit code: 0, 1 failed, 2 wrong usage */
export async function runCli(args: readonly string[], terminal: Terminal): Promise<number> {
  // The reader of our output has gone, as `head` does: there is nobody left to tell.
  terminal.out.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
  try {
    await program(terminal).parseAsync(args, { from: 'user' });
    return 0;
  } catch (error) {
    // Commander has said it already.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
    say(terminal, `forkfs: ${explain(error)}`);
    return EXIT_FAILED;
  }
}

/** One line for people; what is no error of ours is a defect, and shows where it happened. */
function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const isOurs =
    error instanceof VolumeError || error instanceof StoreError || error instanceof FsError || 'code' in error;
  return isOurs ? error.message : (error.stack ?? error.message);
}
