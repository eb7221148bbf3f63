import { Writable } from 'node:stream';
import { runCli } from '../../dist/cli/run.js';

/** Runs a command line in this process and collects what it says. */
export async function cli(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const out = collector();
  const err = collector();
  const code = await runCli(args, { out, err });
  return { code, out: out.text(), err: err.text() };
}

function collector(): Writable & { text(): string } {
  const pieces: Buffer[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      pieces.push(chunk);
      done();
    },
  });
  return Object.assign(stream, { text: () => Buffer.concat(pieces).toString() });
}
