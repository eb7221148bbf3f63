#!/usr/bin/env node
import { startTimer } from '../base/clock.js';
import { runCli } from './run.js';

/** Longer than any command; the largest that a timer takes. */
const FOREVER_MS = 2 ** 31 - 1;

// Connections to daemons keep no process alive, and a command is not done before it says so.
const done = startTimer(FOREVER_MS, () => undefined);
process.exitCode = await runCli(process.argv.slice(2), { out: process.stdout, err: process.stderr });
done();
