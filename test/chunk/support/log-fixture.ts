/** A log with a small ring and small segments, driven from one thread, for the tests of the log. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { close, eventfd, eventfdDrain, poll } from '../../../dist/base/libc.js';
import { RecordKind } from '../../../dist/chunk/log-format.js';
import { readLog } from '../../../dist/chunk/log-reader.js';
import { LogThread } from '../../../dist/chunk/log-thread.js';
import { LogWriter, newLogControl, type LogShared } from '../../../dist/chunk/log-writer.js';
import { createMemory } from '../../../dist/workers/wasm.js';

export const KIB = 1024;
export const RING = 64 * KIB;
export const SEGMENT = 256 * KIB;

export interface Fixture {
  shared: LogShared;
  writer: LogWriter;
  thread: LogThread;
  wakeFd: number;
  answers: Map<number, number>;
  failures: number[];
  answered(ticket: number): Promise<number>;
  stop(): Promise<void>;
}

export interface FixtureOptions {
  directory: string;
  startLsn?: number;
  tag?: number;
  ringBytes?: number;
  segmentBytes?: number;
}

const live = new Set<Fixture>();

/** Ends what a test that failed has left: a log thread keeps the process alive. */
export async function stopAll(): Promise<void> {
  for (const fixture of live) await fixture.stop();
}

export async function startLog(options: FixtureOptions): Promise<Fixture> {
  const ringBytes = options.ringBytes ?? RING;
  const shared: LogShared = {
    memory: createMemory(ringBytes),
    ringOffset: KIB * KIB,
    ringBytes,
    segmentBytes: options.segmentBytes ?? SEGMENT,
    control: newLogControl(),
    directory: options.directory,
    tag: options.tag ?? Math.floor(Math.random() * 2 ** 32),
    startLsn: options.startLsn ?? 0,
  };
  const ports = new MessageChannel();
  const wakeFd = eventfd();
  const answers = new Map<number, number>();
  const failures: number[] = [];
  const waiting = new Map<number, (errno: number) => void>();
  const thread = await LogThread.start(shared, {
    ownerPort: ports.port2 as MessagePort,
    wakeFd,
    onAnswer: (ticket, errno) => {
      answers.set(ticket, errno);
      waiting.get(ticket)?.(errno);
    },
    onFailed: (errno) => failures.push(errno),
  });
  const writer = new LogWriter(shared, ports.port1);
  const answered = (ticket: number): Promise<number> =>
    new Promise((resolve) => {
      const errno = answers.get(ticket);
      if (errno === undefined) waiting.set(ticket, resolve);
      else resolve(errno);
    });
  const stop = async (): Promise<void> => {
    live.delete(fixture);
    await thread.stop();
    ports.port1.close();
    close(wakeFd);
  };
  const fixture: Fixture = { shared, writer, thread, wakeFd, answers, failures, answered, stop };
  live.add(fixture);
  return fixture;
}

/** Waits for room as the owner does. */
export function needRoom({ writer, wakeFd }: Pick<Fixture, 'writer' | 'wakeFd'>, bytes: number, records = 1): void {
  while (writer.room(bytes, records) === 'wait') {
    poll([wakeFd], -1);
    eventfdDrain(wakeFd);
  }
}

/** A payload that says its number, so that a reader can check every byte of it. */
export function numbered(n: number, bytes: number): Uint8Array {
  const payload = new Uint8Array(Math.max(bytes, 4));
  let state = (n * 2654435761 + 1) >>> 0;
  for (let i = 4; i < payload.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    payload[i] = state >>> 24;
  }
  new DataView(payload.buffer).setUint32(0, n, true);
  return payload;
}

/** Size of the n-th payload: mostly small, sometimes the largest that the small ring takes. */
export function sizeOf(n: number): number {
  const pick = (Math.imul(n, 2246822519) >>> 0) % 100;
  if (pick < 80) return 4 + pick;
  return pick < 97 ? 400 + pick * 7 : 9000 + pick;
}

export function temporary(): { directory: string; remove(): void } {
  const directory = mkdtempSync(join(tmpdir(), 'forkfs-log-'));
  return { directory, remove: () => rmSync(directory, { recursive: true, force: true }) };
}

export interface Read {
  /** Numbers of the ROWS records, each of which was checked to be whole. */
  numbers: number[];
  sessions: number;
  endLsn: number;
  tag: number | undefined;
}

/** Reads a log of numbered records and checks each. */
export function readNumbers(directory: string, fromLsn = 0, segmentBytes = SEGMENT): Read {
  const numbers: number[] = [];
  let sessions = 0;
  const log = readLog(directory, { fromLsn, segmentBytes });
  for (;;) {
    const step = log.next();
    if (step.done === true) return { numbers, sessions, ...step.value };
    const { kind, payload } = step.value;
    if (kind === RecordKind.SESSION) sessions++;
    if (kind !== RecordKind.ROWS) continue;
    const n = new DataView(payload.buffer).getUint32(0, true);
    if (Buffer.compare(payload, numbered(n, payload.length)) !== 0)
      throw new Error(`record ${n} is not what was written`);
    numbers.push(n);
  }
}
