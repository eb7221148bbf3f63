import type { Timespec } from '../base/clock.js';
import { FsError } from '../base/errors.js';
import { BLOCK_BYTES, CHUNK_BYTES, FUSE_WRITE_BYTES_MAX, KIB, MIB } from '../base/limits.js';
import type { IdAllocator, Inode, Namespace } from '../meta/namespace.js';
import type { RowWriter } from '../meta/rows.js';
import { BlockFiles } from './block-files.js';
import type { LogSegments } from './log-segments.js';
import type { LogWriter } from './log-writer.js';
import type { BlockRef, MissingPart, SealedPack, Ticket, ToMain, ToOwner } from './messages.js';
import { Pack, Packer } from './packer.js';
import { Readahead } from './readahead.js';

/** Pieces that one call shares: their rows must have room in the log, which is asked for before they are known. */
const SHARED_PIECES_MAX = 1000;
/** Chunks with data that one call can make holes of, for the same reason: 1.25 TiB of data, more of a sparse file. */
const ZEROED_CHUNKS_MAX = 20_000;
/** Rows that go with a change of any kind: a few nodes and names, the pieces of a shared range, the chunks of a cut. */
const RESERVE_BYTES = 512 * KIB;
const RECORDS_MIN = 8;
/** The answer comes from elsewhere, through the ticket. */
const PENDING = -1;

/** A part of a range that is to be shared: `len` bytes at `at` of the range are those at `off` of the slice; id 0 = hole. */
export interface SharedPiece {
  at: number;
  len: number;
  id: number;
  /** Of the slice; 0 for a pack whose SEAL record is still to come. */
  size: number;
  off: number;
}

export interface DataPlaneOptions {
  /** Null for a read-only session. */
  log: LogWriter | null;
  segments: LogSegments | null;
  namespace: Namespace;
  ids: IdAllocator | null;
  post(message: ToMain, transfer?: ArrayBuffer[]): void;
  /** False: a close or fsync is answered when the data is in the store. */
  writeback: boolean;
  blockBytes: number;
  /** Packs of an earlier session that are in the log and not in the store. */
  packs?: SealedPack[];
}

/** The contents of files, on the owner thread: what is written goes to the log, what is read comes from wherever it is. */
export class DataPlane {
  readonly #log: LogWriter | null;
  readonly #segments: LogSegments | null;
  readonly #namespace: Namespace;
  readonly #ids: IdAllocator | null;
  readonly #post: DataPlaneOptions['post'];
  readonly #writeback: boolean;
  readonly #blockBytes: number;
  /** A pack is one block; an adopted volume may have smaller ones. */
  readonly #packBytes: number;
  readonly #packer: Packer;
  /** Packs whose bytes are read from the log: all of this session that are not trimmed. */
  readonly #packs = new Map<number, Pack>();
  readonly #files = new BlockFiles();
  readonly #readahead: Readahead;
  /** With `writeback: false`: packs that hold data of an inode and are not in the store, as far as known. */
  readonly #owed = new Map<number, Set<number>>();
  /** Upload marks that wait for room in the log. */
  readonly #unlogged: Extract<ToOwner, { t: 'uploaded' }>[] = [];
  #bytesRead = 0;
  #bytesWritten = 0;

