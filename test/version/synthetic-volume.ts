import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { BLOCK_BYTES, CHUNK_BYTES, GRANULE_BYTES } from '../../dist/base/limits.js';
import { FileType, type NodeRow } from '../../dist/meta/inode.js';
import type { RowWriter } from '../../dist/meta/rows.js';
import { type LogFixture, crc32c } from './log-fixture.ts';

interface File {
  row: NodeRow;
  content: Buffer;
  target: string;
  xattrs: Map<string, Buffer>;
  entries: Map<string, number>;
}

/**
 * A volume that is only a log, its blocks in a bucket, and a plain model of what a reader must see. It says to the log
 * what the daemon would say, one batch for each operation. Paths and names are latin1 strings.
 */
export class SyntheticVolume {
  readonly #log: LogFixture;
  readonly #bucket: string;
  readonly #family: string;
  readonly #files = new Map<number, File>();
  #nextId: number;
  #nextEdge = 1;
  #pack: { id: number; parts: Buffer[]; bytes: number } | undefined;
  #time = 1_700_000_000;

  constructor(options: { log: LogFixture; bucket: string; family: string; firstId: number }) {
    this.#log = options.log;
    this.#bucket = options.bucket;
    this.#family = options.family;
    this.#nextId = options.firstId;
    const root = this.#newRow(1, FileType.DIRECTORY, 0o777, 1);
    this.#files.set(1, { row: root, content: Buffer.alloc(0), target: '', xattrs: new Map(), entries: new Map() });
    this.#log.rows((rows) => rows.putNode(root));
  }

  mkdir(path: string, mode = 0o755): void {
    this.#create(path, FileType.DIRECTORY, { mode });
  }

  mknod(path: string, type: FileType, rdev = 0): void {
    this.#create(path, type, { mode: 0o600, rdev });
  }

  symlink(target: string, path: string): void {
    this.#create(path, FileType.SYMLINK, { mode: 0o777, target });
  }

  create(path: string, content: Buffer | string = '', fields: Partial<NodeRow> = {}): void {
    this.#create(path, FileType.FILE, { mode: 0o644, ...fields });
    this.write(path, 0, Buffer.from(content as string));
  }

