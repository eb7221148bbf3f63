import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { RECORD_BYTES_MAX } from '../../dist/base/limits.js';
import { MemoryStore } from '../../dist/cloud/memory.js';
import { head, listVersions, listVolumes, readVersion } from '../../dist/version/history.js';
import { versionKey } from '../../dist/version/locator.js';
import { recordToJson } from '../../dist/version/record.js';
import { FaultyStore, failure, fast, record } from './helpers.ts';

const history = suite('history');
const FAMILY = 'data-abcd';
const ANYTHING = Buffer.from('{}');

history('of nothing is empty', async () => {
  const store = new MemoryStore();
  assert.is(await head(store, FAMILY, 'data'), 0);
  assert.equal(await listVersions(store, FAMILY, 'data'), []);
  assert.equal(await listVolumes(store, FAMILY), []);
});

history('is in the order of its numbers, not of its keys', async () => {
  const store = new MemoryStore();
  for (const seq of [1, 2, 9, 10, 11, 100, 1_000_000]) await store.put(versionKey(FAMILY, 'data', seq), ANYTHING);
  assert.equal(await listVersions(store, FAMILY, 'data'), [1, 2, 9, 10, 11, 100, 1_000_000]);
  assert.is(await head(store, FAMILY, 'data'), 1_000_000);
});

history('is of one volume, and of its records only', async () => {
  const store = new MemoryStore();
  for (const key of [
    'versions/data/1/volume.json',
    'versions/data/2/note.txt',
    'versions/data/03/volume.json',
    'versions/data/x/volume.json',
    'versions/data/4/volume.json.tmp',
    'versions/data2/5/volume.json',
    'versions/data/6/sub/volume.json',
  ]) {
    await store.put(`${FAMILY}/${key}`, ANYTHING);
  }
  assert.equal(await listVersions(store, FAMILY, 'data'), [1]);
  assert.equal(await listVolumes(store, FAMILY), ['data', 'data2']);
});

history('is listed again when the store did not answer', async () => {
  const store = new FaultyStore(new MemoryStore());
  await store.put(versionKey(FAMILY, 'data', 1), ANYTHING);
  let lists = 0;
  store.fault = (method) => (method === 'list' && ++lists < 3 ? 'lost' : undefined);
  assert.is(await head(store, FAMILY, 'data', fast), 1);
  store.fault = () => 'lost';
  assert.is((await failure(head(store, FAMILY, 'data', fast))).kind, 'unavailable', 'and never taken for empty');
});

history('says where there is no version', async () => {
  const store = new MemoryStore();
  const { kind, message } = await failure(readVersion(store, FAMILY, 'data', 3));
  assert.is(kind, 'not-found');
  assert.match(message, `${store.url}/${FAMILY}/versions/data/3/volume.json`);
});

history('refuses the record of another version', async () => {
  const store = new MemoryStore();
  const misplaced = recordToJson(record(store, { seq: 1 }));
  await store.put(versionKey(FAMILY, 'data', 2), Buffer.from(misplaced));
  assert.is((await failure(readVersion(store, FAMILY, 'data', 2))).kind, 'corrupt');
});

history('refuses a record that is too large, or none', async () => {
  const store = new MemoryStore();
  await store.put(versionKey(FAMILY, 'data', 1), new Uint8Array(RECORD_BYTES_MAX + 10).fill(0x20));
  assert.is((await failure(readVersion(store, FAMILY, 'data', 1))).kind, 'corrupt');
  await store.put(versionKey(FAMILY, 'data', 2), Buffer.from('{"kind": "flyte.vol'));
  assert.is((await failure(readVersion(store, FAMILY, 'data', 2))).kind, 'corrupt');
  await store.put(versionKey(FAMILY, 'data', 3), Buffer.from('{"kind": "other"}'));
  assert.is((await failure(readVersion(store, FAMILY, 'data', 3))).kind, 'invalid');
});

history('finds a version in a bucket that was moved', async () => {
  const store = new MemoryStore();
  const before = { ...record(store), bucket: 's3://old', storage: 's3' as const };
  before.locator = `s3://old/${FAMILY}/versions/data/1/volume.json`;
  await store.put(versionKey(FAMILY, 'data', 1), Buffer.from(recordToJson(before)));
  const found = await readVersion(store, FAMILY, 'data', 1);
  assert.is(found.bucket, store.url);
  assert.is(found.storage, 'file');
  assert.is(found.locator, `${store.url}/${FAMILY}/versions/data/1/volume.json`);
});

history.run();
