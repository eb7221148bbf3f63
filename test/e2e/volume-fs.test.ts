/** `volume.fs` without a mount: the same errors as node's, and the same volume as a mount shows afterwards. */
// needs: mount
import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Volume, type RWVolume, type VolumeFileHandle, type VolumeFs } from '../../dist/index.js';
import { rejects } from './failures.ts';
import { isMounted, makeTree, Workspace } from './support.ts';

const work = new Workspace();
const open = suite('volume.fs, with and without a mount');
const megabyte = 1024 * 1024;

open.after(() => work.cleanUp());

interface Seen {
  code: string | undefined;
  syscall: string | undefined;
  path: string | undefined;
}

async function withFile(
  fs: VolumeFs,
  path: string,
  flags: string,
  use: (file: VolumeFileHandle) => Promise<unknown>,
): Promise<void> {
  const file = await fs.open(path, flags);
  try {
    await use(file);
  } finally {
    await file.close();
  }
}

/** Calls that fail, in a folder with `file`, `full/inside`, `link` -> file and `loop` -> loop. */
const FAILURES: Record<string, (fs: VolumeFs, top: string) => Promise<unknown>> = {
  'readFile of nothing': (fs, top) => fs.readFile(`${top}/none`),
  'readFile below nothing': (fs, top) => fs.readFile(`${top}/none/below`),
  'readFile below a file': (fs, top) => fs.readFile(`${top}/file/below`),
  'readFile of a loop': (fs, top) => fs.readFile(`${top}/loop`),
  'readFile of a name that is too long': (fs, top) => fs.readFile(`${top}/${'x'.repeat(256)}`),
  'writeFile below nothing': (fs, top) => fs.writeFile(`${top}/none/f`, 'x'),
  'writeFile to a folder': (fs, top) => fs.writeFile(`${top}/full`, 'x'),
  'writeFile that must be new': (fs, top) => fs.writeFile(`${top}/file`, 'x', { flag: 'wx' }),
  'appendFile below a file': (fs, top) => fs.appendFile(`${top}/file/f`, 'x'),
  'mkdir of what is there': (fs, top) => fs.mkdir(`${top}/full`),
  'mkdir below nothing': (fs, top) => fs.mkdir(`${top}/none/d`),
  'readdir of a file': (fs, top) => fs.readdir(`${top}/file`),
  'readdir of nothing': (fs, top) => fs.readdir(`${top}/none`),
  'stat of nothing': (fs, top) => fs.stat(`${top}/none`),
  'lstat of nothing': (fs, top) => fs.lstat(`${top}/none`),
  'access of nothing': (fs, top) => fs.access(`${top}/none`),
  'rename of nothing': (fs, top) => fs.rename(`${top}/none`, `${top}/other`),
  'rename of a file to a folder': (fs, top) => fs.rename(`${top}/file`, `${top}/full`),
  'rename of a folder to a file': (fs, top) => fs.rename(`${top}/full`, `${top}/file`),
  'rename of a folder into itself': (fs, top) => fs.rename(`${top}/full`, `${top}/full/in`),
  'unlink of nothing': (fs, top) => fs.unlink(`${top}/none`),
  'unlink of a folder': (fs, top) => fs.unlink(`${top}/full`),
  'rmdir of a folder that is not empty': (fs, top) => fs.rmdir(`${top}/full`),
  'rmdir of a file': (fs, top) => fs.rmdir(`${top}/file`),
  'symlink over a file': (fs, top) => fs.symlink('x', `${top}/file`),
  'readlink of a file': (fs, top) => fs.readlink(`${top}/file`),
  'link of nothing': (fs, top) => fs.link(`${top}/none`, `${top}/hard`),
  'link over a file': (fs, top) => fs.link(`${top}/file`, `${top}/link`),
  'link of a folder': (fs, top) => fs.link(`${top}/full`, `${top}/hard`),
  'truncate of nothing': (fs, top) => fs.truncate(`${top}/none`, 1),
  'truncate of a folder': (fs, top) => fs.truncate(`${top}/full`, 1),
  'utimes of nothing': (fs, top) => fs.utimes(`${top}/none`, 1, 1),
  'chmod of nothing': (fs, top) => fs.chmod(`${top}/none`, 0o600),
  'chown of nothing': (fs, top) => fs.chown(`${top}/none`, 1, 1),
  'open of nothing': (fs, top) => fs.open(`${top}/none`),
  'open of a folder to write': (fs, top) => fs.open(`${top}/full`, 'r+'),
  'write to a file that is open for reading': (fs, top) => withFile(fs, `${top}/file`, 'r', (file) => file.write('x')),
  'read of a file that is open for writing': (fs, top) =>
    withFile(fs, `${top}/file`, 'a', (file) => file.read(Buffer.alloc(1), 0, 1, 0)),
  'truncate of a file that is open for reading': (fs, top) =>
    withFile(fs, `${top}/file`, 'r', (file) => file.truncate(0)),
};

