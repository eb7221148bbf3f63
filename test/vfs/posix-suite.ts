import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import { attributeTests } from './posix/attributes.ts';
import { dataTests } from './posix/data.ts';
import { directoryTests } from './posix/directories.ts';
import { linuxTests } from './posix/linux.ts';
import { nameTests } from './posix/names.ts';
import type { PosixTest } from './posix/support.ts';

export interface PosixPlace {
  /** An empty directory on the file system under test. */
  directory: string;
  /** Called when all tests are through, also when some failed. */
  done(): Promise<void> | void;
}

/**
 * What programs rely on, as `node:fs` shows it. The same suite runs on a plain local directory, which says that the tests
 * are right, and on a mount. Each test has a directory of its own, which it leaves as it is.
 *
 * To be ended with `.run()`.
 */
export function posixSuite(name: string, makePlace: () => Promise<PosixPlace> | PosixPlace): { run(): void } {
  const tests = suite(name);
  let place: PosixPlace | undefined;
  let count = 0;
  tests.before(async () => {
    place = await makePlace();
  });
  tests.after(() => place?.done());
  const test: PosixTest = (behaviour, body) => {
    tests(behaviour, () => {
      const directory = join(place!.directory, `t${++count}`);
      mkdirSync(directory);
      return body(directory);
    });
  };
  nameTests(test);
  directoryTests(test);
  dataTests(test);
  attributeTests(test);
  linuxTests(test);
  return tests;
}
