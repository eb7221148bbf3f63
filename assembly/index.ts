import { buildCrcTables } from './crc32c';

export { crc32c, crc32cCombine, granules } from './crc32c';

/** Version of this interface: the host refuses a module of another. */
export function abi(): i32 {
  return 1;
}

/** Writes the constants; called once by each instance, before any kernel. */
export function setUp(): void {
  buildCrcTables();
}