  link(from: string, to: string): void {
    const file = this.#file(from);
    const [parent, name] = this.#parent(to);
    file.row = { ...file.row, nlink: file.row.nlink + 1, parent: 0 };
    parent.entries.set(name, file.row.ino);
    this.#log.rows((rows) => {
      rows.putEdge(this.#nextEdge++, parent.row.ino, name, file.row.ino, file.row.type);
      rows.putNode(file.row);
    });
  }

  xattr(path: string, name: string, value: string | null): void {
    const { row, xattrs } = this.#file(path);
    if (value === null) {
      xattrs.delete(name);
      this.#log.rows((rows) => rows.deleteXattr(row.ino, name));
      return;
    }
    xattrs.set(name, Buffer.from(value, 'latin1'));
    this.#log.rows((rows) => rows.putXattr(row.ino, name, Buffer.from(value, 'latin1')));
  }

  /** Writes in pieces that end where chunks and packs end. */
  write(path: string, at: number, data: Buffer): void {
    const file = this.#file(path);
    const length = Math.max(file.row.length, at + data.length);
    if (length > file.content.length)
      file.content = Buffer.concat([file.content, Buffer.alloc(length - file.content.length)]);
    data.copy(file.content, at);
    const sec = this.#time++;
    for (let done = 0; done < data.length;) {
      const pos = (at + done) % CHUNK_BYTES;
      const pack = (this.#pack ??= { id: this.#nextId++, parts: [], bytes: 0 });
      const len = Math.min(data.length - done, CHUNK_BYTES - pos, BLOCK_BYTES - pack.bytes, 1 << 20);
      const piece = data.subarray(done, done + len);
      const after = Math.max(file.row.length, at + done + len);
      const indx = Math.floor((at + done) / CHUNK_BYTES);
      file.row = { ...file.row, length: after, mtime: sec, mtimensec: 123_456_789, ctime: sec, ctimensec: 123_456_789 };
      this.#log.write(
        { ino: file.row.ino, indx, pos, pack: pack.id, off: pack.bytes, len, length: after, sec, nsec: 123_456_789 },
        piece,
      );
      pack.parts.push(Buffer.from(piece));
      pack.bytes += len;
      done += len;
      if (pack.bytes === BLOCK_BYTES) this.seal();
    }
  }

  /** Within one chunk. */
  punch(path: string, at: number, len: number): void {
    const file = this.#file(path);
    file.content.fill(0, at, at + len);
    this.#log.rows((rows) => rows.zero(file.row.ino, Math.floor(at / CHUNK_BYTES), at % CHUNK_BYTES, len));
  }

  /** Shorter within its last chunk, or longer by a hole. */
  truncate(path: string, length: number): void {
    const file = this.#file(path);
    const before = file.row.length;
    file.content = Buffer.concat([file.content.subarray(0, length), Buffer.alloc(Math.max(0, length - before))]);
    file.row = { ...file.row, length };
    this.#log.rows((rows) => {
      rows.putNode(file.row);
      if (length < before)
        rows.zero(file.row.ino, Math.floor(length / CHUNK_BYTES), length % CHUNK_BYTES, before - length);
    });
  }

  unlink(path: string): void {
    const file = this.#file(path);
    const [parent, name] = this.#parent(path);
    parent.entries.delete(name);
    file.row = { ...file.row, nlink: file.row.nlink - 1 };
    this.#log.rows((rows) => {
      rows.deleteEdge(parent.row.ino, name);
      if (file.row.nlink === 0) rows.deleteNode(file.row.ino);
      else rows.putNode(file.row);
    });
    if (file.row.nlink === 0) this.#files.delete(file.row.ino);
  }

  rmdir(path: string): void {
    const { row } = this.#file(path);
    const [parent, name] = this.#parent(path);
    parent.entries.delete(name);
    parent.row = { ...parent.row, nlink: parent.row.nlink - 1 };
    this.#files.delete(row.ino);
    this.#log.rows((rows) => {
      rows.deleteEdge(parent.row.ino, name);
      rows.deleteNode(row.ino);
      rows.putNode(parent.row);
    });
  }

  /** To a name that is not there. */
  rename(from: string, to: string): void {
    const file = this.#file(from);
    const [[source, oldName], [target, newName]] = [this.#parent(from), this.#parent(to)];
    source.entries.delete(oldName);
    target.entries.set(newName, file.row.ino);
    if (file.row.parent !== 0) file.row = { ...file.row, parent: target.row.ino };
    if (file.row.type === FileType.DIRECTORY) {
      source.row = { ...source.row, nlink: source.row.nlink - 1 };
      target.row = { ...target.row, nlink: target.row.nlink + 1 };
    }
    this.#log.rows((rows) => {
      rows.deleteEdge(source.row.ino, oldName);
      rows.putEdge(this.#nextEdge++, target.row.ino, newName, file.row.ino, file.row.type);
      for (const { row } of [file, source, target]) rows.putNode(row);
    });
  }

  /** Puts the open pack's block into the bucket and says so to the log. */
  seal(options: { upload?: boolean } = {}): void {
    const pack = this.#pack;
    if (pack === undefined) return;
    this.#pack = undefined;
    this.#log.seal(pack.id, pack.bytes);
    const data = Buffer.concat(pack.parts);
    const folder = join('chunks', String(Math.floor(pack.id / 1e6)), String(Math.floor(pack.id / 1e3)));
    const path = join(this.#bucket, this.#family, folder, `${pack.id}_0_${data.length}`);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, data);
    const granules = Array.from({ length: Math.ceil(data.length / GRANULE_BYTES) }, (_, i) =>
      crc32c(data.subarray(i * GRANULE_BYTES, (i + 1) * GRANULE_BYTES)),
    );
    if (options.upload !== false) this.#log.uploaded(pack.id, data.length, granules);
  }

  /** What a reader must see, as check-with-juicefs.sh prints it. */
  manifest(): string {
    const lines: string[] = [];
    const walk = (path: string, ino: number): void => {
      const file = this.#files.get(ino) as File;
      lines.push(manifestLine(path === '' ? '/' : path, file));
      for (const [name, child] of file.entries) walk(`${path}/${name}`, child);
    };
    walk('', 1);
    return `${lines.toSorted((a, b) => (a < b ? -1 : 1)).join('\n')}\n`;
  }

  #create(path: string, type: FileType, fields: Partial<NodeRow> & { target?: string }): void {
    const [parent, name] = this.#parent(path);
    const { target = '', ...columns } = fields;
    const row = { ...this.#newRow(this.#nextId++, type, 0o644, parent.row.ino), ...columns };
    if (type === FileType.SYMLINK) row.length = target.length;
    if (type === FileType.DIRECTORY) parent.row = { ...parent.row, nlink: parent.row.nlink + 1 };
    this.#files.set(row.ino, { row, content: Buffer.alloc(0), target, xattrs: new Map(), entries: new Map() });
    parent.entries.set(name, row.ino);
    this.#log.rows((rows: RowWriter) => {
      rows.putNode(row);
      rows.putEdge(this.#nextEdge++, parent.row.ino, name, row.ino, type);
      if (type === FileType.SYMLINK) rows.putSymlink(row.ino, Buffer.from(target, 'latin1'));
      rows.putNode(parent.row);
    });
  }

  #newRow(ino: number, type: FileType, mode: number, parent: number): NodeRow {
    const time = this.#time++;
    const isDirectory = type === FileType.DIRECTORY;
    return {
      ino,
      type,
      mode,
      parent,
      flags: 0,
      uid: 0,
      gid: 0,
      rdev: 0,
      nlink: isDirectory ? 2 : 1,
      length: isDirectory ? 4096 : 0,
      accessAcl: 0,
      defaultAcl: 0,
      tier: 0,
      atime: time,
      atimensec: 1,
      mtime: time,
      mtimensec: 1,
      ctime: time,
      ctimensec: 1,
    };
  }

  #file(path: string): File {
    let file = this.#files.get(1) as File;
    for (const name of path.split('/').filter(Boolean)) {
      const ino = file.entries.get(name);
      if (ino === undefined) throw new Error(`no ${path}`);
      file = this.#files.get(ino) as File;
    }
    return file;
  }

  #parent(path: string): [File, string] {
    const cut = path.lastIndexOf('/');
    return [this.#file(path.slice(0, cut)), path.slice(cut + 1)];
  }
}

