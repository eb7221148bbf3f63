import { FUSE_READ_BYTES_MAX, FUSE_WRITE_BYTES_MAX } from '../../base/limits.js';
import { FUSE_MAJOR, FUSE_MINOR_MAX, FUSE_MINOR_MIN, InitFlag } from './constants.js';
import type { Reply } from './reply.js';
import type { Request } from './request.js';
import { initIn, initOut, outHeader } from './structs.js';

const PAGE_BYTES = 4096;
/** Requests that the kernel sends without anybody waiting for them (readahead, asynchronous I/O). */
const MAX_BACKGROUND = 64;
const CONGESTION_THRESHOLD = 48;

/** What the kernel and we agreed upon. */
export interface Negotiated {
  major: number;
  minor: number;
  maxReadaheadBytes: number;
  /** `InitFlag`s that both sides have. */
  flags: number;
}

/** `unsupported`: the kernel is too old. `again`: it is newer by a major version and will ask once more in ours. */
export type Negotiation = Negotiated | 'unsupported' | 'again';

/**
 * What is asked for, and why the rest is not: no AUTO_INVAL_DATA, because data changes through this mount alone and the
 * kernel's copy stays right; no READDIRPLUS_AUTO, because a listing with attributes makes the first `stat` of each file
 * free; no lock flags, because the kernel's local locks are enough for one mount; no POSIX_ACL and no splice.
 */
function wantedFlags(kernelWriteback: boolean): number {
  const flags =
    InitFlag.ASYNC_READ +
    InitFlag.BIG_WRITES +
    InitFlag.DO_READDIRPLUS +
    InitFlag.ASYNC_DIO +
    InitFlag.PARALLEL_DIROPS +
    InitFlag.MAX_PAGES +
    InitFlag.CACHE_SYMLINKS +
    InitFlag.EXPLICIT_INVAL_DATA +
    InitFlag.HANDLE_KILLPRIV_V2;
  // Not ATOMIC_O_TRUNC: with it the file is cut before the kernel looks whether it is being executed, and a program that
  // runs from the mount dies of an open that is then refused with ETXTBSY.
  return kernelWriteback ? flags + InitFlag.WRITEBACK_CACHE : flags;
}

export function negotiate(request: Request, options: { kernelWriteback: boolean }): Negotiation {
  const major = request.u32(initIn.major);
  const minor = request.u32(initIn.minor);
  if (major > FUSE_MAJOR) return 'again';
  if (major < FUSE_MAJOR || minor < FUSE_MINOR_MIN) return 'unsupported';
  return {
    major: FUSE_MAJOR,
    minor: Math.min(minor, FUSE_MINOR_MAX),
    maxReadaheadBytes: Math.min(request.u32(initIn.maxReadahead), FUSE_READ_BYTES_MAX),
    flags: (request.u32(initIn.flags) & wantedFlags(options.kernelWriteback)) >>> 0,
  };
}

/** Writes the answer to INIT behind the header; returns the length of the reply. */
export function writeInitReply(reply: Reply, agreed: Negotiated | 'again'): number {
  const at = outHeader.bytes;
  reply.bytes.fill(0, at, at + initOut.bytes);
  reply.u32(at + initOut.major, FUSE_MAJOR);
  reply.u32(at + initOut.minor, agreed === 'again' ? FUSE_MINOR_MAX : agreed.minor);
  if (agreed === 'again') return at + initOut.bytes;
  reply.u32(at + initOut.maxReadahead, agreed.maxReadaheadBytes);
  reply.u32(at + initOut.flags, agreed.flags);
  reply.u32(at + initOut.maxBackground, MAX_BACKGROUND + CONGESTION_THRESHOLD * 2 ** 16);
  reply.u32(at + initOut.maxWrite, FUSE_WRITE_BYTES_MAX);
  reply.u32(at + initOut.timeGran, 1);
  reply.u32(at + initOut.maxPages, FUSE_WRITE_BYTES_MAX / PAGE_BYTES);
  return at + initOut.bytes;
}
