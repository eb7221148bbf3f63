/**
 * Where the kernels keep their constants. Several instances, one per thread, share one memory, so constants have fixed
 * addresses and fixed values: whoever starts writes the same bytes again, and a running kernel never notices. For the
 * same reason no kernel has a mutable static, and none uses `memory.data` or an array literal: those become data
 * segments, and a segment of zeros would wipe what another instance has written. Work space comes from the caller.
 */

/** Sixteen tables of 256 u32 for CRC-32C. */
export const CRC_TABLES: usize = 1024;
/** 256 u64 for the rolling hash of cut points. */
export const GEAR_TABLE: usize = CRC_TABLES + 16 * 1024;
/** 7 rounds of 16 u8: which word of the message a step of BLAKE3 takes. */
export const BLAKE3_SCHEDULE: usize = GEAR_TABLE + 256 * 8;