  constructor(options: DataPlaneOptions) {
    this.#log = options.log;
    this.#segments = options.segments;
    this.#namespace = options.namespace;
    this.#ids = options.ids;
    this.#post = options.post;
    this.#writeback = options.writeback;
    this.#blockBytes = options.blockBytes;
    this.#packBytes = Math.min(options.blockBytes, BLOCK_BYTES);
    this.#packer = new Packer({
      packBytes: this.#packBytes,
      newPack: () => this.#newPack(),
      seal: (pack) => this.#seal(pack),
    });
    for (const sealed of options.packs ?? []) this.#packs.set(sealed.id, Pack.fromSealed(sealed));
    this.#readahead = new Readahead({
      storedBlocks: (inode, from, to) => this.#storedBlocks(inode, from, to),
      post: (blocks) => this.#post({ t: 'readahead', blocks }),
    });
  }

  /** Does a close owe an answer that waits? */
  get flushOwes(): boolean {
    return !this.#writeback;
  }

  // -- room --

  /** Is there room in the log for a change with this much payload? Throws FsError ENOSPC, EDQUOT, EIO. */
  room(payloadBytes: number): 'ok' | 'wait' {
    if (this.#log === null) throw new FsError('EROFS');
    this.#logUploads();
    // A write becomes one record for each pack and chunk that it touches, and each full pack is sealed.
    const packs = Math.ceil(payloadBytes / Math.min(this.#packBytes, MIB));
    return this.#log.room(payloadBytes + RESERVE_BYTES, RECORDS_MIN + 2 * packs);
  }

  // -- writing --

  /** Takes all of `data`; the caller may use its memory again afterwards. `time`: mtime and ctime, if not now. */
  write(inode: Inode, offset: number, data: Uint8Array, time?: Timespec): void {
    const log = this.#log!;
    const { sec, nsec } = time ?? this.#namespace.now();
    this.#packer.note(inode.ino, offset, data.length);
    let done = 0;
    while (done < data.length) {
      const at = offset + done;
      const indx = Math.floor(at / CHUNK_BYTES);
      const pos = at - indx * CHUNK_BYTES;
      const left = data.length - done;
      // Before anything is appended: a damaged list of slices is an error of this call, not a record that memory lacks.
      const map = this.#namespace.chunk(inode, indx);
      const pack = this.#packer.packFor(inode.ino);
      const len = Math.min(left, CHUNK_BYTES - pos, this.#packBytes - pack.sizeBytes, FUSE_WRITE_BYTES_MAX);
      const piece = len === data.length ? data : data.subarray(done, done + len);
      const length = Math.max(inode.length, at + len);
      const off = pack.sizeBytes;
      const lsn = log.appendWrite({ ino: inode.ino, indx, pos, pack: pack.id, off, length, sec, nsec }, piece);
      pack.add(lsn, len);
      map.overlay(pos, len, pack.id, 0, off);
      this.#namespace.wrote(inode, length, sec, nsec);
      if (!this.#writeback) this.#owe(inode.ino, pack.id);
      this.#packer.settle(pack);
      done += len;
    }
    this.#bytesWritten += data.length;
    if (data.length >= MIB / 4) log.kick();
  }

  /**
   * Chunks of [from, to) that have anything: what `zero` has to do there, and what `share` lays slices over. To be asked
   * before a change begins, which then cannot fail half way.
   *
   * @throws FsError EFBIG when they are too many for one batch of rows, EIO when the list of one is damaged
   */
  chunksIn(inode: Inode, from: number, to: number): number[] {
    const found = this.#namespace
      .chunkIndexes(inode)
      .filter((indx) => indx * CHUNK_BYTES < to && (indx + 1) * CHUNK_BYTES > from);
    if (found.length > ZEROED_CHUNKS_MAX) throw new FsError('EFBIG', { message: 'too much to be zeroed at once' });
    for (const indx of found) this.#namespace.chunk(inode, indx);
    return found;
  }

  /** Makes [from, to) of these chunks a hole, in memory; the rows that say so go into the caller's batch. */
  zero(inode: Inode, chunks: readonly number[], from: number, to: number, rows: RowWriter): void {
    for (const indx of chunks) {
      const start = indx * CHUNK_BYTES;
      const pos = Math.max(from - start, 0);
      const len = Math.min(to - start, CHUNK_BYTES) - pos;
      this.#namespace.chunk(inode, indx).zero(pos, len);
      rows.zero(inode.ino, indx, pos, len);
    }
  }

  /**
   * What [from, from + length) of a file consists of, for `share`. Of a range in very many pieces only the first part,
   * so that the rows fit into one batch. To be asked before a change begins.
   */
  piecesOf(source: Inode, from: number, length: number): SharedPiece[] {
    const pieces: SharedPiece[] = [];
    this.#visit(source, from, length, (at, len, id, size, off) => {
      if (pieces.length >= SHARED_PIECES_MAX) return;
      pieces.push({ at: at - from, len, id, size: id === 0 ? 0 : this.#sharedSize(id, size), off });
    });
    return pieces;
  }

  /** Makes the file at `to` the same bytes as the pieces, by sharing slices; the rows go into the caller's batch. */
  share(pieces: readonly SharedPiece[], target: Inode, to: number, rows: RowWriter): void {
    for (const { at, len, id, size, off } of pieces) {
      for (let done = 0; done < len;) {
        const begin = to + at + done;
        const indx = Math.floor(begin / CHUNK_BYTES);
        const pos = begin - indx * CHUNK_BYTES;
        const n = Math.min(len - done, CHUNK_BYTES - pos);
        const map = this.#namespace.chunk(target, indx);
        if (id === 0) {
          map.zero(pos, n);
          rows.zero(target.ino, indx, pos, n);
        } else {
          map.overlay(pos, n, id, size, off + done);
          rows.share(target.ino, indx, pos, id, size, off + done, n);
          if (!this.#writeback && this.#packs.get(id)?.isUploaded === false) this.#owe(target.ino, id);
        }
        done += n;
      }
    }
  }

  // -- reading --

  /** Fills `out` from `at` with at most `size` bytes, up to the end of the file; their number, or PENDING. */
  read(inode: Inode, offset: number, size: number, out: Uint8Array, at: number, ticket: Ticket): number {
    const n = Math.min(size, inode.length - offset);
    if (n <= 0) return 0;
    const missing: MissingPart[] = [];
    let hasStored = false;
    this.#visit(inode, offset, n, (pieceAt, len, id, sliceBytes, off) => {
      const target = at + (pieceAt - offset);
      if (id === 0) {
        out.fill(0, target, target + len);
        return;
      }
      const pack = this.#packs.get(id);
      if (pack !== undefined) return this.#readLog(pack, off, len, out, target, at, missing);
      hasStored = true;
      this.#readStored(id, sliceBytes, off, len, out, target, at, missing);
    });
    this.#bytesRead += n;
    if (hasStored) this.#readahead.note(inode, offset, n);
    if (missing.length === 0) return n;
    const body = new Uint8Array(n);
    body.set(out.subarray(at, at + n));
    this.#post({ t: 'read', ticket, body, parts: missing }, [body.buffer]);
    return PENDING;
  }

  /** First offset >= `offset` with data; undefined when there is none before the end of the file. */
  seekData(inode: Inode, offset: number): number | undefined {
    const first = Math.floor(offset / CHUNK_BYTES);
    for (const indx of this.#namespace.chunkIndexes(inode)) {
      if (indx < first) continue;
      const start = indx * CHUNK_BYTES;
      const pos = this.#namespace.chunk(inode, indx).dataFrom(Math.max(0, offset - start));
      if (pos !== undefined) return start + pos < inode.length ? start + pos : undefined;
    }
    return undefined;
  }

  /** First offset >= `offset` in a hole; the end of the file counts as one. */
  seekHole(inode: Inode, offset: number): number {
    let at = offset;
    while (at < inode.length) {
      const indx = Math.floor(at / CHUNK_BYTES);
      const start = indx * CHUNK_BYTES;
      const pos = this.#namespace.chunk(inode, indx).holeFrom(at - start);
      if (pos < CHUNK_BYTES) return Math.min(start + pos, inode.length);
      at = start + CHUNK_BYTES;
    }
    return inode.length;
  }

  // -- durability --

  /** Has the ticket answered when everything written to the file so far is durable. */
  fsync(inode: Inode | undefined, ticket: Ticket): number {
    if (this.#log === null) return 0;
    if (!this.#writeback && inode !== undefined && this.#awaitUploads(inode, ticket)) return PENDING;
    this.#log.sync(ticket);
    return PENDING;
  }

  /** What a close owes: nothing, or PENDING until the file's data is in the store. */
  flush(inode: Inode, ticket: Ticket): number {
    return !this.#writeback && this.#awaitUploads(inode, ticket) ? PENDING : 0;
  }

  /** The last handle of the inode is closed. */
  closed(ino: number): void {
    this.#packer.forget(ino);
    this.#readahead.forget(ino);
    this.#owed.delete(ino);
  }

  /** Nothing written so far waits for more in its block. */
  sealAll(): void {
    this.#packer.sealAll();
  }

  /** Sealed packs whose blocks are not in the store. */
  packsNotUploaded(): number[] {
    return [...this.#packs.values()].filter((pack) => pack.isSealed && !pack.isUploaded).map(({ id }) => id);
  }

  /** Are all upload marks that arrived in the log? Throws FsError EIO when they never will be. */
  uploadsAreLogged(): boolean {
    this.#logUploads();
    return this.#unlogged.length === 0;
  }

  /** Everything before the LSN is published: what lies there is read from the store from now on. */
  trim(lsn: number): void {
    for (const pack of this.#packs.values()) {
      if (pack.isUploaded && pack.endLsn <= lsn) this.#packs.delete(pack.id);
    }
    this.#segments?.forgetBelow(lsn);
  }

  onMessage(message: Extract<ToOwner, { t: 'uploaded' | 'block-file' }>): void {
    if (message.t === 'block-file') return this.#files.add(message);
    this.#unlogged.push(message);
    try {
      this.#logUploads();
    } catch (error) {
      // The log has failed: whoever changes or commits something is told so.
      if (!(error instanceof FsError)) throw error;
    }
  }

  stats(): Record<string, number> {
    let stagedBytes = 0;
    for (const pack of this.#packs.values()) if (!pack.isUploaded) stagedBytes += pack.sizeBytes;
    return {
      stagedBytes,
      packs: this.#packs.size,
      blockFiles: this.#files.count,
      bytesRead: this.#bytesRead,
      bytesWritten: this.#bytesWritten,
    };
  }

  close(): void {
    this.#files.close();
    this.#segments?.close();
  }

  // -- packs --

  #newPack(): Pack {
    const pack = new Pack(this.#ids!.next());
    this.#packs.set(pack.id, pack);
    return pack;
  }

  #seal(pack: Pack): void {
    pack.isSealed = true;
    this.#log!.appendSeal(pack.id, pack.sizeBytes);
    this.#namespace.putSlice(pack.id, pack.sizeBytes);
    const sealed = pack.sealed();
    this.#post({ t: 'sealed', pack: sealed }, [sealed.lsns.buffer as ArrayBuffer, sealed.lens.buffer as ArrayBuffer]);
    this.#log!.kick();
  }

  /** A pack counts as uploaded when the log says so: recovery and the next index read it there. */
  #logUploads(): void {
    while (this.#unlogged.length > 0) {
      const { id, sizeBytes, crcs } = this.#unlogged[0]!;
      if (!this.#log!.roomForMark(crcs.byteLength)) return;
      this.#unlogged.shift();
      this.#log!.appendUploaded(id, sizeBytes, crcs);
      this.#namespace.putSlice(id, sizeBytes, crcs);
      const pack = this.#packs.get(id);
      if (pack !== undefined) pack.isUploaded = true;
    }
  }

  #owe(ino: number, pack: number): void {
    let packs = this.#owed.get(ino);
    if (packs === undefined) this.#owed.set(ino, (packs = new Set()));
    packs.add(pack);
  }

  /** The ticket is answered when all that is owed is in the store; it stays owed until then, for others who ask. */
  #awaitUploads(inode: Inode, ticket: Ticket): boolean {
    const owed = this.#owed.get(inode.ino);
    if (owed === undefined) return false;
    for (const id of owed) {
      const pack = this.#packs.get(id);
      if (pack === undefined || pack.isUploaded) owed.delete(id);
      else if (!pack.isSealed) this.#packer.seal(pack);
    }
    if (owed.size === 0) {
      this.#owed.delete(inode.ino);
      return false;
    }
    this.#post({ t: 'await-uploads', ticket, packs: [...owed] });
    return true;
  }

  // -- pieces --

  /** Visits the pieces of [offset, offset + length) with their offsets in the file. */
  #visit(
    inode: Inode,
    offset: number,
    length: number,
    visit: (at: number, len: number, id: number, size: number, off: number) => void,
  ): void {
    const end = offset + length;
    for (let at = offset; at < end;) {
      const indx = Math.floor(at / CHUNK_BYTES);
      const start = indx * CHUNK_BYTES;
      const n = Math.min(end, start + CHUNK_BYTES) - at;
      const map = this.#namespace.chunk(inode, indx);
      map.visit(at - start, n, (pos, len, id, size, off) => visit(start + pos, len, id, size, off));
      at += n;
    }
  }

  /** The size that a record of the slice is to carry. */
  #sharedSize(id: number, known: number): number {
    if (known !== 0) return known;
    const pack = this.#packs.get(id);
    if (pack !== undefined) return pack.isSealed ? pack.sizeBytes : 0;
    return this.#sliceSize(id);
  }

  #sliceSize(id: number): number {
    const size = this.#namespace.sliceSize(id);
    if (size === undefined) throw new FsError('EIO', { message: `the size of slice ${id} is not known` });
    return size;
  }

  #readLog(
    pack: Pack,
    off: number,
    len: number,
    out: Uint8Array,
    target: number,
    at: number,
    missing: MissingPart[],
  ): void {
    let to = target;
    pack.visit(off, len, (lsn, bytes) => {
      const inRing = this.#log!.ringView(lsn, bytes);
      if (inRing !== undefined) {
        out.set(inRing, to);
      } else {
        const got = Math.max(0, this.#segments!.readNowait(out, to, bytes, lsn));
        if (got < bytes) missing.push({ from: 'log', at: to - at + got, len: bytes - got, lsn: lsn + got });
      }
      to += bytes;
    });
  }

  #readStored(
    id: number,
    sliceBytes: number,
    off: number,
    len: number,
    out: Uint8Array,
    target: number,
    at: number,
    missing: MissingPart[],
  ): void {
    let done = 0;
    while (done < len) {
      const indx = Math.floor((off + done) / this.#blockBytes);
      const inBlock = off + done - indx * this.#blockBytes;
      const n = Math.min(len - done, this.#blockBytes - inBlock);
      if (this.#files.read(id, indx, inBlock, n, out, target + done) === 0) {
        const block = this.#blockRef(id, sliceBytes, indx);
        missing.push({ from: 'block', at: target + done - at, len: n, off: inBlock, block });
      }
      done += n;
    }
  }

  #blockRef(id: number, sliceBytes: number, indx: number): BlockRef {
    const size = sliceBytes === 0 ? this.#sliceSize(id) : sliceBytes;
    const sizeBytes = Math.min(this.#blockBytes, size - indx * this.#blockBytes);
    const crcs = this.#namespace.granules(id, indx);
    return crcs === undefined ? { id, indx, sizeBytes } : { id, indx, sizeBytes, crcs };
  }

  /**
   * Blocks of the store behind [from, to) of the file that are in no local file yet, each once, in order. It ends before
   * what is damaged: who reads that is told so.
   */
  #storedBlocks(inode: Inode, from: number, to: number): BlockRef[] {
    const blocks: BlockRef[] = [];
    try {
      this.#visit(inode, from, Math.min(to, inode.length) - from, (_at, len, id, size, off) => {
        if (id === 0 || this.#packs.has(id)) return;
        for (let indx = Math.floor(off / this.#blockBytes); indx * this.#blockBytes < off + len; indx++) {
          const last = blocks.at(-1);
          if (last?.id === id && last.indx === indx) continue;
          const block = this.#blockRef(id, size, indx);
          if (!this.#files.has(id, indx, 0, block.sizeBytes)) blocks.push(block);
        }
      });
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
    }
    return blocks;
  }
}
