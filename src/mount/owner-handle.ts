import { once } from 'node:events';
import { MessageChannel, Worker, type MessagePort } from 'node:worker_threads';
import { errorFromRecord, FsError, VolumeError } from '../base/errors.js';
import { errnoName } from '../base/errno.js';
import { eventfdWrite, write } from '../base/libc.js';
import type { Logger } from '../base/log.js';
import type { Ticket, ToMain, ToOwner } from '../chunk/messages.js';
import { fsErrorOf } from './fs-errors.js';
import type { FsArgs, FsOp, FsResult } from './fs-protocol.js';
import type { OwnerCalls, OwnerData } from './owner-data.js';

type Waiting = {
  resolve(value: unknown): void;
  reject(error: Error): void;
  ofBody?: (body: Uint8Array | null) => unknown;
  /** Makes more of an error that has only a number. */
  ofError?: (error: FsError) => FsError;
};

/** The main thread's side of the owner: calls with answers, and replies to tickets. */
export class OwnerHandle {
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #eventFd: number;
  readonly #fuseFd: number | null;
  readonly #logger: Logger;
  readonly #calls = new Map<Ticket, Waiting>();
  #nextTicket = -1;
  #hasEnded = false;
  /** Everything but answers: reads to fill, packs to upload. */
  onMessage: (message: Exclude<ToMain, { t: 'answer' | 'ready' | 'ended' }>) => void = () => undefined;
  /** The mount is gone ('unmounted'), or the thread failed. */
  onEnded: (reason: 'unmounted' | 'failed', error?: Error) => void = () => undefined;

  private constructor(worker: Worker, port: MessagePort, data: Pick<OwnerData, 'eventFd' | 'fuseFd'>, logger: Logger) {
    this.#worker = worker;
    this.#port = port;
    this.#eventFd = data.eventFd;
    this.#fuseFd = data.fuseFd;
    this.#logger = logger;
  }

  /** Fulfilled when the thread serves. */
  static async start(data: Omit<OwnerData, 'port'>, logger: Logger): Promise<OwnerHandle> {
    const { port1, port2 } = new MessageChannel();
    const transfer = data.log === null ? [port2] : [port2, data.log.port];
    const worker = new Worker(new URL('./owner.js', import.meta.url), {
      workerData: { ...data, port: port2 } satisfies OwnerData,
      transferList: transfer,
      name: 'owner',
    });
    const handle = new OwnerHandle(worker, port1, data, logger);
    await new Promise<void>((resolve, reject) => {
      worker.once('error', (error) => {
        reject(error as Error);
        handle.#end('failed', error as Error);
      });
      worker.once('exit', () => handle.#end('failed', new VolumeError('io', 'the owner thread ended')));
      port1.on('message', (message: ToMain) => {
        if (message.t === 'ready') resolve();
        else if (message.t === 'ended' && message.reason === 'failed') reject(errorFromRecord(message.error!));
        handle.#receive(message);
      });
    });
    return handle;
  }

  send(message: ToOwner, transfer: ArrayBuffer[] = []): void {
    if (this.#hasEnded) return;
    this.#port.postMessage(message, transfer);
    eventfdWrite(this.#eventFd);
  }

  call<Op extends keyof OwnerCalls>(op: Op, ...args: OwnerCalls[Op]['args']): Promise<OwnerCalls[Op]['result']> {
    return this.#ask((ticket) => ({ t: 'call', ticket, op, args })) as Promise<OwnerCalls[Op]['result']>;
  }

  /** A call of the in-process file system. */
  fs<Op extends FsOp>(op: Op, args: FsArgs<Op>): Promise<FsResult<Op>> {
    const ofBody = (body: Uint8Array | null): unknown => {
      const data = body === null ? '' : Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('base64');
      if (op === 'readFile') return { data, more: false };
      return op === 'read' ? { data } : null;
    };
    const ofError = (error: FsError): FsError => fsErrorOf(error, op, args);
    return this.#ask((ticket) => ({ t: 'rpc', ticket, op, args: [args] }), { ofBody, ofError }) as Promise<
      FsResult<Op>
    >;
  }

  /** Answers a ticket that the owner left open: a FUSE request by its reply, a call by its promise. */
  readonly reply = (ticket: Ticket, errno: number, body: Uint8Array | null): void => {
    if (ticket > 0) return this.#replyToKernel(ticket, errno, body);
    const call = this.#take(ticket);
    if (errno === 0) call?.resolve(call.ofBody?.(body) ?? null);
    else if (call !== undefined) {
      const error = new FsError(errnoName(errno));
      call.reject(call.ofError?.(error) ?? error);
    }
  };

  /** Ends the thread in order: it closes what is open and leaves its loop. */
  async stop(): Promise<void> {
    if (this.#hasEnded) return;
    this.#worker.removeAllListeners('exit');
    const exited = once(this.#worker, 'exit');
    await this.call('stop');
    this.#hasEnded = true;
    this.#port.close();
    await exited;
  }

  #ask(message: (ticket: Ticket) => ToOwner, more: Pick<Waiting, 'ofBody' | 'ofError'> = {}): Promise<unknown> {
    if (this.#hasEnded)
      return Promise.reject(new VolumeError('unavailable', 'the file system of this volume has ended'));
    const ticket = this.#nextTicket--;
    return new Promise((resolve, reject) => {
      this.#calls.set(ticket, { resolve, reject, ...more });
      this.send(message(ticket));
    });
  }

  #receive(message: ToMain): void {
    switch (message.t) {
      case 'ready':
        return;
      case 'answer': {
        const call = this.#take(message.ticket);
        if (message.error === undefined) call?.resolve(message.value);
        else call?.reject(errorFromRecord(message.error));
        return;
      }
      case 'ended':
        if (message.reason === 'unmounted') this.onEnded('unmounted');
        else if (message.reason === 'failed') this.#end('failed', errorFromRecord(message.error!));
        return;
      default:
        this.onMessage(message);
    }
  }

  #take(ticket: Ticket): Waiting | undefined {
    const call = this.#calls.get(ticket);
    this.#calls.delete(ticket);
    return call;
  }

  #replyToKernel(unique: Ticket, errno: number, body: Uint8Array | null): void {
    if (this.#fuseFd === null) return;
    const length = 16 + (errno === 0 && body !== null ? body.length : 0);
    const reply = Buffer.allocUnsafe(length);
    reply.writeUInt32LE(length, 0);
    reply.writeInt32LE(-errno, 4);
    reply.writeUInt32LE(unique >>> 0, 8);
    reply.writeUInt32LE(Math.floor(unique / 2 ** 32), 12);
    if (length > 16) reply.set(body!, 16);
    const written = write(this.#fuseFd, reply, length);
    // ENOENT: the request was interrupted; ENODEV: unmounted. Nobody waits any more.
    if (written < 0 && written !== -2 && written !== -19) {
      this.#logger.error({ errno: errnoName(-written) }, 'an answer did not reach the kernel');
    }
  }

  #end(reason: 'failed', error: Error): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    for (const call of this.#calls.values()) call.reject(error);
    this.#calls.clear();
    this.onEnded(reason, error);
  }
}