const FORMAT_BITS: Readonly<Record<number, number>> = {
  [FileType.FILE]: 0o100000,
  [FileType.DIRECTORY]: 0o040000,
  [FileType.SYMLINK]: 0o120000,
  [FileType.FIFO]: 0o010000,
  [FileType.BLOCK]: 0o060000,
  [FileType.CHAR]: 0o020000,
  [FileType.SOCKET]: 0o140000,
};

function manifestLine(path: string, { row, content, target, xattrs }: File): string {
  const isFile = row.type === FileType.FILE;
  const mtime = BigInt(row.mtime) * 1_000_000_000n + BigInt(row.mtimensec);
  const sorted = [...xattrs].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return [
    escape(path),
    ((FORMAT_BITS[row.type] ?? 0) | row.mode).toString(8).padStart(6, '0'),
    row.nlink,
    `${row.uid}:${row.gid}`,
    row.rdev,
    row.length,
    mtime,
    isFile ? createHash('sha256').update(content.subarray(0, row.length)).digest('hex') : '-',
    escape(target),
    sorted.map(([name, value]) => `${escape(name)}=${value.toString('hex')}`).join(',') || '-',
  ].join('\t');
}

export function escape(bytes: string): string {
  const text = bytes.replace(
    /[^\x21-\x24\x26-\x7e]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  );
  return text === '' ? '-' : text;
}
