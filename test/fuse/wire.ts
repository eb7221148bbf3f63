import { Bridge, type BridgeOptions } from '../../dist/fuse/bridge.js';
import { silentLogger, type Logger } from '../../dist/base/log.js';
import type { VfsOps } from '../../dist/vfs/types.js';

export type Part = number | bigint | string | Uint8Array | ['u32', ...number[]];

/** Little-endian bytes: a number or bigint is a u64, ['u32', ...] are 32-bit values, a string is text as it stands. */
export function bytesOf(...parts: Part[]): Buffer {
  return Buffer.concat(
    parts.map((part) => {
      if (typeof part === 'string') return Buffer.from(part, 'latin1');
      if (part instanceof Uint8Array) return Buffer.from(part);
      if (Array.isArray(part)) {
        const [, ...values] = part;
        const bytes = Buffer.alloc(4 * values.length);
        values.forEach((value, index) => bytes.writeUInt32LE(value >>> 0, 4 * index));
        return bytes;
      }
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(part)));
      return bytes;
    }),
  );
}

export const u32 = (...values: number[]): ['u32', ...number[]] => ['u32', ...values];

export const CALLER = { uid: 1000, gid: 1001, pid: 4242 };

/** A request as the kernel sends it. */
export function requestBytes(
  opcode: number,
  unique: number | bigint,
  nodeid: number | bigint,
  ...body: Part[]
): Buffer {
  const rest = bytesOf(...body);
  const header = bytesOf(u32(40 + rest.length, opcode), unique, nodeid, u32(CALLER.uid, CALLER.gid, CALLER.pid, 0));
  return Buffer.concat([header, rest]);
}

export interface WireOptions extends Partial<BridgeOptions> {
  logger?: Logger;
  onInterrupt?: (unique: number) => boolean;
  onPending?: (unique: number, tid: number) => void;
}

/** A bridge that is fed bytes and whose replies are kept. */
export function wireTo(vfs: VfsOps, options: WireOptions = {}) {
  const replies: Buffer[] = [];
  const { logger = silentLogger, onInterrupt, onPending, ...rest } = options;
  const bridge = new Bridge({
    vfs,
    options: { attrTimeoutMs: 60_000, entryTimeoutMs: 30_500, dirEntryTimeoutMs: 10_000, ...rest },
    logger,
    send: (bytes, length) => void replies.push(Buffer.from(bytes.subarray(0, length))),
    ...(onInterrupt === undefined ? {} : { onInterrupt }),
    ...(onPending === undefined ? {} : { onPending }),
  });
  /** Hands raw bytes in; returns the outcome. */
  const feed = (bytes: Buffer, isHolding = false): 'done' | 'wait' => {
    bridge.request.bytes.set(bytes);
    return bridge.handle(bytes.length, isHolding);
  };
  /** Sends one request and returns its reply, undefined when there was none. */
  const ask = (opcode: number, nodeid: number | bigint, ...body: Part[]): Buffer | undefined => {
    const before = replies.length;
    feed(requestBytes(opcode, 77, nodeid, ...body));
    return replies.length > before ? replies.at(-1) : undefined;
  };
  return { bridge, replies, feed, ask };
}

/** The errno of a reply: positive, 0 = success. */
export const errnoOf = (reply: Buffer | undefined): number | undefined =>
  reply === undefined ? undefined : -reply.readInt32LE(4);
