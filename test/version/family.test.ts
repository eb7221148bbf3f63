import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MemoryStore } from '../../dist/cloud/memory.js';
import { ensureFamily } from '../../dist/version/family.js';
import { FaultyStore, failure, fast, text } from './helpers.ts';

const families = suite('family');
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

for (const mode of ['new', 'empty'] as const) {
  families(`${mode}: gets the uuid that JuiceFS expects`, async () => {
    const store = new MemoryStore();
    await ensureFamily(store, 'data', { mode, volume: 'data' });
    assert.match(text(await store.get('data/juicefs_uuid')), UUID);
  });

  families(`${mode}: is no hindrance to the writer who was interrupted`, async () => {
    const store = new MemoryStore();
    await ensureFamily(store, 'data', { mode, volume: 'data', writer: 'me' });
    const uuid = text(await store.get('data/juicefs_uuid'));
    await ensureFamily(store, 'data', { mode, volume: 'data', writer: 'me' });
    assert.is(text(await store.get('data/juicefs_uuid')), uuid);
  });

  families(`${mode}: refuses a prefix that holds something else`, async () => {
    const store = new MemoryStore();
    await store.put('data/holiday.jpg', Buffer.from('x'));
    const { kind, message } = await failure(ensureFamily(store, 'data', { mode, volume: 'data' }));
    assert.is(kind, 'exists');
    assert.match(message, 'data/holiday.jpg');
    assert.is(await store.head('data/juicefs_uuid'), undefined, 'and writes nothing there');
  });

  families(`${mode}: does not mind its neighbours`, async () => {
    const store = new MemoryStore();
    await store.put('data2/juicefs_uuid', Buffer.from('x'));
    await store.put('data', Buffer.from('x'));
    await ensureFamily(store, 'data', { mode, volume: 'data' });
  });

  families(`${mode}: asks again when an answer was lost`, async () => {
    const store = new FaultyStore(new MemoryStore());
    let puts = 0;
    store.fault = (method) => (method === 'put' && ++puts === 1 ? 'unanswered' : undefined);
    await ensureFamily(store, 'data', { mode, volume: 'data', writer: 'me', ...fast });
    assert.match(text(await store.get('data/juicefs_uuid')), UUID);
  });
}

families('empty: is not shared by two writers', async () => {
  const store = new MemoryStore();
  await ensureFamily(store, 'data', { mode: 'empty', volume: 'data', writer: 'a' });
  assert.is(
    (await failure(ensureFamily(store, 'data', { mode: 'empty', volume: 'data', writer: 'b' }))).kind,
    'exists',
  );
});

families('empty: is not begun again when it is in use', async () => {
  const store = new MemoryStore();
  await ensureFamily(store, 'data', { mode: 'empty', volume: 'data' });
  await store.put('data/sessions/7.json', Buffer.from('{}'));
  const { kind, message } = await failure(ensureFamily(store, 'data', { mode: 'empty', volume: 'data' }));
  assert.is(kind, 'exists');
  assert.match(message, 'data/sessions/7.json');
});

families('new: may be mounted from its handle a second time before it has a version', async () => {
  const store = new MemoryStore();
  await ensureFamily(store, 'data-x1', { mode: 'new', volume: 'data', writer: 'a' });
  await store.put('data-x1/sessions/7.json', Buffer.from('{}'));
  await ensureFamily(store, 'data-x1', { mode: 'new', volume: 'data', writer: 'b' });
});

families.run();
