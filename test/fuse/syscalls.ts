import koffi from 'koffi';

/** System calls that node:fs does not have, for tests: each answers a number >= 0, or -errno. */
const libc = koffi.load(null);

function call(prototype: string): (...args: unknown[]) => number {
  const native = libc.func(prototype) as (...args: unknown[]) => number | bigint;
  return (...args) => {
    const result = Number(native(...args));
    return result < 0 ? -koffi.errno() : result;
  };
}

export const setxattr = call('int setxattr(const char*, const char*, const void*, size_t, int)');
export const getxattr = call('int64_t getxattr(const char*, const char*, void*, size_t)');
export const listxattr = call('int64_t listxattr(const char*, void*, size_t)');
export const removexattr = call('int removexattr(const char*, const char*)');
export const fallocate = call('int fallocate(int, int, int64_t, int64_t)');
export const lseek = call('int64_t lseek(int, int64_t, int)');
export const syncfs = call('int syncfs(int)');
const renameat2 = call('int renameat2(int, const char*, int, const char*, unsigned int)');
const copyFileRangeCall = call('int64_t copy_file_range(int, int64_t*, int, int64_t*, size_t, unsigned int)');

const AT_FDCWD = -100;

/** flags: RENAME_NOREPLACE 1, RENAME_EXCHANGE 2 */
export const rename2 = (from: string, to: string, flags: number): number =>
  renameat2(AT_FDCWD, from, AT_FDCWD, to, flags);

export const copyFileRange = (from: number, at: number, to: number, toAt: number, bytes: number): number =>
  copyFileRangeCall(from, new BigInt64Array([BigInt(at)]), to, new BigInt64Array([BigInt(toAt)]), bytes, 0);

const mmapCall = libc.func('void* mmap(void*, size_t, int, int, int, int64_t)') as (...args: unknown[]) => unknown;
const munmapCall = libc.func('int munmap(void*, size_t)') as (...args: unknown[]) => number;

/** A shared mapping of the first bytes of a file, for reading and writing; `unmap` before the last use of the view. */
export function mapFile(fd: number, bytes: number): { view: Uint8Array; unmap(): void } {
  const address = mmapCall(null, bytes, 3, 1, fd, 0);
  return { view: new Uint8Array(koffi.view(address, bytes)), unmap: () => void munmapCall(address, bytes) };
}
