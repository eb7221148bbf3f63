import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openStore } from '../../dist/cloud/open-store.js';
import { ensureFamily } from '../../dist/version/family.js';
import { head, listVersions, readVersion } from '../../dist/version/history.js';
import { parseLocator } from '../../dist/version/locator.js';
import { publishVersion } from '../../dist/version/publish.js';
import { claimSession, closeSession, listSessions } from '../../dist/version/session.js';
import { failure, record, text } from './helpers.ts';

/** The version room on a store of files, in a folder whose name needs percent-encoding. */
const onDisk = suite<{ folder: string; bucket: string }>('version on disk');
const FAMILY = 'data-abcd';

onDisk.before.each((context) => {
  context.folder = join(mkdtempSync(join(tmpdir(), 'forkfs-versions-')), 'my büc%ket (1)');
  mkdirSync(context.folder);
  context.bucket = pathToFileURL(context.folder).href;
});

onDisk.after.each(({ folder }) => rmSync(join(folder, '..'), { recursive: true }));

onDisk('is found again by its locator alone', async ({ folder, bucket }) => {
  const store = await openStore(bucket);
  const published = record(store, { message: 'first' });
  await publishVersion(store, FAMILY, published);
  const address = parseLocator(published.locator);
  const found = await readVersion(await openStore(address.bucket), address.family, address.volume, address.seq);
  assert.equal(found, published);
  assert.is(found.locator, pathToFileURL(join(folder, FAMILY, 'versions/data/1/volume.json')).href);
});

onDisk('has one winner when many publish at once', async ({ bucket }) => {
  const writers = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
  const results = await Promise.all(
    writers.map(async (writer) => {
      const store = await openStore(bucket);
      return failure(publishVersion(store, FAMILY, record(store, { writer })));
    }),
  );
  const kinds = results.map(({ kind }) => kind);
  assert.is(kinds.filter((kind) => kind === 'none').length, 1);
  assert.is(kinds.filter((kind) => kind === 'conflict').length, writers.length - 1);
  const store = await openStore(bucket);
  assert.is((await readVersion(store, FAMILY, 'data', 1)).writer, writers[kinds.indexOf('none')]);
  assert.equal(await listVersions(store, FAMILY, 'data'), [1]);
});

onDisk('gives each of many sessions ids of its own', async ({ bucket }) => {
  const store = await openStore(bucket);
  let draw = 0;
  const random = { below: () => Math.floor(draw++ / 3), id: () => `${draw}` };
  const info = { volume: 'data', parentSeq: 0 };
  const claims = await Promise.all(Array.from({ length: 20 }, () => claimSession(store, FAMILY, info, { random })));
  assert.is(new Set(claims.map(({ session }) => session)).size, 20);
  for (const claim of claims) await closeSession(store, FAMILY, claim);
  const sessions = await listSessions(store, FAMILY);
  assert.is(sessions.length, 20);
  assert.ok(sessions.every(({ state }) => state === 'closed'));
});

onDisk('makes a family in a bucket that is not there yet', async ({ folder }) => {
  const store = await openStore(pathToFileURL(join(folder, 'not/yet')).href);
  assert.is(await head(store, FAMILY, 'data'), 0);
  await ensureFamily(store, FAMILY, { mode: 'empty', volume: 'data' });
  assert.is(readFileSync(join(folder, 'not/yet', FAMILY, 'juicefs_uuid'), 'latin1').length, 36);
  assert.equal(readdirSync(join(folder, 'not/yet', FAMILY)), ['juicefs_uuid']);
  assert.is(text(await store.get(`${FAMILY}/juicefs_uuid`)).length, 36);
});

onDisk.run();
