import { createHash, timingSafeEqual } from 'node:crypto';
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { errorToRecord, VolumeError } from '../base/errors.js';
import { CONTROL_VERSION, receiveMessages, sendMessage, type Hello, type Request } from './control-protocol.js';

export type MethodHandler = (params: never, progress: (value: unknown) => void) => Promise<unknown>;

/** Serves the methods of a daemon to whoever knows the token. The socket is the user's alone (0600). */
export class ControlServer {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #token: string;
  readonly #methods: ReadonlyMap<string, MethodHandler>;
  readonly #path: string;
  #pending = 0;
  #idle: (() => void) | undefined;

  private constructor(path: string, token: string, methods: ReadonlyMap<string, MethodHandler>) {
    this.#path = path;
    this.#token = token;
    this.#methods = methods;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  static async listen(
    path: string,
    token: string,
    methods: ReadonlyMap<string, MethodHandler>,
  ): Promise<ControlServer> {
    const control = new ControlServer(path, token, methods);
    const mask = process.umask(0o177);
    try {
      await new Promise<void>((resolve, reject) => {
        control.#server.once('error', reject);
        control.#server.listen(path, resolve);
      });
      chmodSync(path, 0o600);
    } finally {
      process.umask(mask);
    }
    return control;
  }

  /** Lets requests that are under way answer, then closes every connection. */
  async close(): Promise<void> {
    this.#server.close();
    rmSync(this.#path, { force: true });
    if (this.#pending > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
    for (const socket of this.#sockets) socket.end();
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    // A client that died in mid-message; its requests go on, their answers go nowhere.
    socket.on('error', () => socket.destroy());
    let isKnown = false;
    receiveMessages(socket, (message) => {
      if (isKnown) return void this.#serve(socket, message as Request);
      const refusal = this.#refusal(message as Hello);
      if (refusal !== undefined) {
        sendMessage(socket, { id: 0, ok: false, error: errorToRecord(refusal) });
        return void socket.end();
      }
      isKnown = true;
      sendMessage(socket, { id: 0, ok: true, value: null });
    });
  }

  #refusal(hello: Hello): VolumeError | undefined {
    const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
    if (typeof hello?.token !== 'string' || !timingSafeEqual(digest(hello.token), digest(this.#token))) {
      return new VolumeError('denied', 'the daemon did not accept the token of this client');
    }
    if (hello.version !== CONTROL_VERSION) {
      return new VolumeError('unsupported', 'the daemon was started by another version of forkfs; use that one');
    }
    return undefined;
  }

  async #serve(socket: Socket, request: Request): Promise<void> {
    const answer = (message: object): void => {
      if (!socket.destroyed) sendMessage(socket, { id: request.id, ...message });
    };
    const method = this.#methods.get(request.method);
    this.#pending++;
    try {
      if (method === undefined) throw new VolumeError('unsupported', `the daemon has no method ${request.method}`);
      const value = await method(request.params as never, (progress) => answer({ progress }));
      answer({ ok: true, value: value ?? null });
    } catch (error) {
      answer({ ok: false, error: errorToRecord(error) });
    } finally {
      this.#pending--;
      if (this.#pending === 0) this.#idle?.();
    }
  }
}
