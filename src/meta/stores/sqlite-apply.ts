import type { ByteString } from '../../base/bytes.js';
import { VolumeError } from '../../base/errors.js';
import { KIB, MIB } from '../../base/limits.js';
import { FileType, type NodeRow, chargedBytes } from '../inode.js';
import type { RowVisitor } from '../rows.js';
import { FlushStatements, type KnownNode } from './apply-flush.js';
import {
  type Overlay,
  PendingChunk,
  SLICE_RECORD_BYTES,
  isData,
  type PendingEdge,
  type PendingInode,
} from './apply-pending.js';
import { SliceRefs } from './apply-slices.js';
import { UsageDeltas, prepareTrashResize, raiseCounter, readCounter } from './apply-usage.js';
import type { Database, Statement } from './sql.js';

/** Operations that are held before they are written to the database: bounds the memory of a large commit. */
const FLUSH_OPERATIONS = 65_536;

const PAGE_CACHE_BYTES = 64 * MIB;

export interface ApplyOptions {
  overlay: Overlay;
  /** The volume's: the granules of a slice are stored block by block. */
  blockBytes: number;
  flushOperations?: number;
}

/** A piece of file data, as a WRITE record names it. */
export interface WrittenPiece {
  ino: number;
  indx: number;
  pos: number;
  pack: number;
  off: number;
  len: number;
  /** The file's length afterwards, and its mtime and ctime. */
  length: number;
  sec: number;
  nsec: number;
}

export interface ApplyStats {
  /** As the format counts them: everything but the root. */
  inodes: number;
  usedBytes: number;
  /** Rows of jfs_chunk_ref. */
  slices: number;
}

/**
 * Applies what a log says to an index: final states of rows, collected in memory, written in batches, with every sum and
 * reference count exact afterwards. Any prefix of the log that ends between two records gives a consistent index.
 *
 * Inodes without links are left out in the end, with all that belongs to them. What names an inode that is not there is
 * ignored, but a put creates it: the log may begin in the middle of an orphan's life.
 */
export class IndexApplier implements RowVisitor {
  readonly #db: Database;
  readonly #options: ApplyOptions;
  readonly #usage: UsageDeltas;
  readonly #refs: SliceRefs;
  readonly #rows: FlushStatements;
  readonly #trashResize: Statement;
  #inodes = new Map<number, PendingInode>();
  #edges = new Map<number, Map<ByteString, PendingEdge | null>>();
  /** Inodes in the database that have no links just now. */
  readonly #orphans = new Set<number>();
  /** Packs without SEAL record so far, and where their last piece ends. */
  readonly #open = new Map<number, number>();
  #operations = 0;
  #maxIno = 0;
  #maxSlice = 0;
  #maxEdge = 0;

  /** @param db an index of our schema; it is half-written until `finish` has returned */
  constructor(db: Database, options: ApplyOptions) {
    db.run('PRAGMA journal_mode = OFF');
    db.run('PRAGMA synchronous = OFF');
    db.run('PRAGMA locking_mode = EXCLUSIVE');
    // Pages that do not fit are written to the file in memory, and again when they change.
    db.run(`PRAGMA cache_size = -${PAGE_CACHE_BYTES / KIB}`);
    db.run('BEGIN');
    this.#db = db;
    this.#options = options;
    this.#usage = new UsageDeltas(db);
    this.#refs = new SliceRefs(db);
    this.#rows = new FlushStatements(db);
    this.#trashResize = prepareTrashResize(db);
  }

