import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Database } from 'sql.js';

import { loadSqlJs } from '../../dist/meta/stores/sql.js';
import { readSetting } from '../../dist/meta/stores/validate.js';
import { all, decode, naiveOverlay } from '../meta/sqlite-helpers.ts';
import { escape } from './synthetic-volume.ts';

const CHUNK_BYTES = 2 ** 26;
const FORMAT_BITS = [0, 0o100000, 0o040000, 0o120000, 0o010000, 0o060000, 0o020000, 0o140000];

/** The manifest of an image, read with plain SQL, and of its blocks in a directory: see check-with-juicefs.sh. */
export async function imageManifest(image: Uint8Array, bucket: string): Promise<string> {
  const sql = await loadSqlJs();
  const db = new sql.Database(image);
  const lines: string[] = [];
  const walk = (path: string, ino: number): void => {
    lines.push(line(db, path === '' ? '/' : path, ino, bucket));
    for (const [name, child] of all(db, 'SELECT name, inode FROM jfs_edge WHERE parent = ?', [ino])) {
      walk(`${path}/${Buffer.from(name as Uint8Array).toString('latin1')}`, child as number);
    }
  };
  walk('', 1);
  db.close();
  return `${lines.toSorted((a, b) => (a < b ? -1 : 1)).join('\n')}\n`;
}

function line(db: Database, path: string, ino: number, bucket: string): string {
  const columns = 'type, mode, nlink, uid, gid, rdev, length, CAST(mtime * 1000 + mtimensec AS TEXT)';
  const [row] = all(db, `SELECT ${columns} FROM jfs_node WHERE inode = ?`, [ino]);
  const [type, mode, nlink, uid, gid, rdev, length, mtime] = row as number[] as [number, ...number[]];
  const [target] = all(db, 'SELECT target FROM jfs_symlink WHERE inode = ?', [ino])[0] ?? [new Uint8Array(0)];
  const xattrs = all(db, 'SELECT name, hex(value) FROM jfs_xattr WHERE inode = ? ORDER BY name', [ino]);
  return [
    escape(path),
    ((FORMAT_BITS[type] ?? 0) | Number(mode)).toString(8).padStart(6, '0'),
    nlink,
    `${uid}:${gid}`,
    rdev,
    length,
    mtime,
    type === 1
      ? createHash('sha256')
          .update(content(db, ino, Number(length), bucket))
          .digest('hex')
      : '-',
    escape(Buffer.from(target as Uint8Array).toString('latin1')),
    xattrs.map(([name, hex]) => `${escape(String(name))}=${String(hex).toLowerCase()}`).join(',') || '-',
  ].join('\t');
}

function content(db: Database, ino: number, length: number, bucket: string): Buffer {
  const setting = readSetting(db);
  const file = Buffer.alloc(length);
  for (const [indx, list] of all(db, 'SELECT indx, slices FROM jfs_chunk WHERE inode = ?', [ino])) {
    for (const piece of decode(naiveOverlay(list as Uint8Array))) {
      const blocks = Array.from({ length: Math.ceil(piece.size / setting.blockBytes) }, (_, b) => {
        const bytes = Math.min(setting.blockBytes, piece.size - b * setting.blockBytes);
        const million = String(Math.floor(piece.id / 1e6));
        const folder = setting.hashPrefix
          ? join((piece.id % 256).toString(16).toUpperCase().padStart(2, '0'), million)
          : join(million, String(Math.floor(piece.id / 1e3)));
        return readFileSync(join(bucket, setting.name, 'chunks', folder, `${piece.id}_${b}_${bytes}`));
      });
      const at = (indx as number) * CHUNK_BYTES + piece.pos;
      Buffer.concat(blocks).copy(file, at, piece.off, piece.off + Math.min(piece.len, Math.max(0, length - at)));
    }
  }
  return file;
}