async function failures(fs: VolumeFs, top: string): Promise<Record<string, Seen>> {
  await fs.mkdir(`${top}/full`, { recursive: true });
  await fs.writeFile(`${top}/full/inside`, 'x');
  await fs.writeFile(`${top}/file`, 'x');
  await fs.symlink('file', `${top}/link`);
  await fs.symlink('loop', `${top}/loop`);
  const seen: Record<string, Seen> = {};
  for (const [what, call] of Object.entries(FAILURES)) {
    try {
      await call(fs, top);
      seen[what] = { code: 'none', syscall: undefined, path: undefined };
    } catch (error) {
      const { code, syscall, path, errno } = error as NodeJS.ErrnoException;
      assert.ok(error instanceof Error && typeof errno === 'number' && errno < 0, `${what}: ${String(error)}`);
      assert.ok(error.message.startsWith(`${code}: `), error.message);
      seen[what] = { code, syscall, path: path?.replace(/^.*(?=\/errors)/, '') };
    }
  }
  return seen;
}

open('errors have the code, the syscall and the path that node says', async () => {
  const plain = work.path('errors');
  fs.mkdirSync(plain);
  const wanted = await failures(fs.promises as unknown as VolumeFs, plain);
  const volume = work.volume('errors');
  await volume.open();
  await volume.fs.mkdir('/errors');
  const found = await failures(volume.fs, '/errors');
  await volume.finalize();
  for (const [what, seen] of Object.entries(wanted)) assert.equal(found[what], seen, what);
});

function bytesOf(name: string): Buffer {
  return Buffer.from(name, 'latin1');
}

/** Names below the folder, a byte each character. Node's own recursive readdir goes into links. */
function* walk(top: string, below = ''): Generator<string> {
  for (const entry of fs.readdirSync(join(top, below), { withFileTypes: true, encoding: 'latin1' })) {
    yield below + entry.name;
    if (entry.isDirectory()) yield* walk(top, `${below}${entry.name}/`);
  }
}

/** What must be the same; the size of a folder is nobody's business. */
function shapeOf(stat: Pick<fs.Stats, 'mode' | 'nlink' | 'size' | 'mtimeMs' | 'isDirectory'>): number[] {
  return [stat.mode, stat.nlink, stat.isDirectory() ? 0 : stat.size, stat.mtimeMs];
}

