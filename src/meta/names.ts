import type { ByteString } from '../base/bytes.js';
import { FsError } from '../base/errors.js';
import { NAME_BYTES_MAX, SYMLINK_BYTES_MAX } from '../base/limits.js';

/** Throws when no new entry may have this name: ENOENT (empty), ENAMETOOLONG, EINVAL (`/`, NUL, `.` and `..`). */
export function checkName(name: ByteString): void {
  const length = name.length;
  if (length === 0) throw new FsError('ENOENT', { message: 'an empty name' });
  if (length > NAME_BYTES_MAX) throw new FsError('ENAMETOOLONG');
  if (name.includes('/') || name.includes('\0') || name === '.' || name === '..') {
    throw new FsError('EINVAL', { message: 'not a name of an entry' });
  }
}

/** Throws ENOENT (empty), ENAMETOOLONG or EINVAL (NUL) for what cannot be the target of a symbolic link. */
export function checkTarget(target: Uint8Array): void {
  if (target.length === 0) throw new FsError('ENOENT', { message: 'an empty link target' });
  if (target.length > SYMLINK_BYTES_MAX) throw new FsError('ENAMETOOLONG');
  if (target.includes(0)) throw new FsError('EINVAL', { message: 'NUL in a link target' });
}
