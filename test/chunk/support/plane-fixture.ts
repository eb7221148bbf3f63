/** A data plane on a real log and a real namespace in a temporary folder; the test plays the main thread. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventfdDrain, poll } from '../../../dist/base/libc.js';
import { BLOCK_BYTES, LOG_RING_BYTES, LOG_SEGMENT_BYTES, MIB } from '../../../dist/base/limits.js';
import { DataPlane } from '../../../dist/chunk/data-plane.js';
import { RecordKind } from '../../../dist/chunk/log-format.js';
import { LogSegments } from '../../../dist/chunk/log-segments.js';
import type { MissingPart, SealedPack, ToMain } from '../../../dist/chunk/messages.js';
import { IdAllocator, Namespace } from '../../../dist/meta/namespace.js';
import { buildIndex, type BuildResult } from '../../../dist/version/index-builder.js';
import { Vfs } from '../../../dist/vfs/vfs.js';
import { FIRST_ID, newImage, sql, StepClock } from '../../meta/support.ts';
import { startLog, temporary, type Fixture } from './log-fixture.ts';

export const CALLER = { uid: 1000, gid: 1000, pid: 1 };
export const PENDING = -1;

type ReadMessage = Extract<ToMain, { t: 'read' }>;

/** Blocks by `id_indx`: the store, as far as the tests need one. */
export class Blocks {
  readonly #blocks = new Map<string, { bytes: Uint8Array; crcs: Uint32Array | undefined }>();

  put(id: number, bytes: Uint8Array): Uint32Array {
    // Not checksums, but numbers that are the block's own.
    const crcs = Uint32Array.from({ length: Math.ceil(bytes.length / 65536) }, (_, i) => (id % 100_000) * 64 + i);
    this.#blocks.set(`${id}_0`, { bytes, crcs });
    return crcs;
  }

  /** A block of somebody else's slice, of which nobody made checksums. */
  adopt(id: number, indx: number, bytes: Uint8Array): void {
    this.#blocks.set(`${id}_${indx}`, { bytes, crcs: undefined });
  }

  /** Fills a part as the main thread would; throws when it does not say what is true. */
  fill(body: Uint8Array, part: Extract<MissingPart, { from: 'block' }>): void {
    const { id, indx, sizeBytes, crcs } = part.block;
    const block = this.#blocks.get(`${id}_${indx}`);
    if (block === undefined) throw new Error(`block ${id}_${indx} is not in the store`);
    if (block.bytes.length !== sizeBytes)
      throw new Error(`block ${id}: ${sizeBytes} bytes instead of ${block.bytes.length}`);
    if (String(crcs) !== String(block.crcs)) throw new Error(`block ${id}: wrong checksums ${String(crcs)}`);
    if (part.off + part.len > sizeBytes) throw new Error(`block ${id}: a part beyond its end`);
    body.set(block.bytes.subarray(part.off, part.off + part.len), part.at);
  }

  get count(): number {
    return this.#blocks.size;
  }
}

export interface PlaneOptions {
  writeback?: boolean;
  packs?: SealedPack[];
  startLsn?: number;
  image?: Uint8Array;
  firstId?: number;
  blockBytes?: number;
  ringBytes?: number;
  directory?: string;
  blocks?: Blocks;
}

export class PlaneFixture {
  readonly directory: string;
  readonly log: Fixture;
  readonly namespace: Namespace;
  readonly segments: LogSegments;
  readonly plane: DataPlane;
  readonly vfs: Vfs;
  readonly posted: ToMain[] = [];
  readonly blocks: Blocks;
  /** Sealed packs that are not uploaded. */
  readonly sealed: SealedPack[] = [];
  readonly #out = new Uint8Array(new SharedArrayBuffer(2 * MIB));
  #ticket = 0;

  private constructor(directory: string, log: Fixture, options: PlaneOptions) {
    this.directory = directory;
    this.log = log;
    this.blocks = options.blocks ?? new Blocks();
    const first = options.firstId ?? FIRST_ID;
    const ids = new IdAllocator(first, first + 2 ** 26);
    log.writer.appendJson(RecordKind.SESSION, { format: 1 });
    this.namespace = Namespace.open(options.image ?? newImage(), {
      sql,
      journal: log.writer,
      ids,
      clock: new StepClock(),
    });
    this.segments = new LogSegments(log.shared.directory, log.shared.segmentBytes);
    this.plane = new DataPlane({
      log: log.writer,
      segments: this.segments,
      namespace: this.namespace,
      ids,
      post: (message) => this.#take(message),
      writeback: options.writeback ?? true,
      blockBytes: options.blockBytes ?? BLOCK_BYTES,
      ...(options.packs === undefined ? {} : { packs: options.packs }),
    });
    this.sealed.push(...(options.packs ?? []));
    this.vfs = new Vfs(this.namespace, this.plane, { readOnly: false });
  }

  static async start(options: PlaneOptions = {}): Promise<PlaneFixture> {
    const directory = options.directory ?? temporary().directory;
    const log = await startLog({
      directory: join(directory, 'log'),
      ringBytes: options.ringBytes ?? LOG_RING_BYTES,
      segmentBytes: LOG_SEGMENT_BYTES,
      ...(options.startLsn === undefined ? {} : { startLsn: options.startLsn }),
    });
    return new PlaneFixture(directory, log, options);
  }

