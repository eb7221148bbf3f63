import type { Socket } from 'node:net';
import type { ErrorRecord } from '../base/errors.js';
import { CONTROL_MESSAGE_BYTES_MAX } from '../base/limits.js';

/**
 * The control channel of a daemon: a UNIX socket on which both sides send JSON messages, each behind its length in
 * bytes (u32, little endian). The client's first message is a Hello; the daemon answers it like a request with id 0.
 */
export const CONTROL_VERSION = 1;

export interface Hello {
  version: number;
  token: string;
}

export interface Request {
  id: number;
  method: string;
  params: unknown;
}

export type Response =
  | { id: number; ok: true; value: unknown }
  | { id: number; ok: false; error: ErrorRecord }
  | { id: number; progress: unknown };

export function sendMessage(socket: Socket, message: object): void {
  const body = Buffer.from(JSON.stringify(message));
  const head = Buffer.alloc(4);
  head.writeUInt32LE(body.length);
  socket.write(Buffer.concat([head, body]));
}

/** Calls `onMessage` for each whole message; a message beyond the limit or not JSON destroys the socket. */
export function receiveMessages(socket: Socket, onMessage: (message: unknown) => void): void {
  let pieces: Buffer[] = [];
  let have = 0;
  socket.on('data', (data: Buffer) => {
    pieces.push(data);
    have += data.length;
    while (have >= 4) {
      if (pieces[0]!.length < 4) pieces = [Buffer.concat(pieces)];
      const length = pieces[0]!.readUInt32LE(0);
      if (length > CONTROL_MESSAGE_BYTES_MAX) return void socket.destroy(new Error('control message is too long'));
      if (have < 4 + length) return;
      const all = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
      pieces = all.length > 4 + length ? [all.subarray(4 + length)] : [];
      have = all.length - 4 - length;
      let message: unknown;
      try {
        message = JSON.parse(all.toString('utf8', 4, 4 + length));
      } catch (error) {
        return void socket.destroy(error as Error);
      }
      onMessage(message);
    }
  });
}
