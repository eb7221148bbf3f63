import type { ByteString } from '../base/bytes.js';
import { FsError } from '../base/errors.js';
import type { Inode } from './cached-inode.js';
import { FileType } from './inode.js';
import type { NamespaceCore } from './namespace-core.js';

/** Removes an entry of anything but a directory. Throws ENOENT, EISDIR. */
export function unlinkEntry(core: NamespaceCore, parent: Inode, name: ByteString): void {
  core.checkWritable();
  core.checkParent(parent);
  const entry = core.dentries.find(parent, name);
  if (entry === undefined) throw new FsError('ENOENT');
  if (entry.type === FileType.DIRECTORY) throw new FsError('EISDIR');
  const inode = core.need(entry.ino);

  const rows = core.begin();
  core.dentries.remove(parent, entry);
  core.touch(parent);
  rows.putNode(parent);
  core.unlinked(inode, rows);
  rows.deleteEdge(parent.ino, name);
  core.commit();
}

/** Removes an empty directory. Throws ENOENT, ENOTDIR, ENOTEMPTY. */
export function removeDirectory(core: NamespaceCore, parent: Inode, name: ByteString): void {
  core.checkWritable();
  core.checkParent(parent);
  const entry = core.dentries.find(parent, name);
  if (entry === undefined) throw new FsError('ENOENT');
  if (entry.type !== FileType.DIRECTORY) throw new FsError('ENOTDIR');
  const inode = core.need(entry.ino);
  if (!core.dentries.isEmpty(inode)) throw new FsError('ENOTEMPTY');

  const rows = core.begin();
  core.dentries.remove(parent, entry);
  parent.nlink -= 1;
  core.touch(parent);
  rows.putNode(parent);
  core.unlinked(inode, rows);
  rows.deleteEdge(parent.ino, name);
  core.commit();
}
