import { systemClock } from '../../dist/base/clock.js';
import type { ByteString } from '../../dist/base/bytes.js';
import { FsError } from '../../dist/base/errors.js';
import { Inode } from '../../dist/meta/cached-inode.js';
import { FileType, ROOT_INO, type Dentry } from '../../dist/meta/inode.js';
import type { AttrChange, Caller, StatfsResult, VfsOps } from '../../dist/vfs/types.js';

interface Node extends Inode {
  names: Map<ByteString, Dentry>;
  content: Buffer;
  attributes: Map<ByteString, Buffer>;
}

const O_TRUNC = 0o1000;

/** A small file system in memory, with the manners of the real one, for tests of the transport. */
export class MemoryVfs implements VfsOps {
  readonly readOnly: boolean;
  readonly flushOwes = false;
  readonly nodes = new Map<number, Node>();
  /** Handle -> inode. */
  readonly handles = new Map<number, number>();
  readonly calls: string[] = [];
  /** What the next calls of `room` answer; 'ok' when it is used up. */
  readonly rooms: ('ok' | 'wait' | FsError)[] = [];
  /** Answer PENDING to reads and fsyncs. */
  isSlow = false;
  #nextIno = 2;
  #nextEdge = 1;
  #nextHandle = 1;

  constructor(options: { readOnly?: boolean } = {}) {
    this.readOnly = options.readOnly ?? false;
    const root = this.#make(
      { uid: process.getuid!(), gid: process.getgid!(), pid: 0 },
      FileType.DIRECTORY,
      0o755,
      ROOT_INO,
    );
    root.parent = ROOT_INO;
  }

  #make(caller: Caller, type: Inode['type'], mode: number, ino = this.#nextIno++): Node {
    const node = Object.assign(new Inode(ino, type, false), {
      names: new Map<ByteString, Dentry>(),
      content: Buffer.alloc(0),
      attributes: new Map<ByteString, Buffer>(),
    });
    Object.assign(node, {
      mode: mode & 0o7777,
      uid: caller.uid,
      gid: caller.gid,
      nlink: type === FileType.DIRECTORY ? 2 : 1,
    });
    if (type === FileType.DIRECTORY) node.length = 4096;
    this.#touch(node, 'atime');
    this.#touch(node, 'mtime');
    this.nodes.set(ino, node);
    return node;
  }

  #touch(node: Inode, ...which: ('atime' | 'mtime' | 'ctime')[]): void {
    const ms = systemClock.nowMs();
    for (const name of new Set([...which, 'ctime' as const])) {
      node[name] = Math.floor(ms / 1000);
      node[`${name}nsec`] = Math.floor((ms % 1000) * 1e6);
    }
  }

  #node(ino: number): Node {
    const node = this.nodes.get(ino);
    if (node === undefined) throw new FsError('ENOENT');
    return node;
  }

  #add(parent: number, name: ByteString, node: Node): Node {
    const directory = this.#node(parent);
    if (directory.names.has(name)) throw new FsError('EEXIST');
    directory.names.set(name, { id: this.#nextEdge++, name, ino: node.ino, type: node.type });
    node.parent = parent;
    if (node.type === FileType.DIRECTORY) directory.nlink++;
    node.lookups++;
    this.#touch(directory, 'mtime');
    return node;
  }

  #dropIfUnused(node: Node): void {
    if (node.nlink <= 0 && node.lookups <= 0 && node.opens <= 0) this.nodes.delete(node.ino);
  }

  room(): 'ok' | 'wait' {
    const answer = this.rooms.shift() ?? 'ok';
    if (answer instanceof FsError) throw answer;
    return answer;
  }

  lookup(parent: number, name: ByteString): Inode | undefined {
    const entry = this.#node(parent).names.get(name);
    if (entry === undefined) return undefined;
    const node = this.#node(entry.ino);
    node.lookups++;
    return node;
  }
  forget(ino: number, nlookup: number): void {
    this.calls.push(`forget ${ino} ${nlookup}`);
    const node = this.nodes.get(ino);
    if (node === undefined) return;
    node.lookups -= nlookup;
    this.#dropIfUnused(node);
  }
  getattr(ino: number): Inode {
    return this.#node(ino);
  }
  setattr(_caller: Caller, ino: number, change: AttrChange): Inode {
    this.calls.push(`setattr ${ino} ${JSON.stringify(change)}`);
    const node = this.#node(ino);
    const { atime, mtime, size, ctime: _ctime, ...plain } = change;
    Object.assign(node, plain);
    if (size !== undefined) this.#resize(node, size);
    for (const [name, time] of [
      ['atime', atime],
      ['mtime', mtime],
    ] as const) {
      if (time === 'now') this.#touch(node, name);
      else if (time !== undefined) Object.assign(node, { [name]: time.sec, [`${name}nsec`]: time.nsec });
    }
    this.#touch(node, 'ctime');
    return node;
  }
  #resize(node: Node, size: number): void {
    const content = Buffer.alloc(size);
    node.content.copy(content, 0, 0, Math.min(size, node.length));
    node.content = content;
    node.length = size;
    this.#touch(node, 'mtime');
  }
  readlink(ino: number): Uint8Array {
    return this.#node(ino).content;
  }
  mknod(caller: Caller, parent: number, name: ByteString, mode: number, rdev: number): Inode {
    const types: Record<number, Inode['type']> = { 0o010000: 4, 0o020000: 6, 0o060000: 5, 0o100000: 1, 0o140000: 7 };
    const type = types[mode & 0o170000];
    if (type === undefined) throw new FsError('EINVAL');
    return Object.assign(this.#add(parent, name, this.#make(caller, type, mode)), { rdev });
  }
  mkdir(caller: Caller, parent: number, name: ByteString, mode: number): Inode {
    return this.#add(parent, name, this.#make(caller, FileType.DIRECTORY, mode));
  }
  symlink(caller: Caller, parent: number, name: ByteString, target: Uint8Array): Inode {
    const node = this.#add(parent, name, this.#make(caller, FileType.SYMLINK, 0o777));
    node.content = Buffer.from(target);
    node.length = target.length;
    return node;
  }
  link(ino: number, parent: number, name: ByteString): Inode {
    const node = this.#add(parent, name, this.#node(ino));
    node.nlink++;
    return node;
  }
  unlink(parent: number, name: ByteString): void {
    const directory = this.#node(parent);
    const entry = directory.names.get(name);
    if (entry === undefined) throw new FsError('ENOENT');
    directory.names.delete(name);
    const node = this.#node(entry.ino);
    node.nlink--;
    this.#touch(node, 'ctime');
    this.#touch(directory, 'mtime');
    this.#dropIfUnused(node);
  }
  rmdir(parent: number, name: ByteString): void {
    const entry = this.#node(parent).names.get(name);
    if (entry === undefined) throw new FsError('ENOENT');
    const node = this.#node(entry.ino);
    if (node.names.size > 0) throw new FsError('ENOTEMPTY');
    node.nlink = 0;
    this.#node(parent).names.delete(name);
    this.#node(parent).nlink--;
    this.#dropIfUnused(node);
  }
  rename(parent: number, name: ByteString, newParent: number, newName: ByteString, flags: number): void {
    this.calls.push(`rename ${parent} ${name} ${newParent} ${newName} ${flags}`);
    const from = this.#node(parent).names;
    const to = this.#node(newParent).names;
    const entry = from.get(name);
    const target = to.get(newName);
    if (entry === undefined) throw new FsError('ENOENT');
    if (target !== undefined && (flags & 1) !== 0) throw new FsError('EEXIST');
    from.delete(name);
    if (target !== undefined && (flags & 2) === 0) this.unlink(newParent, newName);
    to.set(newName, { ...entry, id: this.#nextEdge++, name: newName });
    if (target !== undefined && (flags & 2) !== 0) from.set(name, { ...target, id: this.#nextEdge++, name });
    this.#node(entry.ino).parent = newParent;
  }

  open(ino: number, flags: number): number {
    const node = this.#node(ino);
    if ((flags & O_TRUNC) !== 0) this.#resize(node, 0);
    return this.#handle(node);
  }
  #handle(node: Node): number {
    node.opens++;
    this.handles.set(this.#nextHandle, node.ino);
    return this.#nextHandle++;
  }
  create(caller: Caller, parent: number, name: ByteString, mode: number): { inode: Inode; fh: number } {
    const inode = this.#add(parent, name, this.#make(caller, FileType.FILE, mode));
    return { inode, fh: this.#handle(inode) };
  }
  read(ino: number, _fh: number, offset: number, size: number, out: Uint8Array, at: number, ticket: number): number {
    this.calls.push(`read ${ino} ${offset} ${size} ${ticket}`);
    if (this.isSlow) return -1;
    const node = this.#node(ino);
    const end = Math.min(node.length, offset + size);
    if (offset >= end) return 0;
    out.set(node.content.subarray(offset, end), at);
    return end - offset;
  }
  write(ino: number, _fh: number, offset: number, data: Uint8Array, killPriv: boolean): void {
    this.calls.push(`write ${ino} ${offset} ${data.length} ${killPriv}`);
    const node = this.#node(ino);
    const end = offset + data.length;
    if (end > 2 ** 30) throw new FsError('EFBIG');
    if (node.content.length < end) {
      const content = Buffer.alloc(Math.max(end, offset === 0 ? 0 : 2 * node.content.length));
      node.content.copy(content);
      node.content = content;
    }
    node.content.set(data, offset);
    node.length = Math.max(node.length, end);
    if (killPriv) node.mode &= ~0o6000;
    this.#touch(node, 'mtime');
  }
  flush(): number {
    return 0;
  }
  fsync(ino: number, _fh: number, dataOnly: boolean, ticket: number): number {
    this.calls.push(`fsync ${ino} ${dataOnly} ${ticket}`);
    return this.isSlow ? -1 : 0;
  }
  release(fh: number): void {
    this.calls.push(`release ${fh}`);
    const node = this.nodes.get(this.handles.get(fh) ?? 0);
    this.handles.delete(fh);
    if (node === undefined) throw new FsError('EBADF');
    node.opens--;
    this.#dropIfUnused(node);
  }

  opendir(ino: number): number {
    return this.#handle(this.#node(ino));
  }
  readdir(ino: number, _fh: number, cookie: number, visit: (entry: Dentry) => boolean): void {
    for (const entry of this.#node(ino).names.values()) if (entry.id > cookie && !visit(entry)) return;
  }
  releasedir(fh: number): void {
    this.release(fh);
  }
  fsyncdir(ino: number, ticket: number): number {
    return this.fsync(ino, 0, false, ticket);
  }

  getxattr(ino: number, name: ByteString): Uint8Array | undefined {
    return this.#node(ino).attributes.get(name);
  }
  listxattr(ino: number): ByteString[] {
    return [...this.#node(ino).attributes.keys()];
  }
  setxattr(ino: number, name: ByteString, value: Uint8Array): void {
    this.#node(ino).attributes.set(name, Buffer.from(value));
  }
  removexattr(ino: number, name: ByteString): void {
    if (!this.#node(ino).attributes.delete(name)) throw new FsError('ENODATA');
  }

  statfs(): StatfsResult {
    const blocks = { blockSize: 4096, blocks: 1_000_000, blocksFree: 900_000, blocksAvailable: 900_000 };
    return { ...blocks, files: this.nodes.size, filesFree: 1_000_000, nameMax: 255 };
  }
  fallocate(ino: number, _fh: number, mode: number, offset: number, length: number): void {
    this.calls.push(`fallocate ${ino} ${mode} ${offset} ${length}`);
    const node = this.#node(ino);
    if (mode === 0) this.#resize(node, Math.max(node.length, offset + length));
    else if (mode === 3) node.content.fill(0, offset, Math.min(node.length, offset + length));
    else throw new FsError('EOPNOTSUPP');
  }
  lseek(ino: number, _fh: number, offset: number, whence: number): number {
    const { length } = this.#node(ino);
    if (offset >= length) throw new FsError('ENXIO');
    return whence === 3 ? offset : length;
  }
  copyFileRange(inoIn: number, offsetIn: number, inoOut: number, offsetOut: number, length: number): number {
    this.calls.push(`copy ${inoIn} ${offsetIn} ${inoOut} ${offsetOut} ${length}`);
    const from = this.#node(inoIn);
    const end = Math.min(from.length, offsetIn + length);
    if (end <= offsetIn) return 0;
    this.write(inoOut, 0, offsetOut, Buffer.from(from.content.subarray(offsetIn, end)), false);
    return end - offsetIn;
  }
}