  #take(message: ToMain): void {
    // What is sent is copied or moved, so what the plane does afterwards must not show.
    this.posted.push(structuredClone(message));
    if (message.t === 'sealed') this.sealed.push(structuredClone(message.pack));
  }

  /** Asks for room as the transports do. */
  room(bytes: number): void {
    while (this.vfs.room(bytes) === 'wait') {
      poll([this.log.wakeFd], 1000);
      eventfdDrain(this.log.wakeFd);
    }
  }

  create(name: string, mode = 0o644): number {
    this.room(0);
    const { inode, fh } = this.vfs.create(CALLER, this.namespace.root.ino, name, mode, 2);
    this.handles.set(inode.ino, fh);
    return inode.ino;
  }

  readonly handles = new Map<number, number>();

  /** In pieces of at most 1 MiB, as the kernel writes. */
  write(ino: number, offset: number, data: Uint8Array, killPriv = false): void {
    for (let done = 0; done < data.length; done += MIB) {
      const piece = data.subarray(done, done + MIB);
      this.room(piece.length);
      this.vfs.write(ino, this.handles.get(ino) ?? 0, offset + done, piece, killPriv);
    }
  }

  setattr(ino: number, change: Parameters<Vfs['setattr']>[2]): void {
    this.room(0);
    this.vfs.setattr(CALLER, ino, change);
  }

  allocate(ino: number, mode: number, offset: number, length: number): void {
    this.room(0);
    this.vfs.fallocate(ino, this.handles.get(ino) ?? 0, mode, offset, length);
  }

  copy(from: number, offsetIn: number, to: number, offsetOut: number, length: number): number {
    this.room(0);
    return this.vfs.copyFileRange(from, offsetIn, to, offsetOut, length);
  }

  close(ino: number): void {
    this.room(0);
    this.vfs.release(this.handles.get(ino) ?? 0);
    this.handles.delete(ino);
  }

  /** The bytes, and the message for the main thread when they did not come at once. */
  read(ino: number, offset: number, size: number): { bytes: Uint8Array; message: ReadMessage | undefined } {
    this.#out.fill(0xee);
    const ticket = -++this.#ticket;
    const got = this.vfs.read(ino, this.handles.get(ino) ?? 0, offset, size, this.#out, 16, ticket);
    if (got !== PENDING) return { bytes: this.#out.slice(16, 16 + got), message: undefined };
    const message = this.posted.findLast((m): m is ReadMessage => m.t === 'read');
    if (message?.ticket !== ticket) throw new Error('PENDING without a message');
    const body = message.body.slice();
    for (const part of message.parts) this.#fill(body, part);
    return { bytes: body, message };
  }

  #fill(body: Uint8Array, part: MissingPart): void {
    if (part.from === 'block') return this.blocks.fill(body, part);
    const got = this.segments.read(body, part.at, part.len, part.lsn);
    if (got !== part.len) throw new Error(`the log has no ${part.len} bytes at ${part.lsn}: ${got}`);
  }

  /** Uploads what is sealed: its bytes are read from the log's files. */
  async upload(): Promise<void> {
    await this.log.thread.flush();
    for (const pack of this.sealed.splice(0)) {
      const bytes = new Uint8Array(pack.sizeBytes);
      let at = 0;
      for (const [i, len] of pack.lens.entries()) {
        if (this.segments.read(bytes, at, len, pack.lsns[i]!) !== len) throw new Error('a pack is not in the log');
        at += len;
      }
      if (at !== pack.sizeBytes) throw new Error('the pieces of a pack are not its size');
      const crcs = this.blocks.put(pack.id, bytes);
      this.plane.onMessage({ t: 'uploaded', id: pack.id, sizeBytes: pack.sizeBytes, crcs });
    }
  }

  /** Seals, uploads and trims: everything is read from the store from then on. Answers the LSN. */
  async commit(): Promise<number> {
    this.plane.sealAll();
    const lsn = this.log.writer.appended;
    await this.upload();
    if (!this.plane.uploadsAreLogged()) throw new Error('upload marks wait');
    await this.log.thread.flush();
    this.plane.trim(lsn);
    return lsn;
  }

  /** The index that recovery or a commit would make of the log. */
  async index(fromLsn = 0, toLsn = Infinity, base?: string): Promise<{ path: string; result: BuildResult }> {
    await this.log.thread.flush();
    const path = join(this.directory, `index-${fromLsn}-${toLsn}.db`);
    if (base === undefined) writeFileSync(join(this.directory, 'base.db'), newImage());
    const result = await buildIndex({
      base: base ?? join(this.directory, 'base.db'),
      setting: null,
      logDirectory: this.log.shared.directory,
      fromLsn,
      toLsn,
      out: path,
      meta: {},
    });
    return { path, result };
  }

  async stop(): Promise<void> {
    this.plane.close();
    this.namespace.close();
    await this.log.stop();
  }
}
