import { SLICE_RECORD_BYTES, type Overlay } from '../meta/stores/apply-pending.js';
import { type Kernels, MEMORY_PAGES_MIN, createMemory, instantiateKernels, overlayBytes } from '../workers/wasm.js';

/** Below this address the memory is the kernels' own. */
const FIRST_FREE = MEMORY_PAGES_MIN * 65_536;
const RECORDS_AT_FIRST = 16_384;

interface Room {
  records: number;
  kernels: Kernels;
  bytes: Uint8Array;
}

/** The overlay kernel on a memory of its own, which grows with the longest list that it was given. */
export function kernelOverlay(): Overlay {
  let room = makeRoom(RECORDS_AT_FIRST);
  return (records) => {
    const count = records.length / SLICE_RECORD_BYTES;
    if (count > room.records) room = makeRoom(2 ** Math.ceil(Math.log2(count)));
    room.bytes.set(records, FIRST_FREE);
    const out = FIRST_FREE + room.records * SLICE_RECORD_BYTES;
    const segments = room.kernels.overlay(FIRST_FREE, count, out);
    return room.bytes.slice(out, out + segments * SLICE_RECORD_BYTES);
  };
}

/** Room for the records, and behind them for what the kernel makes of them. */
function makeRoom(records: number): Room {
  const memory = createMemory(records * SLICE_RECORD_BYTES + overlayBytes(records));
  return { records, kernels: instantiateKernels(memory), bytes: new Uint8Array(memory.buffer) };
}
