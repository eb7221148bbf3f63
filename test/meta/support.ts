import type { Clock } from '../../dist/base/clock.js';
import type { FileType, NodeRow } from '../../dist/meta/inode.js';
import { IdAllocator, Namespace, type Inode, type NamespaceLimits } from '../../dist/meta/namespace.js';
import { readRows, type RowVisitor } from '../../dist/meta/rows.js';
import { emptyImage } from '../../dist/meta/stores/schema.js';
import { newSetting } from '../../dist/meta/stores/setting.js';
import type { WrittenPiece } from '../../dist/meta/stores/sqlite-apply.js';
import { loadSqlJs } from '../../dist/meta/stores/sql.js';

export const sql = await loadSqlJs();

/** A wall clock that goes on by 1,234,567 ns at each look, and a monotonic one that does not wait either. */
export class StepClock implements Clock {
  #ns = 1_764_000_000_000_000_000n;
  #ticks = 0;

  nowMs(): number {
    this.#ns += 1_234_567n;
    return Number(this.#ns / 1000n) / 1000;
  }

  monotonicMs(): number {
    return (this.#ticks += 1);
  }
}

export interface EdgeState {
  id: number;
  ino: number;
  type: FileType;
}

/** What an index would hold after these batches: the naive reader of rows. */
export class RowState implements RowVisitor {
  readonly nodes = new Map<number, NodeRow>();
  /** By `parent/name`. */
  readonly edges = new Map<string, EdgeState>();
  readonly targets = new Map<number, string>();
  /** By inode, then name. */
  readonly xattrs = new Map<number, Map<string, string>>();
  readonly extras: unknown[][] = [];

  putNode(node: NodeRow): void {
    this.nodes.set(node.ino, { ...node });
  }

  deleteNode(ino: number): void {
    if (!this.nodes.delete(ino)) throw new Error(`deleteNode of ${ino}, which is not there`);
    this.targets.delete(ino);
    this.xattrs.delete(ino);
  }

  putEdge(id: number, parent: number, name: string, ino: number, type: FileType): void {
    if (!this.nodes.has(parent) || !this.nodes.has(ino)) throw new Error('an edge between nodes that are not there');
    this.edges.set(`${parent}/${name}`, { id, ino, type });
  }

  deleteEdge(parent: number, name: string): void {
    if (!this.edges.delete(`${parent}/${name}`)) throw new Error(`deleteEdge of ${name}, which is not there`);
  }

  putSymlink(ino: number, target: Uint8Array): void {
    this.targets.set(ino, Buffer.from(target).toString('latin1'));
  }

  putXattr(ino: number, name: string, value: Uint8Array): void {
    const all = this.xattrs.get(ino) ?? new Map<string, string>();
    this.xattrs.set(ino, all.set(name, Buffer.from(value).toString('latin1')));
  }

  deleteXattr(ino: number, name: string): void {
    const all = this.xattrs.get(ino);
    if (all?.delete(name) !== true) throw new Error(`deleteXattr of ${name}, which is not there`);
    if (all.size === 0) this.xattrs.delete(ino);
  }

  zero(...args: number[]): void {
    this.extras.push(['zero', ...args]);
  }

  share(...args: number[]): void {
    this.extras.push(['share', ...args]);
  }
}

export const FIRST_ID = 2 ** 40;

export type LogEntry = { rows: Uint8Array } | { write: WrittenPiece };

export interface Opened {
  ns: Namespace;
  /** Copies of the batches, in order. */
  batches: Uint8Array[];
  /** The batches, and between them what the test notes as WRITE records. */
  log: LogEntry[];
  /** All batches read into one state, which began with the root or the image; nothing of it unless `isTracked`. */
  state: RowState;
}

export function newImage(): Uint8Array {
  const setting = newSetting({ name: 'test', uuid: '00000000-0000-4000-8000-000000000000' });
  return emptyImage(sql, setting, { timeMs: 1_700_000_000_000 });
}

export function openNamespace(
  options: { image?: Uint8Array; limits?: Partial<NamespaceLimits>; firstId?: number; isTracked?: boolean } = {},
): Opened {
  const isTracked = options.isTracked ?? true;
  const batches: Uint8Array[] = [];
  const log: LogEntry[] = [];
  const state = options.image === undefined || !isTracked ? new RowState() : walk(openReadOnly(options.image));
  const first = options.firstId ?? FIRST_ID;
  const ns = Namespace.open(options.image ?? newImage(), {
    sql,
    journal: {
      appendRows(batch) {
        if (!isTracked) return 0;
        batches.push(batch.slice());
        log.push({ rows: batch.slice() });
        readRows(batch, state);
        return batches.length;
      },
    },
    ids: new IdAllocator(first, first + 2 ** 26),
    clock: new StepClock(),
    ...(options.limits === undefined ? {} : { limits: options.limits }),
  });
  if (options.image === undefined) state.putNode(row(ns.root));
  return { ns, batches, log, state };
}

export function openReadOnly(image: Uint8Array, limits: Partial<NamespaceLimits> = {}): Namespace {
  return Namespace.open(image, { sql, journal: null, ids: null, clock: new StepClock(), limits });
}

const COLUMNS = [
  ...(['ino', 'type', 'flags', 'mode', 'uid', 'gid', 'rdev', 'nlink', 'length', 'parent'] as const),
  ...(['atime', 'atimensec', 'mtime', 'mtimensec', 'ctime', 'ctimensec', 'accessAcl', 'defaultAcl', 'tier'] as const),
];

/** The columns of a node, without what else the object holds. */
export function row(node: NodeRow): NodeRow {
  return Object.fromEntries(COLUMNS.map((name) => [name, node[name]])) as unknown as NodeRow;
}

/** Everything that a namespace shows from its root down, in the shape of {@link RowState}. */
export function walk(ns: Namespace): RowState {
  const state = new RowState();
  const todo: number[] = [ns.root.ino];
  state.putNode(row(ns.root));
  noteXattrs(ns, state, ns.root);
  for (let ino = todo.pop(); ino !== undefined; ino = todo.pop()) {
    const parent = ino;
    const entries = listing(ns, parent);
    for (const entry of entries) {
      const inode = ns.inode(entry.ino);
      if (inode === undefined) throw new Error(`no inode ${entry.ino}`);
      state.putNode(row(inode));
      state.putEdge(entry.id, parent, entry.name, entry.ino, entry.type);
      if (inode.type === 3) state.putSymlink(inode.ino, ns.readlink(inode));
      noteXattrs(ns, state, inode);
      if (inode.isDirectory) todo.push(inode.ino);
    }
  }
  return state;
}

function noteXattrs(ns: Namespace, state: RowState, inode: Inode): void {
  for (const name of ns.listXattrs(inode)) state.putXattr(inode.ino, name, ns.getXattr(inode, name));
}

export function listing(ns: Namespace, ino: number): { id: number; name: string; ino: number; type: FileType }[] {
  const found: { id: number; name: string; ino: number; type: FileType }[] = [];
  const directory = ns.inode(ino);
  if (directory === undefined) throw new Error(`no directory ${ino}`);
  ns.readdir(directory, 0, (entry) => {
    found.push({ id: entry.id, name: entry.name, ino: entry.ino, type: entry.type });
    return true;
  });
  return found;
}

/** Maps in order of their keys, so that two states compare whatever the order of their making. */
export function sorted(state: Pick<RowState, 'nodes' | 'edges' | 'targets' | 'xattrs'>): unknown {
  const entries = <K, V>(map: Map<K, V>): [K, V][] => [...map].toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return {
    nodes: entries(state.nodes),
    edges: entries(state.edges),
    targets: entries(state.targets),
    xattrs: entries(state.xattrs).map(([ino, all]) => [ino, entries(all)]),
  };
}

/** The code that the call throws, or 'ok'. */
export function outcome(call: () => unknown): string {
  try {
    call();
    return 'ok';
  } catch (error) {
    const code = (error as { code?: unknown }).code;
    if (typeof code !== 'string') throw error;
    return code;
  }
}

export const FILE = { type: 1, mode: 0o644, uid: 1000, gid: 1000 } as const;
export const DIR = { type: 2, mode: 0o755, uid: 1000, gid: 1000 } as const;

export function symlinkTo(target: string): { type: 3; mode: number; uid: number; gid: number; target: Uint8Array } {
  return { type: 3, mode: 0o777, uid: 1000, gid: 1000, target: Buffer.from(target, 'latin1') };
}

/** A small random generator with a seed (mulberry32). */
export function seeded(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}