  /** The row is kept as it is: it must not change afterwards. */
  putNode(node: NodeRow): void {
    const pending = this.#inode(node.ino);
    pending.node = node;
    pending.written = undefined;
    if (node.ino > this.#maxIno) this.#maxIno = node.ino;
  }

  deleteNode(ino: number): void {
    const pending = this.#inode(ino);
    Object.assign(pending, blankInode());
    pending.wiped = true;
  }

  putEdge(id: number, parent: number, name: ByteString, ino: number, type: FileType): void {
    this.#entries(parent).set(name, { id, ino, type });
    if (id > this.#maxEdge) this.#maxEdge = id;
  }

  deleteEdge(parent: number, name: ByteString): void {
    this.#entries(parent).set(name, null);
  }

  putSymlink(ino: number, target: Uint8Array): void {
    this.#inode(ino).target = target;
  }

  putXattr(ino: number, name: ByteString, value: Uint8Array): void {
    (this.#inode(ino).xattrs ??= new Map()).set(name, value);
  }

  deleteXattr(ino: number, name: ByteString): void {
    (this.#inode(ino).xattrs ??= new Map()).set(name, null);
  }

  zero(ino: number, indx: number, pos: number, len: number): void {
    if (len > 0) this.#record(ino, indx, pos, 0, 0, 0, len);
  }

  share(ino: number, indx: number, pos: number, id: number, size: number, off: number, len: number): void {
    if (len > 0) this.#record(ino, indx, pos, id, size, off, len);
  }

  /** A WRITE record: data on top of the chunk, and the file's new length and times. */
  write(piece: WrittenPiece): void {
    const { ino, pack, off, len, length, sec, nsec } = piece;
    const pending = this.#inode(ino);
    if (pending.node === undefined) pending.written = { length, sec, nsec };
    else pending.node = { ...pending.node, length, mtime: sec, mtimensec: nsec, ctime: sec, ctimensec: nsec };
    if (len === 0) return;
    if (!this.#refs.sealed(pack)) this.#open.set(pack, Math.max(this.#open.get(pack) ?? 0, off + len));
    this.#record(ino, piece.indx, piece.pos, pack, 0, off, len);
  }

  /** A SEAL record: the pack has its final size, and so have all records that name it. */
  seal(pack: number, sizeBytes: number): void {
    this.#refs.seal(pack, sizeBytes);
    this.#open.delete(pack);
    if (pack > this.#maxSlice) this.#maxSlice = pack;
  }

  /** An UPLOADED record: checksums of a pack's granules. Kept only if the index refers to the pack in the end. */
  uploaded(pack: number, sizeBytes: number, crcs: Uint32Array): void {
    this.seal(pack, sizeBytes);
    this.#refs.uploaded(pack, crcs);
  }

  /** Call it between two records of the log: writes what was collected when that is much. */
  recordEnd(): void {
    if (this.#operations >= (this.#options.flushOperations ?? FLUSH_OPERATIONS)) this.#flush(false);
  }

  /** Packs that were written and never sealed, with the end of their last piece. */
  openPacks(): ReadonlyMap<number, number> {
    return this.#open;
  }

  /**
   * Writes the rest, removes what has no links, settles references and sums, and commits.
   *
   * @throws VolumeError `corrupt` when a pack has no size
   */
  finish(): ApplyStats {
    if (this.#open.size > 0) throw new VolumeError('corrupt', 'the log ends before a pack has its final size');
    for (const [ino, pending] of this.#inodes) if (pending.node?.nlink === 0) this.deleteNode(ino);
    this.#flush(true);
    for (const ino of this.#orphans) this.deleteNode(ino);
    this.#flush(true);
    const slices = this.#refs.write(this.#options.blockBytes);
    this.#usage.write();
    raiseCounter(this.#db, 'nextInode', this.#maxIno + 1);
    raiseCounter(this.#db, 'nextChunk', this.#maxSlice + 1);
    this.#rows.raiseEdgeSequence(this.#maxEdge);
    this.#rows.free();
    this.#trashResize.free();
    this.#db.run('COMMIT');
    return {
      inodes: readCounter(this.#db, 'totalInodes'),
      usedBytes: readCounter(this.#db, 'usedSpace'),
      slices,
    };
  }

  #inode(ino: number): PendingInode {
    this.#operations++;
    let pending = this.#inodes.get(ino);
    if (pending === undefined) this.#inodes.set(ino, (pending = { ...blankInode(), wiped: false }));
    return pending;
  }

  #entries(parent: number): Map<ByteString, PendingEdge | null> {
    this.#operations++;
    let entries = this.#edges.get(parent);
    if (entries === undefined) this.#edges.set(parent, (entries = new Map()));
    return entries;
  }

  #record(ino: number, indx: number, pos: number, id: number, size: number, off: number, len: number): void {
    const pending = this.#inode(ino);
    pending.chunks ??= new Map();
    let chunk = pending.chunks.get(indx);
    if (chunk === undefined) pending.chunks.set(indx, (chunk = new PendingChunk()));
    chunk.append(pos, id, size, off, len);
    if (id > this.#maxSlice) this.#maxSlice = id;
    if (chunk.count > chunk.collapseAt) chunk.replace(this.#resolve(ino, indx, pending, chunk));
  }

  /** The chunk's visible segments: the stored list below, what is pending on top. */
  #resolve(ino: number, indx: number, pending: PendingInode, chunk: PendingChunk): Uint8Array {
    if (chunk.whole || chunk.fresh || pending.wiped) return this.#visible(chunk.bytes());
    const stored = this.#rows.chunk(ino, indx);
    if (stored === undefined) return this.#visible(chunk.bytes());
    return this.#visible(Buffer.concat([stored, chunk.bytes()]));
  }

  #visible(records: Uint8Array): Uint8Array {
    // One record of data hides nothing.
    if (records.length === SLICE_RECORD_BYTES && isData(records)) return records;
    return this.#options.overlay(records);
  }

  /**
   * Writes everything that is pending. Chunks with data in a pack that has no size yet stay, unless it is the `last`
   * time: then there is none.
   */
  #flush(last: boolean): void {
    this.#operations = 0;
    if (this.#inodes.size === 0 && this.#edges.size === 0) return;
    const inodes = this.#inodes;
    const edges = this.#edges;
    const old = this.#rows.oldEdges(edges);
    const known = this.#rows.knownNodes(inodes, edges, old);
    for (const edge of old) {
      this.#usage.entry(edge.parent, edge.type, known.get(edge.ino)?.length ?? 0, -1);
      this.#rows.deleteEdge(edge.id);
    }
    // What is left of a chunk's list must be taken out of the references before the node goes, and all nodes must be
    // there before entries are charged.
    this.#inodes = new Map();
    this.#edges = new Map();
    for (const [ino, pending] of inodes) this.#flushInode(ino, pending, known.get(ino), last);
    for (const [parent, entries] of edges) {
      for (const [name, edge] of entries) {
        if (edge !== null) this.#flushEdge(parent, name, edge, inodes.get(edge.ino), known.get(edge.ino));
      }
    }
  }

  #flushEdge(
    parent: number,
    name: ByteString,
    edge: PendingEdge,
    pending: PendingInode | undefined,
    known: KnownNode | undefined,
  ): void {
    const length = pending?.node?.length ?? pending?.written?.length ?? known?.length;
    if (length === undefined) throw new VolumeError('corrupt', `an entry of directory ${parent} leads to no inode`);
    this.#rows.insertEdge(edge.id, parent, name, edge.ino, edge.type);
    this.#usage.entry(parent, edge.type, length, 1);
  }

  #flushInode(ino: number, pending: PendingInode, known: KnownNode | undefined, last: boolean): void {
    const { node, written } = pending;
    if (pending.wiped && known !== undefined) this.#wipe(ino, known, node === undefined);
    const stays = node !== undefined || (known !== undefined && !pending.wiped);
    if (!stays) return;
    const type = node?.type ?? (known as KnownNode).type;
    const before = pending.wiped ? undefined : known;
    if (node !== undefined) this.#flushNode(node, before);
    else if (written !== undefined) this.#rows.updateWritten(ino, written.length, written.sec, written.nsec);
    const length = node?.length ?? written?.length ?? before?.length ?? 0;
    if (before === undefined) this.#usage.inode(ino, type, length, 1);
    else if (before.length !== length && type === FileType.FILE) this.#resized(ino, before.length, length);
    if (pending.target !== undefined) this.#rows.putSymlink(ino, pending.target);
    if (pending.xattrs !== undefined) this.#rows.putXattrs(ino, pending.xattrs);
    if (pending.chunks === undefined) return;
    // Chunks of an inode that was not there before: nothing is stored for them.
    if (before === undefined) for (const chunk of pending.chunks.values()) chunk.fresh = true;
    this.#flushChunks(ino, pending, pending.chunks, last);
  }

  #flushNode(node: NodeRow, before: KnownNode | undefined): void {
    this.#rows.putNode(node);
    if (node.nlink === 0) this.#orphans.add(node.ino);
    else this.#orphans.delete(node.ino);
    if (before === undefined && node.type === FileType.DIRECTORY) this.#rows.newDirectory(node.ino);
  }

  #resized(ino: number, before: number, after: number): void {
    this.#usage.inode(ino, FileType.FILE, before, -1);
    this.#usage.inode(ino, FileType.FILE, after, 1);
    const parents = this.#rows.parentsOf(ino);
    if (parents.inTrash) {
      const space = chargedBytes(FileType.FILE, after) - chargedBytes(FileType.FILE, before);
      this.#trashResize.run([ino, after - before, space]);
    }
    // Entries that are new have not been written yet; entries that go are deleted already. The rest is charged anew.
    for (const parent of parents.directories) this.#usage.resized(parent, before, after);
  }

  /** Removes an inode's rows from the database, and the row itself if it is `gone` for good. */
  #wipe(ino: number, known: KnownNode, gone: boolean): void {
    for (const list of this.#rows.takeChunks(ino)) this.#refs.remove(list);
    this.#rows.deleteRest(ino, known.type === FileType.DIRECTORY);
    this.#usage.inode(ino, known.type, known.length, -1);
    this.#orphans.delete(ino);
    if (gone) this.#rows.deleteNode(ino);
  }

  #flushChunks(ino: number, pending: PendingInode, chunks: Map<number, PendingChunk>, last: boolean): void {
    for (const [indx, chunk] of chunks) {
      if (!last && this.#open.size > 0 && chunk.hasAnyOf(this.#open)) {
        this.#keepChunk(ino, indx, chunk);
        continue;
      }
      const stored = chunk.fresh ? undefined : this.#rows.chunk(ino, indx);
      const resolved = this.#resolve(ino, indx, pending, chunk);
      if (stored !== undefined) this.#refs.remove(stored);
      this.#refs.add(resolved);
      this.#rows.putChunk(ino, indx, resolved, stored !== undefined);
    }
  }

  #keepChunk(ino: number, indx: number, chunk: PendingChunk): void {
    let pending = this.#inodes.get(ino);
    if (pending === undefined) this.#inodes.set(ino, (pending = { ...blankInode(), wiped: false }));
    (pending.chunks ??= new Map()).set(indx, chunk);
  }
}

function blankInode(): Omit<PendingInode, 'wiped'> {
  return { node: undefined, written: undefined, target: undefined, xattrs: undefined, chunks: undefined };
}
