import koffi from 'koffi';
import { ERRNO } from './errno.js';

/**
 * System calls that Node does not have, or has only with an exception for each EAGAIN. Every function answers a number
 * >= 0, or -errno, and never throws. Buffers are views of ordinary or of shared memory, used in place; the caller
 * answers for their size. Structures are those of 64-bit Linux, little endian (x86-64 and arm64).
 *
 * A call costs about 0.3 us over the system call itself, and each thread that imports this module loads it for itself.
 */
const libc = koffi.load(null);

type Native = (...args: unknown[]) => number;

function native(prototype: string): Native {
  try {
    return libc.func(prototype) as Native;
  } catch {
    // Not in this C library: the same as a kernel without the call.
    return () => {
      koffi.errno(ERRNO.ENOSYS);
      return -1;
    };
  }
}

const sys = {
  eventfd: native('int eventfd(unsigned int, int)'),
  poll: native('int poll(void*, unsigned long, int)'),
  read: native('int64_t read(int, void*, size_t)'),
  write: native('int64_t write(int, const void*, size_t)'),
  writev: native('int64_t writev(int, const void*, int)'),
  pread: native('int64_t pread(int, void*, size_t, int64_t)'),
  pwrite: native('int64_t pwrite(int, const void*, size_t, int64_t)'),
  preadv2: native('int64_t preadv2(int, const void*, int, int64_t, int)'),
  fallocate: native('int fallocate(int, int, int64_t, int64_t)'),
  fdatasync: native('int fdatasync(int)'),
  flock: native('int flock(int, int)'),
  fcntl: native('int fcntl(int, int, ...)'),
  socketpair: native('int socketpair(int, int, int, void*)'),
  recvmsg: native('int64_t recvmsg(int, void*, int)'),
  close: native('int close(int)'),
};

/** Also the way to errno: C says -1 and puts the number aside. */
function answer(result: number): number {
  return result < 0 ? -koffi.errno() : result;
}

const EFD_FLAGS = 0o2_000_000 | 0o4_000; // EFD_CLOEXEC | EFD_NONBLOCK
const POLL_READY = 0x01 | 0x08 | 0x10 | 0x20; // POLLIN, POLLERR, POLLHUP, POLLNVAL
const RWF_NOWAIT = 0x08;
const LOCK_EX_NB = 2 | 4;
const F_GETFL = 3;
const F_SETFL = 4;
const O_NONBLOCK = 0o4_000;
const AF_UNIX = 1;
const SOCK_STREAM_CLOEXEC = 1 | 0o2_000_000;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_CMSG_CLOEXEC = 0x4000_0000;

const eventOne = new BigUint64Array([1n]);
const eventCount = new BigUint64Array(1);

/** A new counter that does not block and is closed on exec: readable while it is not zero. */
export function eventfd(): number {
  return answer(sys.eventfd(0, EFD_FLAGS));
}

/** Makes it readable. -EAGAIN cannot matter: then it is readable already. */
export function eventfdWrite(fd: number): number {
  return answer(sys.write(fd, eventOne, 8));
}

/** Makes it not readable; -EAGAIN when it was not. */
export function eventfdDrain(fd: number): number {
  return answer(sys.read(fd, eventCount, 8));
}

const POLL_FDS_MAX = 16;
/** struct pollfd { int fd; short events; short revents; } */
const pollFds = new Int32Array(2 * POLL_FDS_MAX);

/**
 * Waits until one of at most 16 descriptors is readable, hung up or failed, or `timeoutMs` passed (-1: for ever). Bit i of
 * the answer stands for `fds[i]`; 0 also when a signal came, so callers loop.
 */
export function poll(fds: readonly number[], timeoutMs: number): number {
  const count = fds.length;
  if (count > POLL_FDS_MAX) return -ERRNO.EINVAL;
  for (let i = 0; i < count; i++) {
    pollFds[2 * i] = fds[i]!;
    pollFds[2 * i + 1] = 1; // POLLIN
  }
  const ready = sys.poll(pollFds, count, timeoutMs);
  if (ready <= 0) {
    if (ready === 0) return 0;
    const errno = koffi.errno();
    return errno === ERRNO.EINTR ? 0 : -errno;
  }
  let mask = 0;
  for (let i = 0; i < count; i++) {
    if (((pollFds[2 * i + 1]! >>> 16) & POLL_READY) !== 0) mask |= 1 << i;
  }
  return mask;
}

