import type { ByteString } from '../base/bytes.js';
import { FsError } from '../base/errors.js';
import type { Inode } from './cached-inode.js';
import type { Entry } from './directory.js';
import { FileType, ROOT_INO } from './inode.js';
import { checkName } from './names.js';
import type { NamespaceCore } from './namespace-core.js';
import type { RowWriter } from './rows.js';

export const RENAME_NOREPLACE = 1;
export const RENAME_EXCHANGE = 2;

/** Where an entry is to go. */
export interface RenameTo {
  parent: Inode;
  name: ByteString;
  /** RENAME_NOREPLACE or RENAME_EXCHANGE or 0. */
  flags: number;
}

/**
 * rename(2) and its two flags. Two names of one inode: nothing happens. A replaced name keeps the id of its entry, so a
 * listing that goes on meanwhile shows it once.
 */
export function renameEntry(core: NamespaceCore, parent: Inode, name: ByteString, to: RenameTo): void {
  core.checkWritable();
  core.checkParent(parent);
  core.checkParent(to.parent);
  if (to.flags !== 0 && to.flags !== RENAME_NOREPLACE && to.flags !== RENAME_EXCHANGE) throw new FsError('EINVAL');
  const entry = core.dentries.find(parent, name);
  if (entry === undefined) throw new FsError('ENOENT');
  checkName(to.name);
  const over = core.dentries.find(to.parent, to.name);
  if (to.flags === RENAME_EXCHANGE && over === undefined) throw new FsError('ENOENT');
  if (to.flags === RENAME_NOREPLACE && over !== undefined) throw new FsError('EEXIST');
  if (over?.ino === entry.ino) return;
  const inode = core.need(entry.ino);
  const other = over === undefined ? undefined : core.need(over.ino);
  if (parent.ino !== to.parent.ino) {
    if (inode.isDirectory) checkNotInside(core, inode, to.parent);
    if (to.flags === RENAME_EXCHANGE && other?.isDirectory === true) checkNotInside(core, other, parent);
  }
  if (to.flags === RENAME_EXCHANGE && over !== undefined && other !== undefined) {
    exchange(core, { parent, entry, inode }, { parent: to.parent, entry: over, inode: other });
    return;
  }
  if (other !== undefined) checkReplaces(core, inode, other);
  move(core, { parent, entry, inode }, to, over, other);
}

/** One end of a rename. */
interface End {
  parent: Inode;
  entry: Entry;
  inode: Inode;
}

function move(core: NamespaceCore, from: End, to: RenameTo, over: Entry | undefined, other: Inode | undefined): void {
  const { parent, entry, inode } = from;
  const rows = core.begin();
  if (inode.isDirectory) {
    parent.nlink -= 1;
    to.parent.nlink += 1;
  }
  if (other?.isDirectory === true) to.parent.nlink -= 1;
  placeBelow(core, inode, to.parent);
  const name = entry.name;
  core.dentries.remove(parent, entry);
  if (over !== undefined) core.dentries.point(to.parent, over, inode.ino, inode.type);
  const id = over?.id ?? core.dentries.add(to.parent, to.name, inode.ino, inode.type).id;
  putParents(core, rows, parent, to.parent);
  rows.putNode(inode);
  if (other !== undefined) core.unlinked(other, rows);
  rows.deleteEdge(parent.ino, name);
  rows.putEdge(id, to.parent.ino, to.name, inode.ino, inode.type);
  core.commit();
}

function exchange(core: NamespaceCore, a: End, b: End): void {
  const rows = core.begin();
  if (a.inode.isDirectory) {
    a.parent.nlink -= 1;
    b.parent.nlink += 1;
  }
  if (b.inode.isDirectory) {
    b.parent.nlink -= 1;
    a.parent.nlink += 1;
  }
  placeBelow(core, a.inode, b.parent);
  placeBelow(core, b.inode, a.parent);
  core.dentries.point(a.parent, a.entry, b.inode.ino, b.inode.type);
  core.dentries.point(b.parent, b.entry, a.inode.ino, a.inode.type);
  putParents(core, rows, a.parent, b.parent);
  rows.putNode(a.inode);
  rows.putNode(b.inode);
  rows.putEdge(a.entry.id, a.parent.ino, a.entry.name, b.inode.ino, b.inode.type);
  rows.putEdge(b.entry.id, b.parent.ino, b.entry.name, a.inode.ino, a.inode.type);
  core.commit();
}

function placeBelow(core: NamespaceCore, inode: Inode, parent: Inode): void {
  if (inode.parent !== 0) inode.parent = parent.ino;
  core.touchCtime(inode);
}

function putParents(core: NamespaceCore, rows: RowWriter, a: Inode, b: Inode): void {
  core.touch(a);
  rows.putNode(a);
  if (a.ino === b.ino) return;
  core.touch(b);
  rows.putNode(b);
}

/** Throws EISDIR, ENOTDIR or ENOTEMPTY when `inode` may not take the place of `other`. */
function checkReplaces(core: NamespaceCore, inode: Inode, other: Inode): void {
  if (!inode.isDirectory) {
    if (other.type === FileType.DIRECTORY) throw new FsError('EISDIR');
    return;
  }
  if (other.type !== FileType.DIRECTORY) throw new FsError('ENOTDIR');
  if (!core.dentries.isEmpty(other)) throw new FsError('ENOTEMPTY');
}

/** Throws EINVAL when `directory` is `place` or one of the directories above it. */
function checkNotInside(core: NamespaceCore, directory: Inode, place: Inode): void {
  // The way up may be longer than what the cache keeps for a system call.
  directory.opens += 1;
  place.opens += 1;
  try {
    let ino = place.ino;
    while (ino !== ROOT_INO) {
      if (ino === directory.ino) throw new FsError('EINVAL', { message: 'a directory cannot go below itself' });
      const above = core.need(ino).parent;
      if (above === ino) return;
      ino = above;
    }
  } finally {
    directory.opens -= 1;
    place.opens -= 1;
  }
}
