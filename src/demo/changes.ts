import { appendFileSync, chmodSync, linkSync, lstatSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'; // prettier-ignore
import { join } from 'node:path';

export interface Changes {
  changed: number;
  deleted: number;
  created: number;
}

/** Changes a tree in many ways: every 10th file of some is appended to, every 7th deleted, things are made and moved. */
export function changeTree(top: string): Changes {
  const files = someFiles(top, 400);
  const done: Changes = { changed: 0, deleted: 0, created: 0 };
  for (const [i, path] of files.entries()) {
    if (i % 10 === 0) {
      appendFileSync(path, `changed by the demo, file ${i}\n`);
      done.changed++;
    } else if (i % 7 === 0) {
      rmSync(path);
      done.deleted++;
    } else if (i % 31 === 0) {
      chmodSync(path, 0o640);
      done.changed++;
    }
  }
  const folder = join(top, 'made by the demo');
  mkdirSync(join(folder, 'deep', 'deeper'), { recursive: true });
  for (let i = 0; i < 200; i++) writeFileSync(join(folder, 'deep', `small-${i}.txt`), `${'x'.repeat(i)}\n`);
  writeFileSync(join(folder, 'sparse'), 'begin');
  truncateSync(join(folder, 'sparse'), 70 * 1024 * 1024);
  appendFileSync(join(folder, 'sparse'), 'end');
  linkSync(join(folder, 'deep', 'small-1.txt'), join(folder, 'hard link'));
  symlinkSync('deep/small-2.txt', join(folder, 'symbolic link'));
  renameSync(join(folder, 'deep'), join(folder, 'moved'));
  writeFileSync(join(folder, 'ünï \t odd "name" \u{1F40B}'), 'odd\n');
  done.created += 207;
  return done;
}

/** Regular files that their owner may write, in the order of their names, from the top down. */
function someFiles(top: string, limit: number): string[] {
  const found: string[] = [];
  const todo = [top];
  for (let folder = todo.shift(); folder !== undefined && found.length < limit; folder = todo.shift()) {
    for (const name of readdirSync(folder).toSorted()) {
      // A name that is not text stays as it is.
      if (name.includes('\uFFFD')) continue;
      const path = join(folder, name);
      const stat = lstatSync(path);
      if ((stat.mode & 0o200) === 0) continue;
      if (stat.isDirectory()) todo.push(path);
      else if (stat.isFile()) found.push(path);
    }
  }
  return found.slice(0, limit);
}
