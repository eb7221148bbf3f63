import type { ByteString } from '../base/bytes.js';
import { FsError } from '../base/errors.js';
import { LINKS_MAX } from '../base/limits.js';
import { Inode } from './cached-inode.js';
import { FileType } from './inode.js';
import { checkName, checkTarget } from './names.js';
import type { NamespaceCore } from './namespace-core.js';

const S_ISGID = 0o2000;
/** Flag bit of an inode, inherited from its directory: it does not go to the trash. */
const FLAG_SKIP_TRASH = 32;

export interface NewInode {
  type: FileType;
  /** Permission bits only. */
  mode: number;
  uid: number;
  gid: number;
  /** Of a device, as in st_rdev. */
  rdev?: number;
  /** Of a symbolic link. */
  target?: Uint8Array;
}

/** A new inode and its first entry. */
export function createInode(core: NamespaceCore, parent: Inode, name: ByteString, what: NewInode): Inode {
  core.checkWritable();
  core.checkParent(parent);
  checkName(name);
  if (what.type === FileType.SYMLINK) checkTarget(what.target ?? new Uint8Array(0));
  if (core.dentries.find(parent, name) !== undefined) throw new FsError('EEXIST');
  checkVolumeRoom(core);
  const inode = new Inode(core.newIno(), what.type, false);

  const rows = core.begin();
  fillInode(core, inode, parent, what);
  core.inodes.add(inode);
  core.inodeCount += 1;
  core.account(inode);
  core.behind.inodeChanged(inode);
  const entry = core.dentries.add(parent, name, inode.ino, inode.type);
  if (inode.isDirectory) {
    core.dentries.begin(inode);
    parent.nlink += 1;
  }
  core.touch(parent);
  rows.putNode(parent);
  rows.putNode(inode);
  rows.putEdge(entry.id, parent.ino, name, inode.ino, inode.type);
  if (inode.target !== undefined) rows.putSymlink(inode.ino, inode.target);
  core.commit();
  return inode;
}

function fillInode(core: NamespaceCore, inode: Inode, parent: Inode, what: NewInode): void {
  const { sec, nsec } = core.time;
  inode.mode = what.mode & 0o7777;
  inode.uid = what.uid;
  inode.gid = what.gid;
  if ((parent.mode & S_ISGID) !== 0) {
    inode.gid = parent.gid;
    if (inode.isDirectory) inode.mode |= S_ISGID;
  }
  inode.flags = parent.flags & FLAG_SKIP_TRASH;
  inode.tier = parent.tier;
  inode.rdev = what.type === FileType.BLOCK || what.type === FileType.CHAR ? (what.rdev ?? 0) : 0;
  inode.nlink = inode.isDirectory ? 2 : 1;
  inode.parent = parent.ino;
  inode.atime = inode.mtime = inode.ctime = sec;
  inode.atimensec = inode.mtimensec = inode.ctimensec = nsec;
  inode.xattrs = null;
  if (inode.isDirectory) inode.length = 4096;
  if (what.type === FileType.SYMLINK && what.target !== undefined) {
    // Not slice(): of a Buffer it is no copy.
    inode.target = new Uint8Array(what.target);
    inode.targetDirty = true;
    inode.length = what.target.length;
  }
}

/** One more entry for an inode, which from then on has no parent of its own. */
export function linkInode(core: NamespaceCore, inode: Inode, parent: Inode, name: ByteString): void {
  core.checkWritable();
  core.checkParent(parent);
  checkName(name);
  if (inode.isDirectory) throw new FsError('EPERM', { message: 'a directory has one name' });
  if (inode.nlink === 0 || inode.dead) throw new FsError('ENOENT', { message: 'the file has no name any more' });
  if (core.dentries.find(parent, name) !== undefined) throw new FsError('EEXIST');
  if (inode.nlink >= LINKS_MAX) throw new FsError('EMLINK');

  const rows = core.begin();
  inode.nlink += 1;
  inode.parent = 0;
  core.touchCtime(inode);
  core.touch(parent);
  const entry = core.dentries.add(parent, name, inode.ino, inode.type);
  rows.putNode(parent);
  rows.putNode(inode);
  rows.putEdge(entry.id, parent.ino, name, inode.ino, inode.type);
  core.commit();
}

function checkVolumeRoom(core: NamespaceCore): void {
  const limit = core.limits.volumeInodes;
  if (core.inodeCount >= limit) throw new FsError('ENOSPC', { message: `a volume holds at most ${limit} inodes` });
}
