/** The POSIX suite on a plain local directory: if a test fails here, the test is wrong. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { posixSuite } from './posix-suite.ts';

posixSuite('POSIX on a local directory', () => {
  const directory = mkdtempSync(join(tmpdir(), 'forkfs-posix-'));
  return { directory, done: () => rmSync(directory, { recursive: true, force: true }) };
}).run();
