import { type ByteString, bytesToName } from '../base/bytes.js';
import { FsError } from '../base/errors.js';
import { FileType, ROOT_INO } from '../meta/inode.js';
import type { Inode } from '../meta/namespace.js';
import type { VfsOps } from '../vfs/types.js';

/** As Linux: a path through more links than this is ELOOP. */
const LINKS_MAX_IN_PATH = 40;

/** Where a path ends. `name` is '' for the root (or a path that ends in `..` or `.`); `inode` undefined: nothing is there. */
export interface PathEnd {
  parent: number;
  name: ByteString;
  inode: Inode | undefined;
  /** The path ended in a slash, so only a directory may be made or found there. */
  mustBeDirectory: boolean;
}

/**
 * Walks a path from the root of the volume, following links in all components but the last, and there as `follow` says.
 * Absolute targets start at the root of the volume.
 * @throws FsError ENOENT, ENOTDIR, ELOOP
 */
export function resolvePath(
  vfs: Pick<VfsOps, 'lookup' | 'getattr' | 'readlink'>,
  path: ByteString,
  follow: boolean,
): PathEnd {
  if (path.includes('\0')) throw new FsError('EINVAL');
  // The directories from the root down to where we are: `..` goes up in it.
  let stack: Inode[] = [vfs.getattr(ROOT_INO)];
  let parts = path
    .split('/')
    .filter((part) => part !== '')
    .reverse();
  let links = 0;
  const mustBeDirectory = path.length > 1 && path.endsWith('/');
  for (;;) {
    const part = parts.pop();
    const here = stack.at(-1)!;
    if (part === undefined) return { parent: (stack.at(-2) ?? here).ino, name: '', inode: here, mustBeDirectory };
    if (part === '.') continue;
    if (part === '..') {
      if (stack.length > 1) stack.pop();
      continue;
    }
    const inode = vfs.lookup(here.ino, part);
    const isLast = parts.length === 0;
    if (inode === undefined) {
      if (!isLast) throw new FsError('ENOENT');
      return { parent: here.ino, name: part, inode, mustBeDirectory };
    }
    if (inode.type === FileType.SYMLINK && (!isLast || follow || mustBeDirectory)) {
      if (++links > LINKS_MAX_IN_PATH) throw new FsError('ELOOP');
      const target = bytesToName(vfs.readlink(inode.ino));
      if (target.startsWith('/')) stack = stack.slice(0, 1);
      parts = [
        ...parts,
        ...target
          .split('/')
          .filter((piece) => piece !== '')
          .reverse(),
      ];
      continue;
    }
    if (isLast) {
      if (mustBeDirectory && inode.type !== FileType.DIRECTORY) throw new FsError('ENOTDIR');
      return { parent: here.ino, name: part, inode, mustBeDirectory };
    }
    if (inode.type !== FileType.DIRECTORY) throw new FsError('ENOTDIR');
    stack.push(inode);
  }
}