/** Reads up to `bytes` bytes to the start of `buffer`. */
export function read(fd: number, buffer: Uint8Array, bytes: number): number {
  return answer(sys.read(fd, buffer, bytes));
}

/** Writes `bytes` bytes from the start of `buffer`. */
export function write(fd: number, buffer: Uint8Array, bytes: number): number {
  return answer(sys.write(fd, buffer, bytes));
}

/** Two struct iovec { void *base; size_t length; } */
const iov = new BigUint64Array(4);

/** Writes the first `headBytes` of one buffer and `bodyBytes` of another in one call. */
export function writev(fd: number, head: Uint8Array, headBytes: number, body: Uint8Array, bodyBytes: number): number {
  iov[0] = koffi.address(head);
  iov[1] = BigInt(headBytes);
  iov[2] = koffi.address(body);
  iov[3] = BigInt(bodyBytes);
  return answer(sys.writev(fd, iov, 2));
}

/** Reads up to `bytes` bytes at `offset` of the file to `buffer[at]` on. */
export function pread(fd: number, buffer: Uint8Array, at: number, bytes: number, offset: number): number {
  return answer(sys.pread(fd, at === 0 ? buffer : buffer.subarray(at), bytes, offset));
}

/** {@link pread} from memory only: -EAGAIN when the first byte is not in the page cache; fewer bytes when a later one. */
export function preadNowait(fd: number, buffer: Uint8Array, at: number, bytes: number, offset: number): number {
  iov[0] = koffi.address(at === 0 ? buffer : buffer.subarray(at));
  iov[1] = BigInt(bytes);
  return answer(sys.preadv2(fd, iov, 1, offset, RWF_NOWAIT));
}

/** Writes up to `bytes` bytes from `buffer[at]` on to `offset` of the file. */
export function pwrite(fd: number, buffer: Uint8Array, at: number, bytes: number, offset: number): number {
  return answer(sys.pwrite(fd, at === 0 ? buffer : buffer.subarray(at), bytes, offset));
}

/** Gives [offset, offset + bytes) of a file its disk space, zeros where nothing was; -EOPNOTSUPP where that cannot be. */
export function fallocate(fd: number, offset: number, bytes: number): number {
  return answer(sys.fallocate(fd, 0, offset, bytes));
}

export function fdatasync(fd: number): number {
  return answer(sys.fdatasync(fd));
}

/** Locks an open file for this process, without waiting: -EAGAIN (EWOULDBLOCK) when somebody has it. Ends with the file. */
export function flockExclusive(fd: number): number {
  return answer(sys.flock(fd, LOCK_EX_NB));
}

export function setNonblocking(fd: number): number {
  const flags = answer(sys.fcntl(fd, F_GETFL));
  return flags < 0 ? flags : answer(sys.fcntl(fd, F_SETFL, 'int', flags | O_NONBLOCK));
}

/** Two connected stream sockets that are closed on exec. */
export function socketpair(): [number, number] | number {
  const pair = new Int32Array(2);
  const result = answer(sys.socketpair(AF_UNIX, SOCK_STREAM_CLOEXEC, 0, pair));
  return result < 0 ? result : [pair[0]!, pair[1]!];
}

/**
 * Waits for a message on a socket and answers the descriptor that came with it, already closed on exec: a child process
 * that inherited a mount's descriptor would keep the mount alive. -ENODATA when none came (the peer ended).
 */
export function recvFd(socket: number): number {
  const byte = new Uint8Array(8);
  // struct cmsghdr { size_t length; int level; int type; } and one int, padded.
  const control = new Int32Array(6);
  const vector = new BigUint64Array([koffi.address(byte), 1n]);
  // struct msghdr { name, namelen, iov, iovlen, control, controllen, flags }, 8 bytes each.
  const header = new BigUint64Array([0n, 0n, koffi.address(vector), 1n, koffi.address(control), 24n, 0n]);
  const received = answer(sys.recvmsg(socket, header, MSG_CMSG_CLOEXEC));
  if (received < 0) return received;
  const carriesFd = header[5]! >= 20n && control[2] === SOL_SOCKET && control[3] === SCM_RIGHTS;
  // Reading these here also keeps them from being collected during the call, which knows only their addresses.
  if (!carriesFd || byte.length + vector.length === 0) return -ERRNO.ENODATA;
  return control[4]!;
}

export function close(fd: number): number {
  return answer(sys.close(fd));
}
