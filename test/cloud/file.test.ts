import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { StoreError, toVolumeError } from '../../dist/base/errors.js';
import { FileStore } from '../../dist/cloud/file.js';
import { openStore } from '../../dist/cloud/open-store.js';
import { all, bytes, kindOf, objectStoreSuite, text } from './object-store-suite.ts';

function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), 'forkfs-file-store-'));
}

const remove = (folder: string): void => rmSync(folder, { recursive: true, force: true });

objectStoreSuite('file', async () => {
  const folder = temporaryFolder();
  const store = new FileStore(join(folder, 'made/on demand'));
  return {
    store,
    async close() {
      const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
      remove(folder);
      assert.equal(
        names.filter((name) => name.includes('.tmp')),
        [],
        'no temporary file is left',
      );
    },
  };
}).run();

interface Context {
  folder: string;
}

const files = suite<Context>('file store');
files.before.each((context) => {
  context.folder = temporaryFolder();
});
files.after.each(({ folder }) => remove(folder));

files('keeps an object as the file of its key', async ({ folder }) => {
  const store = new FileStore(folder);
  await store.put('family/chunks/0/1/1_0_3', bytes('abc'));
  assert.is(store.localPath('family/chunks/0/1/1_0_3'), join(folder, 'family/chunks/0/1/1_0_3'));
  assert.equal(readdirSync(join(folder, 'family/chunks/0/1')), ['1_0_3']);
  await store.delete('family/chunks/0/1/1_0_3');
  assert.ok(existsSync(join(folder, 'family/chunks/0/1')), 'folders stay');
});

files('touches nothing before the first put', async ({ folder }) => {
  const store = await openStore(`file://${folder}/not/there`);
  assert.equal(await all(store.list('')), []);
  assert.is(await store.head('x'), undefined);
  assert.is(await kindOf(store.get('x')), 'not-found');
  assert.not(existsSync(join(folder, 'not')));
});

files('makes folders again that somebody removed', async ({ folder }) => {
  const store = new FileStore(join(folder, 'b'));
  await store.put('x/y/1', bytes('1'));
  remove(join(folder, 'b'));
  assert.is(await store.put('x/y/2', bytes('2'), { ifAbsent: true }), 'created');
  assert.is(text(await store.get('x/y/2')), '2');
});

files('neither lists nor gives out leftovers of a crash, nor what is no object', async ({ folder }) => {
  const store = new FileStore(folder);
  await store.put('a/1', bytes('1'));
  writeFileSync(join(folder, 'a/.forkfs-abcdefghijklmnop.tmp'), 'half');
  writeFileSync(Buffer.concat([Buffer.from(join(folder, 'a/bad-')), Buffer.from([0xff])]), 'not UTF-8');
  mkdirSync(join(folder, 'a/empty'));
  symlinkSync('nowhere', join(folder, 'a/dangling'));
  assert.equal(await all(store.list('')), [{ key: 'a/1', sizeBytes: 1 }]);
  assert.is(await kindOf(store.get('a/.forkfs-abcdefghijklmnop.tmp')), 'denied');
});

files('refuses a bucket that is a file, naming it', async ({ folder }) => {
  const path = join(folder, 'plain file');
  writeFileSync(path, 'x');
  for (const bucket of [path, join(path, 'below')]) {
    const error = await openStore(`file://${bucket.replaceAll(' ', '%20')}`).catch((error: unknown) => error);
    assert.ok(error instanceof StoreError && error.kind === 'denied');
    assert.ok(error.message.includes(path), error.message);
    assert.is(toVolumeError(error).kind, 'denied');
  }
});

files('says denied for a folder where an object should be', async ({ folder }) => {
  const store = new FileStore(folder);
  await store.put('a/b', bytes('x'));
  assert.is(await kindOf(store.put('a', bytes('x'))), 'denied');
  assert.is(await kindOf(store.put('a', bytes('x'), { ifAbsent: true })), 'denied');
  assert.is(await kindOf(store.put('a/b/c', bytes('x'))), 'denied');
  assert.equal(readdirSync(folder), ['a']);
});

