import { StoreError } from '../base/errors.js';

/** An error of `node:fs` as the store's; its code stays readable in `cause`. */
export function fileError(error: unknown, doing: string, where: { key?: string; path?: string } = {}): Error {
  if (error instanceof StoreError) return error;
  const code = (error as NodeJS.ErrnoException | null)?.code;
  // Not an error of the system: an abort or a defect goes through as it is.
  if (typeof code !== 'string' || !/^E[A-Z0-9]+$/.test(code)) return error as Error;
  const place = where.path === undefined ? '' : ` (${where.path})`;
  const options = { cause: error, ...(where.key === undefined ? {} : { key: where.key }) };
  const make = (kind: 'not-found' | 'denied' | 'unavailable', why: string, retryable?: boolean): StoreError =>
    new StoreError(kind, `${doing}: ${why}${place}`, { ...options, ...(retryable === undefined ? {} : { retryable }) });
  switch (code) {
    case 'ENOENT':
      return make('not-found', 'there is no such object');
    case 'EACCES':
    case 'EPERM':
      return make('denied', 'permission denied');
    case 'EROFS':
      return make('denied', 'the file system is read-only');
    case 'ENOTDIR':
    case 'EISDIR':
    case 'EEXIST':
      return make('denied', 'a file is where a folder is needed, or the other way round');
    case 'ENAMETOOLONG':
    case 'ELOOP':
    case 'EINVAL':
    case 'EOPNOTSUPP':
    case 'ENOSYS':
    case 'EMLINK':
      return make('denied', `the file system cannot do it, ${code}`);
    case 'ENOSPC':
    case 'EDQUOT':
      // Space does not come back by asking again at once.
      return make('unavailable', `no space is left, ${code}`, false);
    case 'EIO':
      // Nor does a bad disk get better.
      return make('unavailable', 'the disk failed, EIO', false);
    default:
      return make('unavailable', code);
  }
}

export function errorCode(error: unknown): string | undefined {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  return typeof code === 'string' ? code : undefined;
}