open('what is written without a mount is what a mount shows, and the other way round', async () => {
  const volume = work.volume('both');
  await volume.open();
  const body = randomBytes(9 * megabyte);
  await volume.fs.mkdir('/deep/er', { recursive: true, mode: 0o750 });
  await volume.fs.writeFile('/deep/er/large', body, { mode: 0o600 });
  await volume.fs.utimes('/deep/er/large', 1, new Date(1_234_567_890_123));
  await volume.fs.link('/deep/er/large', '/hard');
  await volume.fs.symlink('deep/er', '/soft');
  await withFile(volume.fs, '/sparse', 'w+', async (file) => {
    // Over the end of a chunk, with holes before and behind.
    await file.write(body.subarray(0, megabyte), 0, megabyte, 64 * megabyte - 1000);
    await file.truncate(80 * megabyte);
    const middle = Buffer.alloc(3000);
    assert.is((await file.read(middle, 0, 3000, 64 * megabyte - 2000)).bytesRead, 3000);
    assert.ok(middle.equals(Buffer.concat([Buffer.alloc(1000), body.subarray(0, 2000)])));
  });
  const version = await volume.commit({ message: 'without a mount' });
  await volume.fs.writeFile('/later', 'unpublished');
  await volume.abandon();

  const again = Volume.fromJSON(volume.toJSON()) as RWVolume;
  const path = await again.mount({ mountPath: work.fresh() });
  assert.ok(fs.readFileSync(join(path, 'hard')).equals(body));
  const large = fs.statSync(join(path, 'deep/er/large'));
  assert.equal([large.mode & 0o7777, large.nlink, large.mtimeMs], [0o600, 2, 1_234_567_890_123]);
  assert.is(fs.statSync(join(path, 'soft')).mode & 0o7777, 0o750);
  assert.is(fs.readlinkSync(join(path, 'soft')), 'deep/er');
  const sparse = Buffer.alloc(80 * megabyte);
  body.copy(sparse, 64 * megabyte - 1000, 0, megabyte);
  assert.ok(fs.readFileSync(join(path, 'sparse')).equals(sparse));
  assert.is(fs.readFileSync(join(path, 'later'), 'utf8'), 'unpublished');
  makeTree(join(path, 'tree'), 20);
  const names = [...walk(join(path, 'tree'))].map(bytesOf);
  const shapes = names.map((name) => shapeOf(fs.lstatSync(Buffer.concat([Buffer.from(join(path, 'tree/')), name]))));
  const last = await again.finalize();

  await last.open();
  assert.is((await last.fs.stat('/sparse')).size, sparse.length);
  await withFile(last.fs, '/sparse', 'r', async (file) => {
    const part = Buffer.alloc(3 * megabyte);
    assert.is((await file.read(part, 0, part.length, 63 * megabyte)).bytesRead, part.length);
    assert.ok(part.equals(sparse.subarray(63 * megabyte, 66 * megabyte)));
  });
  const found = await last.fs.readdir('/tree', { recursive: true, encoding: 'latin1' });
  assert.equal(found.toSorted(), names.map((name) => name.toString('latin1')).toSorted());
  for (const [i, name] of names.entries()) {
    const stat = await last.fs.lstat(Buffer.concat([Buffer.from('/tree/'), name]));
    assert.equal(shapeOf(stat), shapes[i], name.toString('latin1'));
  }
  await last.unmount();

  await version.open();
  await rejects(() => version.fork('../x'), 'invalid', /name/);
  assert.equal((await version.fs.readdir('/')).sort(), ['deep', 'hard', 'soft', 'sparse']);
  await version.unmount();
});

open('a version and a read-only volume can be read, and nothing else', async () => {
  const volume = work.volume('read');
  await volume.open();
  await volume.fs.writeFile('/f', randomBytes(3 * megabyte));
  const first = await volume.finalize();
  const readOnly = Volume.fromJSON(volume.toJSON()) as RWVolume;
  await readOnly.open({ readOnly: true });
  await first.open();
  for (const one of [readOnly, first]) {
    assert.is((await one.fs.readFile('/f')).length, 3 * megabyte);
    const changes = [
      one.fs.writeFile('/f', 'x'), one.fs.writeFile('/new', 'x'), one.fs.mkdir('/d'), one.fs.unlink('/f'), one.fs.rm('/f'),
      one.fs.rename('/f', '/g'), one.fs.chmod('/f', 0o600), one.fs.truncate('/f'), one.fs.symlink('x', '/l'),
      one.fs.link('/f', '/l'), one.fs.utimes('/f', 1, 1), one.fs.open('/f', 'r+'), one.fs.open('/f', 'a'),
    ]; // prettier-ignore
    for (const [i, change] of (await Promise.allSettled(changes)).entries()) {
      assert.is(change.status, 'rejected', `change ${i}`);
      assert.is((change as PromiseRejectedResult).reason.code, 'EROFS', `change ${i}`);
    }
  }
  await rejects(() => readOnly.commit(), 'state', /read-only/);
  await readOnly.abandon();
  await first.unmount();
});

open('commit, fork and finalize work alike, and a handle that is open is not mounted', async () => {
  const volume = work.volume('alike');
  await volume.open();
  assert.is(volume.mountPath, null);
  assert.is((await volume.status()).transport, 'none');
  await rejects(() => volume.mount({ mountPath: work.fresh() }), 'busy', /already open/);
  await volume.fs.writeFile('/f', 'one');
  const first = await volume.commit();
  await volume.fs.writeFile('/f', 'two');
  const fork = await volume.fork('branch');
  await volume.fs.writeFile('/f', 'three');
  const second = await volume.finalize();
  await rejects(() => volume.fs.readFile('/f'), 'state', /not mounted|no longer/);
  for (const [handle, text] of [
    [first, 'one'],
    [second, 'three'],
    [fork, 'two'],
  ] as const) {
    const path = await handle.mount({ mountPath: work.fresh() });
    assert.ok(isMounted(path));
    assert.is(fs.readFileSync(join(path, 'f'), 'utf8'), text);
    assert.is(await handle.fs.readFile('/f', 'utf8'), text, 'by node:fs below the mount');
    if ('unmount' in handle) await handle.unmount();
    else await handle.abandon({ delete: true });
  }
});

open.run();
