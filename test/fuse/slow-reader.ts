// Run by stuck.test.ts: reads a file on its main thread, with a handler for the signals that come in meanwhile.
import { openSync, readSync, writeSync } from 'node:fs';

process.on('SIGUSR2', () => undefined);
const fd = openSync(process.argv[2]!, 'r');
writeSync(1, 'reading\n');
try {
  readSync(fd, Buffer.alloc(100));
  writeSync(1, 'read\n');
} catch (error) {
  writeSync(1, `failed: ${String(error)}\n`);
}
