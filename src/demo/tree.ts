import { createHash } from 'node:crypto';
import { closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync, type BigIntStats } from 'node:fs';
import { bytesToName } from '../base/bytes.js';

/** What is compared of a path. Sizes of directories are left out: each file system has its own. */
export interface TreePath {
  type: string;
  mode: number;
  size: number;
  mtimeNs: bigint;
  target: string;
  sha256: string;
}

/** Paths from the top as byte strings; the top itself is ''. */
export type Tree = Map<string, TreePath>;

const PIECE_BYTES = 1024 * 1024;
const TYPES: Record<number, string> = {
  0o100000: 'file',
  0o040000: 'directory',
  0o120000: 'symlink',
  0o010000: 'fifo',
  0o060000: 'block device',
  0o020000: 'character device',
  0o140000: 'socket',
};

/** Reads a whole tree. Names are bytes, kept one character each, so that odd ones compare as they are. */
export function readTree(top: string, onPath: (paths: number) => void): Tree {
  const tree: Tree = new Map();
  const buffer = Buffer.allocUnsafe(PIECE_BYTES);
  const todo = [''];
  for (let path = todo.pop(); path !== undefined; path = todo.pop()) {
    const full = Buffer.from(bytesToName(Buffer.from(top)) + (path === '' ? '' : `/${path}`), 'latin1');
    const stat = lstatSync(full, { bigint: true });
    tree.set(path, describe(full, stat, buffer));
    onPath(tree.size);
    if (!stat.isDirectory()) continue;
    for (const name of readdirSync(full, { encoding: 'buffer' })) {
      todo.push(path === '' ? bytesToName(name) : `${path}/${bytesToName(name)}`);
    }
  }
  return tree;
}

function describe(path: Buffer, stat: BigIntStats, buffer: Buffer): TreePath {
  const isFile = stat.isFile();
  return {
    type: TYPES[Number(stat.mode) & 0o170000] ?? 'unknown',
    mode: Number(stat.mode) & 0o7777,
    size: stat.isDirectory() ? 0 : Number(stat.size),
    mtimeNs: stat.mtimeNs,
    target: stat.isSymbolicLink() ? bytesToName(readlinkSync(path, { encoding: 'buffer' })) : '',
    sha256: isFile ? hashFile(path, buffer) : '',
  };
}

function hashFile(path: Buffer, buffer: Buffer): string {
  const hash = createHash('sha256');
  const fd = openSync(path, 'r');
  try {
    for (let bytes = readSync(fd, buffer); bytes > 0; bytes = readSync(fd, buffer))
      hash.update(buffer.subarray(0, bytes));
  } finally {
    closeSync(fd);
  }
  return hash.digest('hex');
}

/** Every difference, in words. */
export function differences(expected: Tree, found: Tree): string[] {
  const said: string[] = [];
  for (const [path, want] of expected) {
    const have = found.get(path);
    if (have === undefined) {
      said.push(`${path || '/'} is missing`);
      continue;
    }
    for (const field of ['type', 'mode', 'size', 'mtimeNs', 'target', 'sha256'] as const) {
      if (want[field] !== have[field]) said.push(`${path || '/'}: ${field} is ${have[field]}, not ${want[field]}`);
    }
  }
  for (const path of found.keys()) if (!expected.has(path)) said.push(`${path || '/'} should not be there`);
  return said;
}

export function fileBytes(tree: Tree): number {
  let bytes = 0;
  for (const entry of tree.values()) if (entry.type === 'file') bytes += entry.size;
  return bytes;
}