files('says denied where it may not write, with the path', async ({ folder }) => {
  const asUser = process.getuid?.() === 0;
  const bucket = join(folder, 'readonly');
  mkdirSync(bucket);
  chmodSync(bucket, 0o555);
  chmodSync(folder, 0o755);
  // For root nothing is forbidden, so another user tries.
  const code = `
    const { FileStore } = await import(${JSON.stringify(import.meta.resolve('../../dist/cloud/file.js'))});
    ${asUser ? 'process.setgid(65534); process.setuid(65534);' : ''}
    const error = await new FileStore(${JSON.stringify(bucket)}).put('a/b', Buffer.from('x')).catch((error) => error);
    console.log(JSON.stringify([error.kind, error.message, error.retryable]));`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (data: Buffer) => (output += data.toString()));
  await once(child, 'close');
  const [kind, message, retryable] = JSON.parse(output) as [string, string, boolean];
  assert.is(kind, 'denied');
  assert.ok(message.includes(bucket), message);
  assert.is(retryable, false);
});

files('keeps the code of a full disk, and nothing half done', async ({ folder }) => {
  const { output } = await onSmallDisk(
    folder,
    `
    const store = new FileStore(disk);
    await store.put('fits', Buffer.alloc(1000));
    const error = await store.put('big/one', Buffer.alloc(4 << 20), { ifAbsent: true }).catch((error) => error);
    const keys = [];
    for await (const { key } of store.list('')) keys.push(key);
    const files = readdirSync(disk, { recursive: true }).filter((name) => name.includes('tmp'));
    await store.put('still/fits', Buffer.alloc(1000));
    console.log(JSON.stringify([error.kind, error.cause?.code, error.retryable, keys, files]));`,
  );
  if (output === undefined) return;
  assert.equal(JSON.parse(output), ['unavailable', 'ENOSPC', false, ['fits'], []]);
});

files('lets one process of several win, and survives their being killed', async ({ folder }) => {
  const code = `
    const { FileStore } = await import(${JSON.stringify(import.meta.resolve('../../dist/cloud/file.js'))});
    const store = new FileStore(${JSON.stringify(join(folder, 'b'))});
    for (let i = 0; ; i++) {
      const body = Buffer.alloc(200_000, process.argv[1] + ',');
      if ((await store.put('k/' + i, body, { ifAbsent: true })) === 'created') console.log('created', i);
    }`;
  const outputs: string[] = [];
  const children = ['one', 'two', 'three'].map((name, i) => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', code, name], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    outputs[i] = '';
    child.stdout.on('data', (data: Buffer) => (outputs[i] += data.toString()));
    return child;
  });
  const store = new FileStore(join(folder, 'b'));
  while ((await store.head('k/40')) === undefined) await new Promise((resolve) => setImmediate(resolve));
  const ends = children.map((child) => once(child, 'close'));
  for (const child of children) child.kill('SIGKILL');
  await Promise.all(ends);
  const winners = outputs.flatMap((output) => [...output.matchAll(/created (\d+)\n/g)].map(([, i]) => i!));
  assert.is(new Set(winners).size, winners.length, 'no key was created twice');
  for await (const { key, sizeBytes } of store.list('')) {
    assert.is(sizeBytes, 200_000, key);
    const [name] = text(await store.get(key)).split(',', 1);
    assert.ok(Buffer.alloc(200_000, `${name},`).equals(await store.get(key)), 'whole, and of one writer');
  }
});

/** Runs code with `disk`, a file system of 1 MiB; that takes a mount namespace of one's own. */
async function onSmallDisk(folder: string, code: string): Promise<{ output: string | undefined }> {
  const disk = join(folder, 'disk');
  mkdirSync(disk);
  const program = `
    import { readdirSync } from 'node:fs';
    import { FileStore } from ${JSON.stringify(import.meta.resolve('../../dist/cloud/file.js'))};
    const disk = ${JSON.stringify(disk)};${code}`;
  const script = join(folder, 'program.mjs');
  writeFileSync(script, program);
  const command = `mount -t tmpfs -o size=1m tmpfs "$1" || exit 99; exec "$2" "$3"`;
  const child = spawn('unshare', ['-rm', 'sh', '-c', command, 'sh', disk, process.execPath, script], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let said = '';
  child.stdout.on('data', (data: Buffer) => (output += data.toString()));
  child.stderr.on('data', (data: Buffer) => (said += data.toString()));
  const exitCode = await new Promise<number | null>((resolve) => {
    child.on('error', () => resolve(99));
    child.on('close', resolve);
  });
  if (exitCode === 99 || /unshare/.test(said)) {
    console.log('SKIP file store on a full disk: no mount namespace can be made here');
    return { output: undefined };
  }
  assert.is(exitCode, 0, said);
  return { output };
}

files.run();
