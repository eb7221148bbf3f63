import { mkdtempSync, rmSync } from 'node:fs';
import promises, { type FileHandle } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FileStore } from '../../dist/cloud/file.js';
import { bytes } from './object-store-suite.ts';

interface Context {
  folder: string;
  /** What was asked of the disk, with paths below the folder; temporary names are `TMP`. */
  events: string[];
  restore: () => void;
}

const durability = suite<Context>('durability of the file store');

durability.before.each((context) => {
  const folder = mkdtempSync(join(tmpdir(), 'forkfs-durable-'));
  const events: string[] = [];
  const name = (path: unknown): string =>
    relative(dirname(folder), String(path))
      .replace(/^[^/]*/, '')
      .replace(/\.forkfs-.*\.tmp/, 'TMP');
  const original = { ...promises };
  promises.mkdir = (async (path: string, options: object) => {
    const made = await original.mkdir(path, options);
    events.push(`mkdir ${name(path)}`);
    return made;
  }) as typeof promises.mkdir;
  promises.link = async (from, to) => {
    await original.link(from, to);
    events.push(`link ${name(to)}`);
  };
  promises.rename = async (from, to) => {
    await original.rename(from, to);
    events.push(`rename ${name(to)}`);
  };
  promises.open = async (path, ...rest) => {
    const handle: FileHandle = await original.open(path, ...rest);
    const sync = handle.sync.bind(handle);
    const write = handle.write.bind(handle);
    handle.sync = async () => {
      events.push(`begin ${name(path)}`);
      await sync();
      events.push(`sync ${name(path)}`);
    };
    handle.write = (async (...args: Parameters<typeof write>) => {
      events.push(`write ${name(path)}`);
      return write(...args);
    }) as typeof handle.write;
    return handle;
  };
  syncBuiltinESMExports();
  const restore = (): void => {
    Object.assign(promises, original);
    syncBuiltinESMExports();
  };
  Object.assign(context, { folder, events, restore });
});

durability.after.each(({ folder, restore }) => {
  restore();
  rmSync(folder, { recursive: true, force: true });
});

durability('bytes are on the disk before the name, and the name before the answer', async ({ folder, events }) => {
  const store = new FileStore(folder);
  for (const ifAbsent of [true, false]) {
    await store.put('a/1', bytes('x'), { ifAbsent });
    const puts = events.splice(0).filter((event) => !event.startsWith('begin'));
    assert.equal(puts.slice(-4), ['write /a/TMP', 'sync /a/TMP', `${ifAbsent ? 'link' : 'rename'} /a/1`, 'sync /a']);
  }
});

durability('an object that is there is made durable before it is said to be', async ({ folder, events }) => {
  await new FileStore(folder).put('a/1', bytes('x'));
  events.length = 0;
  assert.is(await new FileStore(folder).put('a/1', bytes('x'), { ifAbsent: true }), 'exists');
  assert.ok(events.includes('sync /a'), events.join(', '));
});

durability('each new folder is on the disk before anything is in it', async ({ folder, events }) => {
  await new FileStore(join(folder, 'made/on/demand')).put('a/b/1', bytes('x'));
  assert.ok(events.indexOf('sync ') >= 0, 'the folder that the bucket’s first one is in');
  const made = ['/made', '/made/on', '/made/on/demand', '/made/on/demand/a', '/made/on/demand/a/b'];
  for (const path of made) assert.ok(events.includes(`sync ${dirname(path).replace(/^\/$/, '')}`), path);
  for (const path of made.slice(-2)) {
    const at = events.indexOf(`mkdir ${path}`);
    assert.ok(at >= 0, path);
    const synced = events.indexOf(`sync ${dirname(path)}`, at);
    assert.ok(
      synced > at &&
        synced < events.findIndex((event) => event.startsWith(`mkdir ${path}/`) || event.startsWith('write')),
      path,
    );
  }
  // A second store cannot know that the first one has synced them.
  events.length = 0;
  await new FileStore(join(folder, 'made/on/demand')).put('a/b/2', bytes('x'));
  assert.ok(events.includes('sync /made/on/demand/a'));
});

durability('many puts at one time share the syncs of their folder', async ({ folder, events }) => {
  const store = new FileStore(folder);
  await store.put('a/0', bytes('x'));
  events.length = 0;
  await Promise.all(
    Array.from({ length: 40 }, async (_, i) => {
      await store.put(`a/${i + 1}`, bytes('x'), { ifAbsent: true });
      events.push(`done ${i + 1}`);
    }),
  );
  for (let i = 1; i <= 40; i++) {
    const begun = events.indexOf('begin /a', events.indexOf(`link /a/${i}`));
    const ended = events.indexOf('sync /a', begun);
    assert.ok(begun >= 0 && ended > begun && ended < events.indexOf(`done ${i}`), `put ${i}: ${events.join(', ')}`);
  }
  const syncs = events.filter((event) => event === 'sync /a').length;
  assert.ok(syncs < 40, `${syncs} syncs`);
});

durability.run();
