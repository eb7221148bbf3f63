import { assert } from '../base/assert.js';
import { BLOCK_BYTES, MIB, OPEN_PACKS_MAX } from '../base/limits.js';
import type { SealedPack } from './messages.js';

/** A file that has written this much in sequence gets packs of its own, so that reading it back reads whole blocks. */
const STREAM_BYTES = MIB;
/** Files whose writing is watched for being sequential; the one longest ago is forgotten. */
const WRITERS_MAX = 64;

/** A slice that is being filled, or is full: ranges of the log, in order. */
export class Pack {
  readonly id: number;
  sizeBytes = 0;
  isSealed = false;
  /** Set when its block is in the store. */
  isUploaded = false;
  #count = 0;
  /** Of piece i: where in the pack it begins, and where in the log. */
  #offs = new Uint32Array(4);
  #lsns = new Float64Array(4);

  constructor(id: number) {
    this.id = id;
  }

  static fromSealed({ id, sizeBytes, lsns, lens }: SealedPack): Pack {
    const pack = new Pack(id);
    for (let i = 0; i < lens.length; i++) pack.add(lsns[i]!, lens[i]!);
    assert(pack.sizeBytes === sizeBytes, 'the pieces of a pack are its size');
    pack.isSealed = true;
    return pack;
  }

  /** The next `len` bytes lie at `lsn`; answers their offset in the pack. */
  add(lsn: number, len: number): number {
    assert(!this.isSealed && this.sizeBytes + len <= BLOCK_BYTES, 'a pack is no longer than a block');
    if (this.#count === this.#offs.length) this.#grow();
    const off = this.sizeBytes;
    this.#offs[this.#count] = off;
    this.#lsns[this.#count] = lsn;
    this.#count += 1;
    this.sizeBytes += len;
    return off;
  }

  /** Visits the ranges of the log that hold [off, off + len) of the pack, in order. */
  visit(off: number, len: number, visit: (lsn: number, len: number) => void): void {
    assert(off + len <= this.sizeBytes, 'what is read of a pack was written');
    const end = off + len;
    let at = off;
    for (let i = this.#pieceAt(off); at < end; i++) {
      const begin = this.#offs[i]!;
      const to = Math.min(end, i + 1 < this.#count ? this.#offs[i + 1]! : this.sizeBytes);
      visit(this.#lsns[i]! + (at - begin), to - at);
      at = to;
    }
  }

  /** Where in the log its last byte ends. */
  get endLsn(): number {
    const last = this.#count - 1;
    return last < 0 ? 0 : this.#lsns[last]! + (this.sizeBytes - this.#offs[last]!);
  }

  sealed(): SealedPack {
    const lens = new Uint32Array(this.#count);
    for (let i = 0; i < this.#count; i++) {
      lens[i] = (i + 1 < this.#count ? this.#offs[i + 1]! : this.sizeBytes) - this.#offs[i]!;
    }
    return { id: this.id, sizeBytes: this.sizeBytes, lsns: this.#lsns.slice(0, this.#count), lens };
  }

  #pieceAt(off: number): number {
    let low = 0;
    let high = this.#count - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.#offs[middle]! <= off) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #grow(): void {
    const offs = new Uint32Array(this.#offs.length * 2);
    const lsns = new Float64Array(offs.length);
    offs.set(this.#offs);
    lsns.set(this.#lsns);
    this.#offs = offs;
    this.#lsns = lsns;
  }
}

interface Writer {
  /** Where its next write begins if it goes on in sequence. */
  next: number;
  /** Bytes written in sequence. */
  streamed: number;
  pack: Pack | undefined;
}

/**
 * Chooses the pack for each write: small writes of all files share one, a file that is written in sequence has its own.
 * At most OPEN_PACKS_MAX are open.
 */
export class Packer {
  readonly #packBytes: number;
  readonly #newPack: () => Pack;
  readonly #seal: (pack: Pack) => void;
  #shared: Pack | undefined;
  /** By inode, the one that wrote last at the end. */
  readonly #writers = new Map<number, Writer>();
  #last: Writer | undefined;
  /** Begun by files that stream no more; the next stream fills them up. */
  readonly #idle: Pack[] = [];

  /** `seal` is called with each pack that is to get nothing more; an empty one never is. */
  constructor(options: { packBytes: number; newPack: () => Pack; seal: (pack: Pack) => void }) {
    this.#packBytes = options.packBytes;
    this.#newPack = options.newPack;
    this.#seal = options.seal;
  }

  /** A write begins: the whole of it, once, however many packs its pieces go to. */
  note(ino: number, offset: number, bytes: number): void {
    const writer = this.#writers.get(ino) ?? this.#begin(ino, offset);
    if (writer !== this.#last) {
      this.#writers.delete(ino);
      this.#writers.set(ino, writer);
      this.#last = writer;
    }
    if (writer.next !== offset) writer.streamed = 0;
    writer.streamed += bytes;
    writer.next = offset + bytes;
  }

  /** An open pack with room for at least one byte, for the next piece of the write that was noted. */
  packFor(ino: number): Pack {
    const writer = this.#writers.get(ino);
    assert(writer !== undefined, 'a write is noted before its pieces are placed');
    if (writer.streamed <= STREAM_BYTES) return (this.#shared ??= this.#newPack());
    writer.pack ??= this.#idle.pop() ?? this.#openForStream();
    return writer.pack;
  }

  /** To be called after bytes were added: a full pack is sealed. */
  settle(pack: Pack): void {
    if (pack.sizeBytes === this.#packBytes) this.seal(pack);
  }

  seal(pack: Pack): void {
    if (pack === this.#shared) this.#shared = undefined;
    const idle = this.#idle.indexOf(pack);
    if (idle >= 0) this.#idle.splice(idle, 1);
    for (const writer of this.#writers.values()) if (writer.pack === pack) writer.pack = undefined;
    if (!pack.isSealed && pack.sizeBytes > 0) this.#seal(pack);
  }

  sealAll(): void {
    for (const pack of this.#open()) this.seal(pack);
  }

  /** The inode's last handle is closed: its pack is free for others. */
  forget(ino: number): void {
    const writer = this.#writers.get(ino);
    if (writer === undefined) return;
    this.#writers.delete(ino);
    if (writer === this.#last) this.#last = undefined;
    if (writer.pack !== undefined) this.#idle.push(writer.pack);
  }

  #open(): Pack[] {
    const own = [...this.#writers.values()].flatMap(({ pack }) => (pack === undefined ? [] : [pack]));
    return [...(this.#shared === undefined ? [] : [this.#shared]), ...own, ...this.#idle];
  }

  #begin(ino: number, offset: number): Writer {
    if (this.#writers.size >= WRITERS_MAX) this.forget(this.#writers.keys().next().value!);
    const writer: Writer = { next: offset, streamed: 0, pack: undefined };
    this.#writers.set(ino, writer);
    return writer;
  }

  #openForStream(): Pack {
    const shared = this.#shared === undefined ? 1 : 0;
    if (this.#open().length + shared >= OPEN_PACKS_MAX) {
      // The stream that wrote longest ago gives its pack up.
      for (const writer of this.#writers.values()) {
        if (writer.pack === undefined) continue;
        this.seal(writer.pack);
        break;
      }
    }
    return this.#newPack();
  }
}
