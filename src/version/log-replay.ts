import { VolumeError } from '../base/errors.js';
import {
  type CommitRecord,
  RECORD_HEADER_BYTES,
  RecordKind,
  type SessionRecord,
  WRITE_FIELDS_BYTES,
} from '../chunk/log-format.js';
import type { SealedPack } from '../chunk/messages.js';
import { readRows } from '../meta/rows.js';
import type { IndexApplier } from '../meta/stores/sqlite-apply.js';

/** A record of the log, as the reader gives it. */
export interface LogEntry {
  lsn: number;
  endLsn: number;
  kind: number;
  payload: Uint8Array;
}

export interface ReplayOptions {
  fromLsn: number;
  /** Records from here on are not in the version; of them only uploads count. Infinity: everything there is. */
  toLsn: number;
}

export interface Replay {
  /** Where the last good record ends: a new log session goes on there. */
  endLsn: number;
  /** SESSION records that were read, oldest first. */
  sessions: SessionRecord[];
  lastCommit: CommitRecord | null;
  /** Packs with data in the log that no UPLOADED record names, in order of their ids. */
  packs: SealedPack[];
}

/** A pack whose block is in the store, with the checksums of its granules. */
export interface UploadedPack {
  id: number;
  sizeBytes: number;
  crcs: Uint32Array;
}

interface PackInLog {
  lsns: number[];
  lens: number[];
  end: number;
}

/** Reads a log into an index: everything in [fromLsn, toLsn), and uploads wherever they are. */
export class LogReplay {
  readonly #applier: IndexApplier;
  readonly #options: ReplayOptions;
  /** Not uploaded yet. */
  readonly #packs = new Map<number, PackInLog>();
  readonly #sessions: SessionRecord[] = [];
  #lastCommit: CommitRecord | null = null;
  #endLsn: number;

  constructor(applier: IndexApplier, options: ReplayOptions) {
    this.#applier = applier;
    this.#options = options;
    this.#endLsn = options.fromLsn;
  }

  /**
   * Takes the records in order. Stops early when nothing that is still to come can matter. `known`: packs whose blocks
   * are in the store, by what the caller knows; the log may not say it yet.
   */
  run(entries: Iterable<LogEntry>, known: readonly UploadedPack[] = []): Replay {
    let beyond = false;
    for (const entry of entries) {
      if (entry.lsn >= this.#options.toLsn && !beyond) {
        beyond = true;
        this.#takeKnown(known);
      }
      if (beyond && this.#packs.size === 0) break;
      this.#record(entry);
      this.#endLsn = entry.endLsn;
      this.#applier.recordEnd();
    }
    this.#takeKnown(known);
    if (this.#options.toLsn === Infinity) this.#sealOpenPacks();
    return {
      endLsn: this.#endLsn,
      sessions: this.#sessions,
      lastCommit: this.#lastCommit,
      packs: Array.from(this.#packs, sealedPack).sort((a, b) => a.id - b.id),
    };
  }

  #takeKnown(known: readonly UploadedPack[]): void {
    for (const pack of known) this.#uploaded(pack);
  }

  /** Packs that the version does not name belong to another one. */
  #uploaded({ id, sizeBytes, crcs }: UploadedPack): void {
    if (this.#packs.delete(id)) this.#applier.uploaded(id, sizeBytes, crcs);
  }

  #record({ lsn, kind, payload }: LogEntry): void {
    const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
    if (kind === RecordKind.UPLOADED) return this.#uploadedRecord(view);
    if (lsn >= this.#options.toLsn) return;
    switch (kind) {
      case RecordKind.ROWS:
        return readRows(payload, this.#applier);
      case RecordKind.WRITE:
        return this.#write(lsn, view);
      case RecordKind.SEAL:
        return this.#applier.seal(u64(view, 0), view.getUint32(8, true));
      case RecordKind.SESSION:
        this.#sessions.push(json(payload) as SessionRecord);
        return;
      case RecordKind.COMMIT:
        this.#lastCommit = json(payload) as CommitRecord;
        return;
      case RecordKind.PAD:
        return;
      default:
        throw new VolumeError('unsupported', `the log holds a record of unknown kind ${kind}: use a newer forkfs`);
    }
  }

  #write(lsn: number, view: DataView): void {
    const [pack, off, len] = [u64(view, 16), view.getUint32(24, true), view.getUint32(28, true)];
    this.#applier.write({
      ino: u64(view, 0),
      indx: view.getUint32(8, true),
      pos: view.getUint32(12, true),
      pack,
      off,
      len,
      length: u64(view, 32),
      sec: Number(view.getBigInt64(40, true)),
      nsec: view.getUint32(48, true),
    });
    if (len === 0) return;
    let inLog = this.#packs.get(pack);
    if (inLog === undefined) this.#packs.set(pack, (inLog = { lsns: [], lens: [], end: 0 }));
    if (off !== inLog.end) throw new VolumeError('corrupt', `the log lacks bytes ${inLog.end}..${off} of pack ${pack}`);
    inLog.lsns.push(lsn + RECORD_HEADER_BYTES + WRITE_FIELDS_BYTES);
    inLog.lens.push(len);
    inLog.end = off + len;
  }

  #uploadedRecord(view: DataView): void {
    const [id, sizeBytes, count] = [u64(view, 0), view.getUint32(8, true), view.getUint32(12, true)];
    this.#uploaded({
      id,
      sizeBytes,
      crcs: Uint32Array.from({ length: count }, (_, i) => view.getUint32(16 + i * 4, true)),
    });
  }

  /** What was being filled when the writer ended has its size now. */
  #sealOpenPacks(): void {
    for (const [pack, end] of this.#applier.openPacks()) this.#applier.seal(pack, end);
  }
}

function sealedPack([id, pack]: [number, PackInLog]): SealedPack {
  return { id, sizeBytes: pack.end, lsns: Float64Array.from(pack.lsns), lens: Uint32Array.from(pack.lens) };
}

function u64(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
}

function json(payload: Uint8Array): unknown {
  return JSON.parse(Buffer.from(payload).toString('utf8'));
}
