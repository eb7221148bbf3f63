import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MemoryStore } from '../../dist/cloud/memory.js';
import { getIndex, putIndex } from '../../dist/version/index-object.js';
import type { VersionRecord } from '../../dist/version/record.js';
import { FaultyStore, failure, fast, record } from './helpers.ts';

interface Context {
  directory: string;
  store: FaultyStore;
}

const indexes = suite<Context>('index object');
const PART_BYTES = 8 * 1024 * 1024;

indexes.before.each((context) => {
  context.directory = mkdtempSync(join(tmpdir(), 'forkfs-index-'));
  context.store = new FaultyStore(new MemoryStore());
});

indexes.after.each(({ directory }) => rmSync(directory, { recursive: true }));

const sha256 = (body: Uint8Array): string => createHash('sha256').update(body).digest('hex');

/** Stores an image of this many bytes; answers it with the record that names it. */
async function stored({ directory, store }: Context, bytes: number): Promise<{ body: Buffer; of: VersionRecord }> {
  const body = Buffer.alloc(bytes, 'some index ');
  const path = join(directory, 'built.db');
  writeFileSync(path, body);
  const image = { family: 'data-abcd', volume: 'data', seq: 1, token: 'tok', path, sha256: sha256(body), bytes };
  const { key } = await putIndex(store, image, fast);
  rmSync(path);
  return { body, of: record(store, { index: { key, sha256: image.sha256, bytes } }) };
}

indexes('goes to the store and comes back', async (context) => {
  for (const bytes of [1, 4096, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 2 * PART_BYTES + 5]) {
    context.store = new FaultyStore(new MemoryStore());
    const { body, of } = await stored(context, bytes);
    assert.is(of.indexKey, 'index/data-1-tok.db');
    const path = join(context.directory, 'deep/er', `${bytes}.db`);
    await getIndex(context.store, of, path, fast);
    assert.ok(readFileSync(path).equals(body), `${bytes} bytes`);
    assert.is(statSync(path).mode & 0o777, 0o600);
  }
});

indexes('is not fetched again when it is here', async (context) => {
  const { of } = await stored(context, 5000);
  const path = join(context.directory, 'index.db');
  await getIndex(context.store, of, path, fast);
  const { get } = context.store.counts;
  await getIndex(context.store, of, path, fast);
  assert.is(context.store.counts.get, get);
});

indexes('replaces a file that is damaged', async (context) => {
  const { body, of } = await stored(context, 5000);
  const path = join(context.directory, 'index.db');
  for (const damaged of [Buffer.alloc(5000), Buffer.alloc(10), Buffer.concat([body, body])]) {
    writeFileSync(path, damaged);
    await getIndex(context.store, of, path, fast);
    assert.ok(readFileSync(path).equals(body));
  }
});

indexes('that is not what the record names is refused, and leaves nothing here', async (context) => {
  const { body, of } = await stored(context, 5000);
  const key = `data-abcd/${of.indexKey}`;
  const flipped = Buffer.from(body);
  flipped.writeUInt8(flipped.readUInt8(4321) ^ 1, 4321);
  const path = join(context.directory, 'index.db');
  for (const other of [flipped, body.subarray(0, 4999), Buffer.concat([body, Buffer.from('x')]), Buffer.alloc(0)]) {
    await context.store.put(key, other);
    const { kind, message } = await failure(getIndex(context.store, of, path, fast));
    assert.is(kind, 'corrupt');
    assert.match(message, of.locator);
    assert.equal(readdirSync(context.directory), []);
  }
});

indexes('that is missing is not found', async (context) => {
  const { of } = await stored(context, 100);
  await context.store.delete(`data-abcd/${of.indexKey}`);
  const { kind, message } = await failure(getIndex(context.store, of, join(context.directory, 'x.db'), fast));
  assert.is(kind, 'not-found');
  assert.match(message, of.indexKey);
});

indexes('survives requests without an answer', async (context) => {
  const lost = new Set(['put', 'get']);
  context.store.fault = (method) => (lost.delete(method) ? 'unanswered' : undefined);
  const { body, of } = await stored(context, 3000);
  const path = join(context.directory, 'index.db');
  await getIndex(context.store, of, path, fast);
  assert.ok(readFileSync(path).equals(body));
  context.store.fault = () => 'lost';
  rmSync(path);
  assert.is((await failure(getIndex(context.store, of, path, fast))).kind, 'unavailable');
  assert.equal(readdirSync(context.directory), []);
});

indexes('is not stored when the file is not what was built', async ({ directory, store }) => {
  const path = join(directory, 'built.db');
  writeFileSync(path, 'something else');
  const image = { family: 'f', volume: 'v', seq: 1, token: 't', path, sha256: sha256(Buffer.from('x')), bytes: 14 };
  assert.is((await failure(putIndex(store, image, fast))).kind, 'corrupt');
  assert.is(store.counts.put, 0);
});

indexes('too large to be opened is refused before anything is fetched', async ({ directory, store }) => {
  const of = record(store, { index: { key: 'index/x.db', sha256: 'ab'.repeat(32), bytes: 2 ** 40 } });
  assert.is((await failure(getIndex(store, of, join(directory, 'x.db'), fast))).kind, 'unsupported');
  assert.is(store.counts.get, 0);
});

indexes.run();
