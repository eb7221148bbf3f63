import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bytesToName, nameToText, type ByteString } from '../base/bytes.js';
import { systemClock, type Timespec } from '../base/clock.js';
import { FsError } from '../base/errors.js';
import { CHUNK_BYTES } from '../base/limits.js';
import { FileType } from '../meta/inode.js';
import { Namespace, type Inode } from '../meta/namespace.js';
import { loadSqlJs } from '../meta/stores/sql.js';
import { validateImage } from '../meta/stores/validate.js';
import { getIndex } from '../version/index-object.js';
import { BlockFetcher } from './block-fetcher.js';
import { openVersion } from './versions.js';

export type EntryType = 'file' | 'directory' | 'symlink' | 'fifo' | 'block' | 'char' | 'socket';

/** What a version knows of a path. */
export interface TreeEntry {
  /** Bytes of the name; '/' for the root. */
  name: ByteString;
  type: EntryType;
  ino: number;
  /** Permission bits. */
  mode: number;
  nlink: number;
  uid: number;
  gid: number;
  rdev: number;
  size: number;
  atime: Timespec;
  mtime: Timespec;
  ctime: Timespec;
  /** Of a symbolic link. */
  target: ByteString | null;
}

const TYPE_NAME: Record<FileType, EntryType> = {
  [FileType.FILE]: 'file',
  [FileType.DIRECTORY]: 'directory',
  [FileType.SYMLINK]: 'symlink',
  [FileType.FIFO]: 'fifo',
  [FileType.BLOCK]: 'block',
  [FileType.CHAR]: 'char',
  [FileType.SOCKET]: 'socket',
};

/** Symbolic links that are followed in one path. */
const LINKS_FOLLOWED_MAX = 40;

/** The tree of a version, read without a mount and without a daemon: the index from the store, data only when read. */
export class VersionTree implements Disposable {
  readonly #namespace: Namespace;
  readonly #blocks: BlockFetcher;

  private constructor(namespace: Namespace, blocks: BlockFetcher) {
    this.#namespace = namespace;
    this.#blocks = blocks;
  }

  /** @throws VolumeError */
  static async open(locator: string): Promise<VersionTree> {
    const { store, record } = await openVersion(locator);
    const folder = await mkdtemp(join(tmpdir(), 'forkfs-'));
    try {
      const path = join(folder, 'index.db');
      await getIndex(store, record, path);
      const [sql, image] = await Promise.all([loadSqlJs(), readFile(path)]);
      const { setting: format } = validateImage(sql, image);
      const namespace = Namespace.open(image, { sql, journal: null, ids: null, clock: systemClock });
      return new VersionTree(namespace, new BlockFetcher({ store, family: record.family, format, namespace }));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  /** @throws FsError ENOENT, ENOTDIR, ELOOP. The last link of the path is not followed. */
  stat(path: ByteString): TreeEntry {
    const parts = path.split('/').filter((part) => part !== '' && part !== '.');
    return this.#entry(this.#walk(path, { follow: false }), parts.at(-1) ?? '/');
  }

  /** Entries of a directory, sorted by name; of anything else, the entry itself. */
  list(path: ByteString): TreeEntry[] {
    const inode = this.#walk(path, { follow: true });
    if (inode.type !== FileType.DIRECTORY) return [this.stat(path)];
    const names: { name: ByteString; ino: number }[] = [];
    this.#namespace.readdir(inode, 0, ({ name, ino }) => names.push({ name, ino }) > 0);
    names.sort((a, b) => (a.name < b.name ? -1 : 1));
    return names.map(({ name, ino }) => this.#entry(this.#existing(ino, path), name));
  }

  /** The bytes of a file, in pieces, holes as zeros. @throws FsError EISDIR; EIO for a block that is missing or damaged */
  async *read(path: ByteString): AsyncGenerator<Uint8Array> {
    const inode = this.#walk(path, { follow: true });
    if (inode.type === FileType.DIRECTORY) throw new FsError('EISDIR', { syscall: 'read', path: nameToText(path) });
    if (inode.type !== FileType.FILE) throw new FsError('EINVAL', { syscall: 'read', path: nameToText(path) });
    for (let start = 0; start < inode.length; start += CHUNK_BYTES) {
      const length = Math.min(CHUNK_BYTES, inode.length - start);
      yield* this.#blocks.chunk(this.#namespace.chunk(inode, start / CHUNK_BYTES), length);
    }
  }

  [Symbol.dispose](): void {
    this.#namespace.close();
  }

  #walk(path: ByteString, { follow }: { follow: boolean }): Inode {
    const todo = path.split('/');
    const above: Inode[] = [];
    let at = this.#namespace.root;
    let links = 0;
    for (let name = todo.shift(); name !== undefined; name = todo.shift()) {
      if (at.type !== FileType.DIRECTORY) throw new FsError('ENOTDIR', { syscall: 'open', path: nameToText(path) });
      if (name === '' || name === '.') continue;
      if (name === '..') {
        at = above.pop() ?? at;
        continue;
      }
      const next = this.#namespace.lookup(at, name);
      if (next === undefined) throw new FsError('ENOENT', { syscall: 'open', path: nameToText(path) });
      if (next.type !== FileType.SYMLINK || (todo.length === 0 && !follow)) {
        above.push(at);
        at = next;
        continue;
      }
      if (++links > LINKS_FOLLOWED_MAX) throw new FsError('ELOOP', { syscall: 'open', path: nameToText(path) });
      const target = bytesToName(this.#namespace.readlink(next));
      if (target.startsWith('/')) {
        above.length = 0;
        at = this.#namespace.root;
      }
      todo.unshift(...target.split('/'));
    }
    return at;
  }

  #existing(ino: number, path: ByteString): Inode {
    const inode = this.#namespace.inode(ino);
    if (inode === undefined) throw new FsError('EIO', { syscall: 'stat', path: nameToText(path) });
    return inode;
  }

  #entry(inode: Inode, name: ByteString): TreeEntry {
    const { ino, mode, nlink, uid, gid, rdev } = inode;
    return {
      name,
      type: TYPE_NAME[inode.type],
      ino,
      mode,
      nlink,
      uid,
      gid,
      rdev,
      size: inode.length,
      atime: { sec: inode.atime, nsec: inode.atimensec },
      mtime: { sec: inode.mtime, nsec: inode.mtimensec },
      ctime: { sec: inode.ctime, nsec: inode.ctimensec },
      target: inode.type === FileType.SYMLINK ? bytesToName(this.#namespace.readlink(inode)) : null,
    };
  }
}
