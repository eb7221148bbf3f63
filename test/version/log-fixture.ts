import { closeSync, ftruncateSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';

import { LOG_RING_BYTES, LOG_SEGMENT_BYTES } from '../../dist/base/limits.js';
import {
  RECORD_HEADER_BYTES,
  RECORD_MAGIC,
  RecordKind,
  WRITE_FIELDS_BYTES,
  recordBytes,
} from '../../dist/chunk/log-format.js';
import { RowWriter } from '../../dist/meta/rows.js';
import type { WrittenPiece } from '../../dist/meta/stores/sqlite-apply.js';

/** CRC-32C, bit by bit: the twin of the kernel. */
export function crc32c(bytes: Uint8Array, seed = 0): number {
  let crc = ~seed;
  for (const byte of bytes) crc = (crc >>> 8) ^ (CRC_TABLE[(crc ^ byte) & 255] ?? 0);
  return ~crc >>> 0;
}

const CRC_TABLE = Array.from({ length: 256 }, (_, n) => {
  let value = n;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
  return value;
});

/** Writes a log's segment files as the format says, one record after the other. */
export class LogFixture {
  readonly directory: string;
  readonly #tag: number;
  readonly #rows = new RowWriter();
  #lsn = 0;
  #fd = -1;

  constructor(directory: string, tag = 0x1234abcd) {
    mkdirSync(directory, { recursive: true });
    this.directory = directory;
    this.#tag = tag;
    const session = { format: 1, session: 3, firstId: 3 * 2 ** 26, endId: 4 * 2 ** 26, volume: 'v', family: 'f' };
    this.json(RecordKind.SESSION, { ...session, parentSeq: 0, startedMs: 0 });
  }

  /** Where the next record begins. */
  get lsn(): number {
    return this.#lsn;
  }

  rows(write: (rows: RowWriter) => void): number {
    this.#rows.reset();
    write(this.#rows);
    return this.#append(RecordKind.ROWS, [this.#rows.bytes()]);
  }

  write(piece: WrittenPiece, data: Uint8Array): number {
    const fields = Buffer.alloc(WRITE_FIELDS_BYTES);
    fields.writeBigUInt64LE(BigInt(piece.ino), 0);
    fields.writeUInt32LE(piece.indx, 8);
    fields.writeUInt32LE(piece.pos, 12);
    fields.writeBigUInt64LE(BigInt(piece.pack), 16);
    fields.writeUInt32LE(piece.off, 24);
    fields.writeUInt32LE(piece.len, 28);
    fields.writeBigUInt64LE(BigInt(piece.length), 32);
    fields.writeBigInt64LE(BigInt(piece.sec), 40);
    fields.writeUInt32LE(piece.nsec, 48);
    return this.#append(RecordKind.WRITE, [fields, data]);
  }

  seal(pack: number, sizeBytes: number): number {
    return this.#append(RecordKind.SEAL, [packFields(pack, sizeBytes)]);
  }

  uploaded(pack: number, sizeBytes: number, crcs: readonly number[]): number {
    const tail = Buffer.alloc(4 + crcs.length * 4);
    tail.writeUInt32LE(crcs.length, 0);
    for (const [i, crc] of crcs.entries()) tail.writeUInt32LE(crc, 4 + i * 4);
    return this.#append(RecordKind.UPLOADED, [packFields(pack, sizeBytes), tail]);
  }

  json(kind: number, value: unknown): number {
    return this.#append(kind, [Buffer.from(JSON.stringify(value))]);
  }

  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
  }

  #append(kind: number, parts: readonly Uint8Array[]): number {
    const payload = Buffer.concat(parts);
    const room = LOG_RING_BYTES - (this.#lsn % LOG_RING_BYTES);
    const left = room - recordBytes(payload.length);
    // What is left over must hold at least the header of a record that fills it.
    if (left < 0) this.#record(RecordKind.PAD, Buffer.alloc(room - RECORD_HEADER_BYTES));
    return this.#record(kind, payload);
  }

  #record(kind: number, payload: Buffer): number {
    const lsn = this.#lsn;
    const record = Buffer.alloc(recordBytes(payload.length));
    record.writeUInt32LE(RECORD_MAGIC, 0);
    record.writeUInt32LE(RECORD_HEADER_BYTES + payload.length, 4);
    record.writeBigUInt64LE(BigInt(lsn), 8);
    record.writeUInt32LE(this.#tag, 16);
    record.writeUInt32LE(kind, 20);
    payload.copy(record, RECORD_HEADER_BYTES);
    const covered = kind === RecordKind.PAD ? Buffer.alloc(0) : payload;
    record.writeUInt32LE(crc32c(covered, crc32c(record.subarray(0, 24))), 24);
    this.#toFile(record);
    return lsn;
  }

  #toFile(record: Buffer): void {
    const at = this.#lsn % LOG_SEGMENT_BYTES;
    if (at === 0) {
      this.close();
      this.#fd = openSync(join(this.directory, `${this.#lsn.toString(16).padStart(16, '0')}.seg`), 'w');
      ftruncateSync(this.#fd, LOG_SEGMENT_BYTES);
    }
    writeSync(this.#fd, record, 0, record.length, at);
    this.#lsn += record.length;
  }
}

function packFields(pack: number, sizeBytes: number): Buffer {
  const fields = Buffer.alloc(12);
  fields.writeBigUInt64LE(BigInt(pack), 0);
  fields.writeUInt32LE(sizeBytes, 8);
  return fields;
}
