import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Database, SqlJsStatic } from 'sql.js';

import { FileType, type NodeRow, chargedBytes } from '../../dist/meta/inode.js';
import { createSchema } from '../../dist/meta/stores/schema.js';
import { newSetting } from '../../dist/meta/stores/setting.js';
import { loadSqlJs } from '../../dist/meta/stores/sql.js';
import { IndexApplier } from '../../dist/meta/stores/sqlite-apply.js';
import { ChunkMap } from '../../dist/meta/chunk-map.js';
import { kernelOverlay } from '../../dist/version/kernel-overlay.js';
import { type Piece, all, decode, naiveOverlay, record } from './sqlite-helpers.ts';

const SETTING = newSetting({ name: 'family', uuid: '00000000-0000-0000-0000-000000000000' });
const CHUNK_SPACE = 1000;

const test = suite<{ sql: SqlJsStatic }>('sqlite model');

test.before(async (context) => {
  context.sql = await loadSqlJs();
});

/** A generator that a seed fixes. */
function random(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

interface Model {
  nodes: Map<number, NodeRow>;
  /** `parent/name`, by key. */
  edges: Map<string, { parent: number; name: string; ino: number; id: number }>;
  xattrs: Map<string, Uint8Array>;
  /** Records of `ino/indx`, oldest first; sizes are not known yet. */
  chunks: Map<string, Piece[]>;
  sizes: Map<number, number>;
}

/** Random operations, said to an applier and done to a model at the same time. */
class Player {
  readonly model: Model = {
    nodes: new Map(),
    edges: new Map(),
    xattrs: new Map(),
    chunks: new Map(),
    sizes: new Map(),
  };
  readonly #draw: (below: number) => number;
  #nextId = 100;
  #nextEdge = 1;
  #open: { id: number; bytes: number } | undefined;

  constructor(seed: number) {
    this.#draw = random(seed);
    this.model.nodes.set(1, node(1, FileType.DIRECTORY, 1));
  }

  play(to: IndexApplier, steps: number): void {
    const kinds = [this.#create, this.#create, this.#write, this.#write, this.#write, this.#zero, this.#share];
    kinds.push(this.#link, this.#unlink, this.#rename, this.#xattr, this.#seal);
    for (let i = 0; i < steps; i++) {
      kinds[this.#draw(kinds.length)]?.call(this, to);
      to.recordEnd();
    }
    this.#seal(to);
  }

  #pick<T>(from: readonly T[]): T | undefined {
    return from[this.#draw(from.length)];
  }

  #file(): NodeRow | undefined {
    return this.#pick([...this.model.nodes.values()].filter(({ type }) => type === FileType.FILE));
  }

  #directory(): number {
    return this.#pick([...this.model.nodes.values()].filter(({ type }) => type === FileType.DIRECTORY))?.ino ?? 1;
  }

  #put(to: IndexApplier, row: NodeRow): void {
    this.model.nodes.set(row.ino, row);
    to.putNode(row);
  }

  #enter(to: IndexApplier, parent: number, name: string, ino: number): void {
    const id = this.#nextEdge++;
    this.model.edges.set(`${parent}/${name}`, { parent, name, ino, id });
    to.putEdge(id, parent, name, ino, this.model.nodes.get(ino)?.type ?? FileType.FILE);
  }

  #create(to: IndexApplier): void {
    const parent = this.#directory();
    const name = `n${this.#draw(40)}`;
    if (this.model.edges.has(`${parent}/${name}`)) return;
    const type = this.#draw(4) === 0 ? FileType.DIRECTORY : FileType.FILE;
    const ino = this.#nextId++;
    this.#put(to, node(ino, type, parent));
    this.#enter(to, parent, name, ino);
  }

  #write(to: IndexApplier): void {
    const file = this.#file();
    if (file === undefined) return;
    const pack = (this.#open ??= { id: this.#nextId++, bytes: 0 });
    const [indx, pos, len] = [this.#draw(2), this.#draw(CHUNK_SPACE), 1 + this.#draw(300)];
    const length = Math.max(file.length, indx * 2 ** 26 + pos + len);
    to.write({ ino: file.ino, indx, pos, pack: pack.id, off: pack.bytes, len, length, sec: 9, nsec: 1 });
    this.model.nodes.set(file.ino, { ...file, length, mtime: 9, ctime: 9, mtimensec: 1, ctimensec: 1 });
    this.#add(file.ino, indx, { pos, id: pack.id, size: 0, off: pack.bytes, len });
    pack.bytes += len;
  }

  #zero(to: IndexApplier): void {
    const file = this.#file();
    if (file === undefined) return;
    const [indx, pos, len] = [this.#draw(2), this.#draw(CHUNK_SPACE), 1 + this.#draw(500)];
    to.zero(file.ino, indx, pos, len);
    this.#add(file.ino, indx, { pos, id: 0, size: 0, off: 0, len });
  }

  #share(to: IndexApplier): void {
    const [file, source] = [this.#file(), this.#pick([...this.model.sizes])];
    if (file === undefined || source === undefined) return;
    const [id, size] = source;
    const off = this.#draw(size);
    const piece = { pos: this.#draw(CHUNK_SPACE), id, size, off, len: 1 + this.#draw(size - off) };
    to.share(file.ino, 0, piece.pos, id, size, off, piece.len);
    this.#add(file.ino, 0, piece);
  }

  #add(ino: number, indx: number, piece: Piece): void {
    const key = `${ino}/${indx}`;
    const list = this.model.chunks.get(key) ?? [];
    list.push(piece);
    this.model.chunks.set(key, list);
  }

  #seal(to: IndexApplier): void {
    if (this.#open === undefined || this.#open.bytes === 0) return;
    const { id, bytes } = this.#open;
    this.model.sizes.set(id, bytes);
    to.seal(id, bytes);
    if (this.#draw(2) === 0) to.uploaded(id, bytes, new Uint32Array([id]));
    this.#open = undefined;
  }

  #link(to: IndexApplier): void {
    const file = this.#file();
    const [parent, name] = [this.#directory(), `n${this.#draw(40)}`];
    if (file === undefined || this.model.edges.has(`${parent}/${name}`)) return;
    this.#enter(to, parent, name, file.ino);
    this.#put(to, { ...file, nlink: file.nlink + 1, parent: 0 });
  }

  #unlink(to: IndexApplier): void {
    const edge = this.#pick([...this.model.edges.values()]);
    if (edge === undefined) return;
    const { parent, name, ino } = edge;
    if ([...this.model.edges.values()].some((other) => other.parent === ino)) return;
    this.model.edges.delete(`${parent}/${name}`);
    to.deleteEdge(parent, name);
    this.#unlinked(to, ino);
  }

  /** Half of the files stay for a while without links, as open ones do; some of those are never deleted. */
  #unlinked(to: IndexApplier, ino: number): void {
    const row = this.model.nodes.get(ino) as NodeRow;
    const nlink = row.type === FileType.DIRECTORY ? 0 : row.nlink - 1;
    if (nlink > 0 || this.#draw(2) === 0) this.#put(to, { ...row, nlink });
    if (nlink > 0) return;
    if (this.#draw(2) === 0) to.recordEnd();
    if (this.#draw(3) > 0 || row.nlink === 1) to.deleteNode(ino);
    else this.#put(to, { ...row, nlink: 0 });
    this.model.nodes.delete(ino);
    for (const key of this.model.xattrs.keys()) if (key.startsWith(`${ino}/`)) this.model.xattrs.delete(key);
    for (const key of this.model.chunks.keys()) if (key.startsWith(`${ino}/`)) this.model.chunks.delete(key);
  }

  /** Also onto another file. */
  #rename(to: IndexApplier): void {
    const edge = this.#pick([...this.model.edges.values()].filter(({ ino }) => this.#isFile(ino)));
    const [parent, name] = [this.#directory(), `n${this.#draw(40)}`];
    const target = this.model.edges.get(`${parent}/${name}`);
    if (edge === undefined || edge === target || (target !== undefined && !this.#isFile(target.ino))) return;
    if (target?.ino === edge.ino) return;
    this.model.edges.delete(`${edge.parent}/${edge.name}`);
    to.deleteEdge(edge.parent, edge.name);
    this.#enter(to, parent, name, edge.ino);
    if (target !== undefined) this.#unlinked(to, target.ino);
  }

  #isFile(ino: number): boolean {
    return this.model.nodes.get(ino)?.type === FileType.FILE;
  }

  #xattr(to: IndexApplier): void {
    const file = this.#file();
    if (file === undefined) return;
    const name = `user.${this.#draw(3)}`;
    const value = new Uint8Array([this.#draw(256)]);
    if (this.#draw(3) > 0) {
      to.putXattr(file.ino, name, value);
      this.model.xattrs.set(`${file.ino}/${name}`, value);
    } else {
      to.deleteXattr(file.ino, name);
      this.model.xattrs.delete(`${file.ino}/${name}`);
    }
  }
}

function node(ino: number, type: FileType, parent: number): NodeRow {
  const length = type === FileType.DIRECTORY ? 4096 : 0;
  return {
    ino,
    type,
    parent,
    length,
    flags: 0,
    mode: 0o644,
    uid: 0,
    gid: 0,
    rdev: 0,
    nlink: type === FileType.DIRECTORY ? 2 : 1,
    accessAcl: 0,
    defaultAcl: 0,
    tier: 0,
    atime: 1,
    atimensec: 0,
    mtime: 1,
    mtimensec: 0,
    ctime: 1,
    ctimensec: 0,
  };
}

/** What the database must say, from the model alone. */
function expected({ nodes, edges, xattrs, chunks, sizes }: Model): Record<string, unknown[][]> {
  const lists = [...chunks].map(([key, pieces]): [number, number, Uint8Array] => {
    const [ino, indx] = key.split('/').map(Number) as [number, number];
    const records = pieces.map((p) => record(p.pos, p.id, sizes.get(p.id) ?? 0, p.off, p.len));
    return [ino, indx, naiveOverlay(Buffer.concat(records))];
  });
  const refs = new Map<number, number>();
  for (const [, , list] of lists) for (const { id } of decode(list)) refs.set(id, (refs.get(id) ?? 0) + 1);
  const rows = [...nodes.values()];
  const stats = rows
    .filter(({ type }) => type === FileType.DIRECTORY)
    .map(({ ino }) => {
      const inside = [...edges.values()]
        .filter(({ parent }) => parent === ino)
        .map((edge) => nodes.get(edge.ino) as NodeRow);
      const lengths = inside.map(({ type, length }) => (type === FileType.FILE ? length : 0));
      const sum = (values: number[]): number => values.reduce((a, b) => a + b, 0);
      return [ino, sum(lengths), sum(inside.map(({ type, length }) => chargedBytes(type, length))), inside.length];
    });
  const used = rows
    .filter(({ ino }) => ino !== 1)
    .reduce((sum, { type, length }) => sum + chargedBytes(type, length), 0);
  return {
    'SELECT inode, type, nlink, length, mtime, mtimensec FROM jfs_node': rows.map((r) => [
      r.ino,
      r.type,
      r.nlink,
      r.length,
      r.ino === 1 ? 0 : r.mtime * 1e6,
      r.mtimensec,
    ]),
    'SELECT id, parent, CAST(name AS TEXT), inode FROM jfs_edge': [...edges.values()].map((e) => [
      e.id,
      e.parent,
      e.name,
      e.ino,
    ]),
    "SELECT inode || '/' || name, value FROM jfs_xattr": [...xattrs],
    'SELECT inode, indx, slices FROM jfs_chunk': lists.filter(([, , list]) => list.length > 0),
    'SELECT chunkid, size, refs FROM jfs_chunk_ref': [...refs].map(([id, count]) => [id, sizes.get(id), count]),
    'SELECT * FROM jfs_dir_stats': stats,
    "SELECT name, value FROM jfs_counter WHERE name IN ('usedSpace', 'totalInodes')": [
      ['usedSpace', used],
      ['totalInodes', rows.length - 1],
    ],
  };
}

const sorted = (rows: unknown[][]): string[] => rows.map((row) => JSON.stringify(row)).toSorted();

function assertMatches(db: Database, model: Model, what: string): void {
  for (const [query, rows] of Object.entries(expected(model))) {
    const found = all(db, query).map((row) => row.map((value) => (value instanceof Uint8Array ? [...value] : value)));
    const plain = rows.map((row) => row.map((value) => (value instanceof Uint8Array ? [...value] : value)));
    assert.equal(sorted(found), sorted(plain), `${what}: ${query}`);
  }
  const lost = 'SELECT 1 FROM vol_granule WHERE chunkid NOT IN (SELECT chunkid FROM jfs_chunk_ref)';
  assert.equal(all(db, lost), [], what);
}

const overlays = {
  naive: naiveOverlay,
  kernel: kernelOverlay(),
  'chunk map': (records: Uint8Array) => ChunkMap.decode(records).encode(),
};

test('agrees with a model after random operations, however often it writes, with each overlay', ({ sql }) => {
  let seed = 1;
  for (const [name, overlay] of Object.entries(overlays)) {
    for (const flushOperations of [1, 7, 100, 1_000_000]) {
      for (let round = 0; round < 4; round++) {
        const db = new sql.Database();
        createSchema(db, SETTING, { timeMs: 0 });
        const player = new Player(++seed);
        // Several commits, each on top of the one before.
        for (const steps of [150, 3, 200]) {
          const applier = new IndexApplier(db, { overlay, blockBytes: SETTING.blockBytes, flushOperations });
          player.play(applier, steps);
          applier.finish();
          assertMatches(db, player.model, `seed ${seed}, ${name}, ${flushOperations}, ${steps}`);
        }
        db.close();
      }
    }
  }
});

test('overlays random lists as its twins do', () => {
  const draw = random(77);
  for (let round = 0; round < 300; round++) {
    const list = Buffer.concat(
      Array.from({ length: 1 + draw(60) }, () => {
        const id = draw(4);
        const off = draw(300);
        return record(draw(CHUNK_SPACE), id, id === 0 ? 0 : 1000, id === 0 ? 0 : off, 1 + draw(400));
      }),
    );
    const naive = decode(naiveOverlay(list));
    assert.equal(decode(overlays.kernel(list)), naive, `round ${round}`);
    assert.equal(decode(overlays['chunk map'](list)), naive, `round ${round}`);
  }
});

test.run();
