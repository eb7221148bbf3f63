import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { StoreError } from '../../dist/base/errors.js';
import { MemoryStore } from '../../dist/cloud/memory.js';
import { head, readVersion } from '../../dist/version/history.js';
import { publishVersion, wasPublished } from '../../dist/version/publish.js';
import type { NewVersion } from '../../dist/version/record.js';
import { FaultyStore, failure, fast, record, type Fault } from './helpers.ts';

const publish = suite('publish');
const FAMILY = 'data-abcd';

function put(store: FaultyStore, of: Partial<NewVersion> = {}): Promise<void> {
  return publishVersion(store, FAMILY, record(store, of), fast);
}

/** These faults for the puts, in order; afterwards all goes well. */
function faults(store: FaultyStore, script: (Fault | undefined)[]): void {
  store.fault = (method) => (method === 'put' ? script.shift() : undefined);
}

publish('makes versions 1, 2, 3', async () => {
  const store = new FaultyStore(new MemoryStore());
  const first = record(store);
  await publishVersion(store, FAMILY, first, fast);
  await put(store, { seq: 2, parent: first, writer: 'w2' });
  await put(store, { seq: 3, parent: record(store, { seq: 2 }), writer: 'w3' });
  assert.is(await head(store, FAMILY, 'data'), 3);
  assert.equal(await readVersion(store, FAMILY, 'data', 1), first);
});

publish('does not leave a gap', async () => {
  const store = new FaultyStore(new MemoryStore());
  const first = record(store);
  for (const wrong of [
    { seq: 3, parent: first },
    { seq: 2 },
    { seq: 2, parent: record(store, { volume: 'other' }) },
    { seq: 2, parent: record(store, { family: 'another' }) },
  ]) {
    assert.match((await failure(put(store, wrong))).message, 'without a gap');
  }
  assert.is(await head(store, FAMILY, 'data'), 0);
});

publish('lets the first of two writers win, and tells the other who did', async () => {
  const store = new FaultyStore(new MemoryStore());
  await put(store, { writer: 'a', producedBy: 'run 41', host: 'node-7' });
  const { kind, message } = await failure(put(store, { writer: 'b' }));
  assert.is(kind, 'conflict');
  assert.match(message, 'run 41');
  assert.match(message, 'node-7');
  assert.match(message, 'fork');
  assert.is((await readVersion(store, FAMILY, 'data', 1)).writer, 'a', 'and nothing was overwritten');
});

publish('is the same when done twice by one writer', async () => {
  const store = new FaultyStore(new MemoryStore());
  await put(store);
  await put(store);
  assert.is(await head(store, FAMILY, 'data'), 1);
});

publish('knows its own record when the answer was lost', async () => {
  const store = new FaultyStore(new MemoryStore());
  faults(store, ['unanswered']);
  await put(store);
  assert.is((await readVersion(store, FAMILY, 'data', 1)).writer, 'w1');
});

publish('repeats a request that was lost', async () => {
  const store = new FaultyStore(new MemoryStore());
  faults(store, ['lost', 'lost', 'unanswered']);
  await put(store);
  assert.is((await readVersion(store, FAMILY, 'data', 1)).writer, 'w1');
});

publish('finds out that another was first while its own requests were lost', async () => {
  const store = new FaultyStore(new MemoryStore());
  const rival = record(store, { writer: 'rival' });
  let puts = 0;
  store.fault = (method) => (method === 'put' && ++puts === 1 ? 'lost' : undefined);
  store.beforePut = async () => {
    if (puts !== 1) return;
    puts++;
    await publishVersion(store, FAMILY, rival, fast);
  };
  assert.is((await failure(put(store))).kind, 'conflict');
  assert.is((await readVersion(store, FAMILY, 'data', 1)).writer, 'rival');
});

publish('says that it does not know when the store stays silent', async () => {
  const store = new FaultyStore(new MemoryStore());
  store.fault = (method) => (method === 'put' ? 'unanswered' : undefined);
  const { kind, message } = await failure(put(store));
  assert.is(kind, 'unavailable');
  assert.match(message, 'not known');
  assert.ok(await wasPublished(store, FAMILY, { volume: 'data', version: 1, writer: 'w1' }, fast));
  assert.not.ok(await wasPublished(store, FAMILY, { volume: 'data', version: 1, writer: 'w2' }, fast));
  assert.not.ok(await wasPublished(store, FAMILY, { volume: 'data', version: 2, writer: 'w1' }, fast));
});

publish('takes a refused precondition for a lost race', async () => {
  const store = new FaultyStore(new MemoryStore());
  await put(store, { writer: 'a' });
  store.beforePut = () => Promise.reject(new StoreError('precondition', '412'));
  assert.is((await failure(put(store, { writer: 'b' }))).kind, 'conflict');
});

publish('hands on a refusal of the store', async () => {
  const store = new FaultyStore(new MemoryStore());
  store.beforePut = () => Promise.reject(new StoreError('denied', 'no right to write'));
  assert.is((await failure(put(store))).kind, 'denied');
});

publish.run();
