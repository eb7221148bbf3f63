import { VolumeError } from '../base/errors.js';
import {
  type CommitRecord,
  RECORD_HEADER_BYTES,
  RecordKind,
  type SessionRecord,
  WRITE_FIELDS_BYTES,
} from '../chunk/log-format.js';
import type { LogEnd, LogRecord } from '../chunk/log-reader.js';
import { decodeJson, decodeSeal, decodeUploaded, decodeWrite } from '../chunk/log-records.js';
import type { SealedPack } from '../chunk/messages.js';
import { readRows } from '../meta/rows.js';
import type { IndexApplier } from '../meta/stores/sqlite-apply.js';

export interface ReplayOptions {
  fromLsn: number;
  /** Records from here on are not in the version; of them only uploads count. Infinity: everything there is. */
  toLsn: number;
}

export interface Replay {
  /** Where the log ends, as far as it was read, and the tag of its last session: a new session goes on there. */
  endLsn: number;
  tag: number | undefined;
  /** SESSION records that were read, oldest first. */
  sessions: SessionRecord[];
  lastCommit: CommitRecord | null;
  /**
   * Packs with data in what was applied that nothing says to be in the store, in order of their ids. A version that has
   * any must not be published.
   */
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

  constructor(applier: IndexApplier, options: ReplayOptions) {
    this.#applier = applier;
    this.#options = options;
  }

  /**
   * Takes the records of `log` in order. Stops early when nothing that is still to come can matter. `known`: packs whose
   * blocks are in the store, by what the caller knows; the log may not say it yet.
   *
   * @throws VolumeError `corrupt` when the log ends before `toLsn`
   */
  run(log: Iterator<LogRecord, LogEnd, undefined>, known: readonly UploadedPack[] = []): Replay {
    const { fromLsn, toLsn } = this.#options;
    let end: LogEnd = { endLsn: fromLsn, tag: undefined };
    let beyond = false;
    for (;;) {
      const next = log.next();
      if (next.done === true) {
        end = next.value;
        break;
      }
      if (next.value.lsn >= toLsn && !beyond) this.#takeKnown(known);
      beyond = next.value.lsn >= toLsn;
      if (beyond && this.#packs.size === 0) break;
      this.#checkedRecord(next.value);
      end.endLsn = next.value.endLsn;
      this.#applier.recordEnd();
    }
    log.return?.();
    this.#takeKnown(known);
    if (toLsn === Infinity) this.#sealOpenPacks();
    else if (end.endLsn < toLsn) {
      throw new VolumeError('corrupt', `the local log ends at ${end.endLsn}, before the version's end at ${toLsn}`);
    }
    return {
      ...end,
      sessions: this.#sessions,
      lastCommit: this.#lastCommit,
      packs: Array.from(this.#packs, sealedPack).toSorted((a, b) => a.id - b.id),
    };
  }

  #takeKnown(known: readonly UploadedPack[]): void {
    for (const pack of known) this.#uploaded(pack);
  }

  /** Packs that the version does not name belong to another one. */
  #uploaded({ id, sizeBytes, crcs }: UploadedPack): void {
    if (this.#packs.delete(id)) this.#applier.uploaded(id, sizeBytes, crcs);
  }

  /** The record was written whole; what it says can still make no sense. */
  #checkedRecord(record: LogRecord): void {
    try {
      this.#record(record);
    } catch (cause) {
      if (cause instanceof VolumeError) throw cause;
      throw new VolumeError('corrupt', `the log's record at ${record.lsn} cannot be understood`, { cause });
    }
  }

  #record({ lsn, kind, payload }: LogRecord): void {
    if (kind === RecordKind.UPLOADED) {
      const { pack, sizeBytes, crcs } = decodeUploaded(payload);
      return this.#uploaded({ id: pack, sizeBytes, crcs });
    }
    if (lsn >= this.#options.toLsn) return;
    switch (kind) {
      case RecordKind.ROWS:
        return readRows(payload, this.#applier);
      case RecordKind.WRITE:
        return this.#write(lsn, decodeWrite(payload));
      case RecordKind.SEAL: {
        const { pack, sizeBytes } = decodeSeal(payload);
        return this.#applier.seal(pack, sizeBytes);
      }
      case RecordKind.SESSION:
        this.#sessions.push(decodeJson<SessionRecord>(payload));
        return;
      case RecordKind.COMMIT:
        this.#lastCommit = decodeJson<CommitRecord>(payload);
        return;
      case RecordKind.PAD:
        return;
      default:
        throw new VolumeError(
          'unsupported',
          `the log holds a record of unknown kind ${String(kind)}: use a newer forkfs`,
        );
    }
  }

  #write(lsn: number, piece: ReturnType<typeof decodeWrite>): void {
    this.#applier.write(piece);
    const { pack, off, len } = piece;
    if (len === 0) return;
    let inLog = this.#packs.get(pack);
    if (inLog === undefined) this.#packs.set(pack, (inLog = { lsns: [], lens: [], end: 0 }));
    if (off !== inLog.end) throw new VolumeError('corrupt', `the log lacks bytes ${inLog.end}..${off} of pack ${pack}`);
    inLog.lsns.push(lsn + RECORD_HEADER_BYTES + WRITE_FIELDS_BYTES);
    inLog.lens.push(len);
    inLog.end = off + len;
  }

  /** What was being filled when the writer ended has its size now. */
  #sealOpenPacks(): void {
    for (const [pack, end] of this.#applier.openPacks()) this.#applier.seal(pack, end);
  }
}

function sealedPack([id, pack]: [number, PackInLog]): SealedPack {
  return { id, sizeBytes: pack.end, lsns: Float64Array.from(pack.lsns), lens: Uint32Array.from(pack.lens) };
}
