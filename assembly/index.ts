import { buildSchedule } from './blake3';
import { buildCrcTables } from './crc32c';
import { buildGearTable } from './cut-points';

export { hash128 } from './blake3';
export { copyPieces } from './copy-pieces';
export { crc32c, crc32cCombine, granules } from './crc32c';
export { cutPoints } from './cut-points';
export { overlay } from './overlay';

/** Version of this interface: the host refuses a module of another. */
export function abi(): i32 {
  return 1;
}

/** Writes the constants; called once by each instance, before any kernel. */
export function setUp(): void {
  buildCrcTables();
  buildGearTable();
  buildSchedule();
}
