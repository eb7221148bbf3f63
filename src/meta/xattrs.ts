import { isUtf8 } from 'node:buffer';

import { nameToBytes, type ByteString } from '../base/bytes.js';
import { FsError } from '../base/errors.js';
import { XATTR_NAME_BYTES_MAX, XATTR_VALUE_BYTES_MAX } from '../base/limits.js';
import type { Inode } from './cached-inode.js';
import type { NamespaceCore } from './namespace-core.js';

export const XATTR_CREATE = 1;
export const XATTR_REPLACE = 2;

/** All extended attributes of an inode: asked for once, then known; null when it has none. */
export function xattrsOf(core: NamespaceCore, inode: Inode): ReadonlyMap<ByteString, Uint8Array> | null {
  if (inode.xattrs === undefined) inode.xattrs = core.store.xattrs(inode.ino);
  return inode.xattrs;
}

/** Throws ERANGE (length) or EINVAL (NUL, not UTF-8) for a name, E2BIG for a value, EEXIST and ENODATA as the flags ask. */
export function setXattr(core: NamespaceCore, inode: Inode, name: ByteString, value: Uint8Array, flags: number): void {
  core.checkChangeable(inode);
  checkXattrName(name);
  if (value.length > XATTR_VALUE_BYTES_MAX) throw new FsError('E2BIG');
  if (flags !== 0 && flags !== XATTR_CREATE && flags !== XATTR_REPLACE) throw new FsError('EINVAL');
  const exists = xattrsOf(core, inode)?.has(name) ?? false;
  if (flags === XATTR_CREATE && exists) throw new FsError('EEXIST');
  if (flags === XATTR_REPLACE && !exists) throw new FsError('ENODATA');

  const rows = core.begin();
  inode.xattrs ??= new Map();
  // Not slice(): of a Buffer it is no copy.
  inode.xattrs.set(name, new Uint8Array(value));
  changed(core, inode, name);
  rows.putNode(inode);
  rows.putXattr(inode.ino, name, value);
  core.commit();
}

/** Throws ENODATA. */
export function removeXattr(core: NamespaceCore, inode: Inode, name: ByteString): void {
  core.checkChangeable(inode);
  checkXattrName(name);
  if (xattrsOf(core, inode)?.has(name) !== true) throw new FsError('ENODATA');

  const rows = core.begin();
  inode.xattrs?.delete(name);
  if (inode.xattrs?.size === 0) inode.xattrs = null;
  changed(core, inode, name);
  rows.putNode(inode);
  rows.deleteXattr(inode.ino, name);
  core.commit();
}

/** ctime too, as Linux has it (JuiceFS leaves it). */
function changed(core: NamespaceCore, inode: Inode, name: ByteString): void {
  inode.dirtyXattrs ??= new Set();
  inode.dirtyXattrs.add(name);
  core.touchCtime(inode);
}

function checkXattrName(name: ByteString): void {
  if (name.length === 0 || name.length > XATTR_NAME_BYTES_MAX) throw new FsError('ERANGE');
  if (name.includes('\0')) throw new FsError('EINVAL');
  // The format has these names as text. One that is stored all the same can be read, and goes with its inode.
  if (!isUtf8(nameToBytes(name))) {
    throw new FsError('EINVAL', { message: 'the name of an extended attribute is not UTF-8' });
  }
}
