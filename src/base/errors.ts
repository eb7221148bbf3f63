import { ERRNO, type ErrnoCode } from './errno.js';

/**
 * A file-system error, in the shape of Node's own: thrown by `meta`, `chunk` and `vfs`, and turned into an errno on the
 * wire or handed to the user of `volume.fs` as it is. `errno` is negative, as Node has it.
 */
export class FsError extends Error {
  override readonly name = 'FsError';
  readonly code: ErrnoCode;
  readonly errno: number;
  readonly syscall: string | undefined;
  readonly path: string | undefined;

  constructor(code: ErrnoCode, options: { message?: string; syscall?: string; path?: string; cause?: unknown } = {}) {
    const where = options.path === undefined ? '' : ` '${options.path}'`;
    super(`${code}: ${options.message ?? code}${options.syscall ? `, ${options.syscall}` : ''}${where}`, {
      cause: options.cause,
    });
    this.code = code;
    this.errno = -ERRNO[code];
    this.syscall = options.syscall;
    this.path = options.path;
  }
}

/** What an object store answered, decided by status and never by message. Only `not-found` may be read as absent. */
export type StoreErrorKind = 'not-found' | 'precondition' | 'denied' | 'throttled' | 'unavailable' | 'corrupt';

export class StoreError extends Error {
  override readonly name = 'StoreError';
  readonly kind: StoreErrorKind;
  readonly retryable: boolean;
  readonly key: string | undefined;

  constructor(
    kind: StoreErrorKind,
    message: string,
    options: { key?: string; retryable?: boolean; cause?: unknown } = {},
  ) {
    super(options.key === undefined ? message : `${message}: ${options.key}`, { cause: options.cause });
    this.kind = kind;
    this.key = options.key;
    this.retryable = options.retryable ?? (kind === 'throttled' || kind === 'unavailable');
  }
}

/**
 * The kinds of {@link VolumeError}; kinds are API, messages are not.
 *
 * - `invalid`: an argument, option, name, handle or locator is wrong. Correct it.
 * - `exists`: the name or prefix is taken. Choose another.
 * - `not-found`: no such volume, version, mount or path. Check the locator.
 * - `busy`: somebody holds it (a mount point, a volume, open files). The message names who; end it or fork.
 * - `conflict`: another writer published first. The work is kept: publish it as a fork.
 * - `unsupported`: this machine, store or format cannot do it. The message names the remedy.
 * - `corrupt`: stored data is not what was written. Use another version; `forkfs doctor` and the log say more.
 * - `denied`: the store or the system refused. Check credentials and permissions.
 * - `unavailable`: the store or daemon did not answer. Try again.
 * - `timeout`: the time given ran out; nothing was left half done.
 * - `no-space`: the disk of the cache, of the log or of a `file://` bucket is full. Free space, then go on.
 * - `state`: the handle is not in the state for this call (not mounted, already finalized...).
 * - `io`: anything else that failed below; `cause` has it.
 */
export type VolumeErrorKind =
  | 'invalid'
  | 'exists'
  | 'not-found'
  | 'busy'
  | 'conflict'
  | 'unsupported'
  | 'corrupt'
  | 'denied'
  | 'unavailable'
  | 'timeout'
  | 'no-space'
  | 'state'
  | 'io';

/** The one error type of the public interface. */
export class VolumeError extends Error {
  override readonly name = 'VolumeError';
  readonly kind: VolumeErrorKind;

  constructor(kind: VolumeErrorKind, message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.kind = kind;
  }
}

/** An error as plain data: structured clone and JSON drop the custom fields of an Error, so errors travel like this. */
export interface ErrorRecord {
  name: string;
  message: string;
  code?: string;
  kind?: string;
  key?: string;
  syscall?: string;
  path?: string;
  cause?: ErrorRecord;
}

export function errorToRecord(error: unknown, depth = 0): ErrorRecord {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error) };
  const record: ErrorRecord = { name: error.name, message: error.message };
  const fields = error as unknown as Record<string, unknown>;
  for (const field of ['code', 'kind', 'key', 'syscall', 'path'] as const) {
    const value = fields[field];
    if (typeof value === 'string') record[field] = value;
  }
  if (error.cause !== undefined && depth < 4) record.cause = errorToRecord(error.cause, depth + 1);
  return record;
}

/** The error that {@link errorToRecord} described, of the same class where it is one of ours. */
export function errorFromRecord(record: ErrorRecord): Error {
  const cause = record.cause === undefined ? undefined : errorFromRecord(record.cause);
  if (record.name === 'VolumeError' && record.kind !== undefined) {
    return new VolumeError(record.kind as VolumeErrorKind, record.message, { cause });
  }
  if (record.name === 'StoreError' && record.kind !== undefined) {
    const error = new StoreError(record.kind as StoreErrorKind, record.message, { cause });
    return Object.assign(error, { key: record.key });
  }
  if (record.code !== undefined && record.code in ERRNO) {
    const code = record.code as ErrnoCode;
    const error = new FsError(code, { cause });
    error.message = record.message;
    return Object.assign(error, { syscall: record.syscall, path: record.path });
  }
  return Object.assign(new Error(record.message, { cause }), record.code === undefined ? {} : { code: record.code });
}

/** Any error as the public one. A StoreError's kind maps to ours; what is unknown becomes `io`. */
export function toVolumeError(error: unknown, doing?: string): VolumeError {
  if (error instanceof VolumeError) return error;
  const said = error instanceof Error ? error.message : String(error);
  const message = doing === undefined ? said : `${doing}: ${said}`;
  if (error instanceof StoreError) {
    const kind = isNoSpace(error.cause) ? 'no-space' : kindOfStoreError(error.kind);
    return new VolumeError(kind, message, { cause: error });
  }
  const code = (error as { code?: unknown } | null)?.code;
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new VolumeError('no-space', message, { cause: error });
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new VolumeError('denied', message, { cause: error });
    case 'ENOENT':
      return new VolumeError('not-found', message, { cause: error });
    case 'EBUSY':
      return new VolumeError('busy', message, { cause: error });
    default:
      return new VolumeError('io', message, { cause: error });
  }
}

/** A bucket that is a folder can be full like any other. */
function isNoSpace(error: unknown): boolean {
  const code = (error as { code?: unknown } | undefined)?.code;
  return code === 'ENOSPC' || code === 'EDQUOT';
}

function kindOfStoreError(kind: StoreErrorKind): VolumeErrorKind {
  switch (kind) {
    case 'not-found':
    case 'denied':
    case 'unavailable':
    case 'corrupt':
      return kind;
    case 'precondition':
      return 'conflict';
    case 'throttled':
      return 'unavailable';
    default:
      return kind satisfies never;
  }
}
