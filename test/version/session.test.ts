import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SESSION_ID_COUNT, SESSION_RANGE_COUNT } from '../../dist/base/limits.js';
import { MemoryStore } from '../../dist/cloud/memory.js';
import { claimSession, closeSession, listSessions, reserveIds } from '../../dist/version/session.js';
import { FaultyStore, failure, fast, scripted, text } from './helpers.ts';

const sessions = suite('session');
const FAMILY = 'data-abcd';
const INFO = { volume: 'data', parentSeq: 3, holder: { host: 'here', pid: 42 } };
const clock = { nowMs: () => Date.UTC(2026, 1, 3), monotonicMs: () => 0 };

sessions('gets a range of ids, and a record that says who has it', async () => {
  const store = new MemoryStore();
  const claimed = await claimSession(store, FAMILY, INFO, { random: scripted([4]), clock });
  assert.equal(claimed, { session: 5, firstId: 5 * 2 ** 26, endId: 6 * 2 ** 26 });
  const stored = text(await store.get(`${FAMILY}/sessions/5.json`));
  const { writer, ...body } = JSON.parse(stored) as Record<string, unknown>;
  assert.is(String(writer).length, 26);
  assert.equal(body, {
    kind: 'forkfs.session/v1',
    format: 1,
    session: 5,
    first_id: 5 * 2 ** 26,
    end_id: 6 * 2 ** 26,
    family: FAMILY,
    volume: 'data',
    parent_version: 3,
    holder: { host: 'here', pid: 42 },
    state: 'open',
    created_at: '2026-02-03T00:00:00.000Z',
  });
});

sessions('never has the range of the root, and ends below 2^53', async () => {
  const store = new MemoryStore();
  const lowest = await claimSession(store, FAMILY, INFO, { random: scripted([0]) });
  assert.is(lowest.firstId, SESSION_ID_COUNT);
  const highest = await claimSession(store, FAMILY, INFO, { random: scripted([SESSION_RANGE_COUNT - 2]) });
  assert.is(highest.endId, 2 ** 53);
});

sessions('takes another range when one is taken', async () => {
  const store = new MemoryStore();
  await claimSession(store, FAMILY, INFO, { random: scripted([8]) });
  const second = await claimSession(store, FAMILY, INFO, { random: scripted([8, 8, 10]) });
  assert.is(second.session, 11);
  const other = await claimSession(store, 'other', INFO, { random: scripted([8]) });
  assert.is(other.session, 9, 'families do not share ids');
});

sessions('of many writers at once never overlap', async () => {
  const store = new MemoryStore();
  // Half of the draws collide on purpose.
  let draw = 0;
  const random = { below: () => Math.floor(draw++ / 2), id: () => `${draw}` };
  const claims = await Promise.all(Array.from({ length: 50 }, () => claimSession(store, FAMILY, INFO, { random })));
  assert.is(new Set(claims.map((claim) => claim.firstId)).size, 50);
});

sessions('keeps a range whose answer was lost', async () => {
  const store = new FaultyStore(new MemoryStore());
  let puts = 0;
  store.fault = (method) => (method === 'put' && ++puts === 1 ? 'unanswered' : undefined);
  const claimed = await claimSession(store, FAMILY, INFO, { random: scripted([2, 3]), ...fast });
  assert.is(claimed.session, 3);
});

sessions('gives up when nothing is free or nobody answers', async () => {
  const store = new FaultyStore(new MemoryStore());
  await claimSession(store, FAMILY, INFO, { random: scripted([1]) });
  const same = { below: () => 1, id: () => 'other' };
  assert.is((await failure(claimSession(store, FAMILY, INFO, { random: same }))).kind, 'io');
  store.fault = () => 'lost';
  assert.is((await failure(claimSession(store, FAMILY, INFO, fast))).kind, 'unavailable');
});

sessions('is closed by an object of its own', async () => {
  const store = new MemoryStore();
  const one = await claimSession(store, FAMILY, INFO, { random: scripted([1]), clock });
  await claimSession(store, FAMILY, { volume: 'fork', parentSeq: 0 }, { random: scripted([9]) });
  const before = text(await store.get(`${FAMILY}/sessions/2.json`));
  await closeSession(store, FAMILY, one, { clock });
  await closeSession(store, FAMILY, one);
  assert.is(text(await store.get(`${FAMILY}/sessions/2.json`)), before, 'the record is as it was');
  const [first, second] = await listSessions(store, FAMILY);
  assert.equal(first, { ...one, ...INFO, state: 'closed', createdMs: clock.nowMs() });
  assert.is(second?.state, 'open');
  assert.is(second?.holder.pid, process.pid);
});

sessions('stay out of the ids of an adopted volume', async () => {
  const store = new MemoryStore();
  await reserveIds(store, FAMILY, { ...INFO, endId: SESSION_ID_COUNT });
  assert.equal(await listSessions(store, FAMILY), [], 'range 0 is never given anyway');
  await reserveIds(store, FAMILY, { ...INFO, endId: 3 * SESSION_ID_COUNT + 1 });
  const claimed = await claimSession(store, FAMILY, INFO, { random: scripted([0, 1, 2, 3]) });
  assert.is(claimed.firstId, 4 * SESSION_ID_COUNT);
  const taken = await failure(reserveIds(store, FAMILY, { ...INFO, endId: 5 * SESSION_ID_COUNT }));
  assert.is(taken.kind, 'exists');
});

sessions.run();
