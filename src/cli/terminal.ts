import { once } from 'node:events';

/** Where a command writes: data to `out`, talk to `err`. Tests give their own. */
export interface Terminal {
  out: NodeJS.WritableStream;
  err: NodeJS.WritableStream & { isTTY?: boolean };
}

/** Writes data and waits while the reader is slower. */
export async function print(terminal: Terminal, data: string | Uint8Array): Promise<void> {
  if (!terminal.out.write(data)) await once(terminal.out, 'drain');
}

export function printLine(terminal: Terminal, line: string): Promise<void> {
  return print(terminal, `${line}\n`);
}

export function printJson(terminal: Terminal, value: unknown): Promise<void> {
  return printLine(terminal, JSON.stringify(value, null, 2));
}

export function say(terminal: Terminal, line: string): void {
  terminal.err.write(`${line}\n`);
}

/** A line that is written over again and again where somebody watches, and is not there in a file. */
export class ProgressLine {
  readonly #terminal: Terminal;
  #length = 0;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  show(text: string): void {
    if (this.#terminal.err.isTTY !== true) return;
    const line = text.slice(0, 100);
    this.#terminal.err.write(`\r${line.padEnd(this.#length)}`);
    this.#length = line.length;
  }

  clear(): void {
    if (this.#length > 0) this.#terminal.err.write(`\r${' '.repeat(this.#length)}\r`);
    this.#length = 0;
  }
}

/** Columns as wide as their widest cell; the last one is not padded. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  const line = (row: readonly string[]): string =>
    row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] ?? 0))).join('  ');
  return rows.map((row) => `${line(row)}\n`).join('');
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

export function bytesText(bytes: number): string {
  let unit = 0;
  let value = bytes;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(value < 10 ? 2 : 1)} ${UNITS[unit] ?? ''}`;
}
