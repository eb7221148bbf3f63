// What the namespace's operations cost, in microseconds each, without FUSE, log and store: `node bench/namespace.ts [FILES]`.
import { systemClock } from '../dist/base/clock.js';
import { IdAllocator, Namespace, type Inode } from '../dist/meta/namespace.js';
import { loadSqlJs } from '../dist/meta/stores/sql.js';

const files = Number(process.argv[2] ?? 50_000);
const sql = await loadSqlJs();
const owner = { uid: 0, gid: 0 };
let firstId = 2 ** 40;

function open(image: Uint8Array | null): Namespace {
  firstId *= 2;
  const ids = new IdAllocator(firstId, firstId + files * 2);
  return Namespace.open(image, { sql, clock: systemClock, journal: { appendRows: () => 0 }, ids });
}

function measure(what: string, count: number, run: () => void): void {
  const begin = systemClock.monotonicMs();
  run();
  const us = ((systemClock.monotonicMs() - begin) * 1000) / count;
  console.log(`${what.padEnd(48)} ${us.toFixed(2).padStart(9)} us`);
}

/** Lists as the kernel does, some hundred entries at a time. */
function list(ns: Namespace, directory: Inode, each: (ino: number) => void): void {
  let cookie = 0;
  for (let found = 500; found === 500;) {
    found = 0;
    ns.readdir(directory, cookie, (entry) => {
      cookie = entry.id;
      each(entry.ino);
      return ++found < 500;
    });
  }
}

console.log(`${files} files in one directory`);
const first = open(null);
const made = first.create(first.root, 'd', { type: 2, mode: 0o755, ...owner });
first.hold(made);
measure('create, with the writing behind that it causes', files, () => {
  for (let i = 0; i < files; i++) first.create(made, `file-${i}`, { type: 1, mode: 0o644, ...owner });
});
measure('write the rest behind', first.stats().dirtyRows, () => {
  while (first.writeBehind(2));
});
measure('look up a name that is there', files, () => {
  for (let i = 0; i < files; i++) first.lookup(made, `file-${i}`);
});
measure('look up a name that is not', files, () => {
  for (let i = 0; i < files; i++) first.lookup(made, `none-${i}`);
});
const image = first.exportImage();
first.close();

const second = open(image);
const found = second.lookup(second.root, 'd');
if (found === undefined) throw new Error('the directory is not there');
second.hold(found);
measure('first page of a directory that is not in memory', 1, () => second.readdir(found, 0, () => false));
measure('list it, an entry', files, () => list(second, found, () => {}));
measure('inodes that are not in memory', files, () => list(second, found, (ino) => second.inode(ino)));
measure('unlink, with the writing behind that it causes', files, () => {
  for (let i = 0; i < files; i++) second.unlink(found, `file-${i}`);
});
console.log(`peak RSS ${Math.round(process.resourceUsage().maxRSS / 1024)} MB`);
