import { suite, type Test } from 'uvu';
import * as assert from 'uvu/assert';
import { StoreError } from '../../dist/base/errors.js';
import type { ObjectEntry, ObjectStore } from '../../dist/cloud/object-store.js';

export interface OpenedStore {
  store: ObjectStore;
  close(): Promise<void>;
}

interface Context extends OpenedStore {
  /** Keys of each test are below a prefix of its own. */
  at: (key: string) => string;
  turn: number;
}

export const bytes = (text: string): Uint8Array => Buffer.from(text, 'utf8');
export const text = (body: Uint8Array): string => Buffer.from(body).toString('utf8');

export async function kindOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    if (error instanceof StoreError) return error.kind;
    throw error;
  }
  return 'none';
}

export async function all<T>(entries: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const entry of entries) found.push(entry);
  return found;
}

/** What every object store must do; call `.run()` on the answer. */
export function objectStoreSuite(name: string, make: () => Promise<OpenedStore>): Test<Context> {
  const stores = suite<Context>(`object store: ${name}`);

  stores.before(async (context) => {
    Object.assign(context, await make(), { turn: 0 });
  });
  stores.before.each((context) => {
    const prefix = `t${++context.turn}`;
    context.at = (key) => `${prefix}/${key}`;
  });
  stores.after((context) => context.close());

  wholeObjects(stores);
  ranges(stores);
  createIfAbsent(stores);
  listing(stores);
  refusals(stores);
  return stores;
}

function wholeObjects(stores: Test<Context>): void {
  stores('gives back what was put, and replaces it', async ({ store, at }) => {
    assert.is(await store.put(at('a/b'), bytes('one')), 'created');
    assert.is(text(await store.get(at('a/b'))), 'one');
    assert.is(await store.put(at('a/b'), bytes('another')), 'created');
    assert.is(text(await store.get(at('a/b'))), 'another');
    assert.equal(await store.head(at('a/b')), { sizeBytes: 7 });
  });

  stores('keeps empty and large objects', async ({ store, at }) => {
    const large = Buffer.alloc(5 * 1024 * 1024 + 13, 'pattern-');
    await store.put(at('empty'), new Uint8Array(), { ifAbsent: true, crc32c: 0 });
    await store.put(at('large'), large);
    assert.is((await store.get(at('empty'))).length, 0);
    assert.ok(large.equals(await store.get(at('large'))));
  });

  stores('takes a view of shared memory, and later changes of it do not matter', async ({ store, at }) => {
    const shared = new Uint8Array(new SharedArrayBuffer(64)).subarray(8, 24);
    shared.fill(7);
    await store.put(at('shared'), shared);
    shared.fill(9);
    assert.equal(
      [...(await store.get(at('shared')))],
      Array.from({ length: 16 }, () => 7),
    );
  });

  stores('gives bytes that the caller may change', async ({ store, at }) => {
    await store.put(at('x'), bytes('abc'));
    (await store.get(at('x'))).fill(0);
    assert.is(text(await store.get(at('x'))), 'abc');
  });

  stores('says not-found for what is absent, and only then', async ({ store, at }) => {
    await store.put(at('folder/x'), bytes('x'));
    for (const key of [at('absent'), at('folder'), at('folder/x/below'), at('no/such/folder')]) {
      assert.is(await kindOf(store.get(key)), 'not-found', key);
      assert.is(await store.head(key), undefined, key);
    }
    const error = await store.get(at('absent')).catch((error: unknown) => error);
    assert.ok(error instanceof StoreError && !error.retryable);
    // A store below a prefix names the whole key.
    assert.ok(error.key?.endsWith(at('absent')));
  });

  stores('deletes one object, and what is not there', async ({ store, at }) => {
    await store.put(at('d/1'), bytes('1'));
    await store.put(at('d/2'), bytes('2'));
    await store.delete(at('d/1'));
    await store.delete(at('d/1'));
    await store.delete(at('d'));
    await store.delete(at('d/2/below'));
    assert.is(await store.head(at('d/1')), undefined);
    assert.is(text(await store.get(at('d/2'))), '2');
    await store.delete(at('d/2'));
    assert.is(await store.put(at('d/1'), bytes('again'), { ifAbsent: true }), 'created');
  });

  stores('counts requests and bytes', async ({ store, at }) => {
    const before = { ...store.counts };
    await store.put(at('k'), bytes('12345'));
    await store.get(at('k'), { offset: 1, length: 2 });
    await store.head(at('k'));
    await all(store.list(at('')));
    await store.delete(at('k'));
    const { counts } = store;
    for (const kind of ['put', 'get', 'head', 'list', 'delete'] as const)
      assert.is(counts[kind] - before[kind], 1, kind);
    assert.is(counts.bytesPut - before.bytesPut, 5);
    assert.is(counts.bytesGot - before.bytesGot, 2);
  });
}

function ranges(stores: Test<Context>): void {
  stores('reads ranges, cut at the end', async ({ store, at }) => {
    await store.put(at('r'), bytes('0123456789'));
    const range = async (offset?: number, length?: number): Promise<string> =>
      text(
        await store.get(at('r'), {
          ...(offset === undefined ? {} : { offset }),
          ...(length === undefined ? {} : { length }),
        }),
      );
    assert.is(await range(2, 3), '234');
    assert.is(await range(7), '789');
    assert.is(await range(undefined, 4), '0123');
    assert.is(await range(8, 100), '89');
    assert.is(await range(10, 5), '');
    assert.is(await range(50, 5), '');
    assert.is(await range(3, 0), '');
  });
}

function createIfAbsent(stores: Test<Context>): void {
  stores('leaves an existing object alone', async ({ store, at }) => {
    assert.is(await store.put(at('once'), bytes('first'), { ifAbsent: true }), 'created');
    assert.is(await store.put(at('once'), bytes('second'), { ifAbsent: true }), 'exists');
    assert.is(text(await store.get(at('once'))), 'first');
  });

  stores('lets exactly one of many writers of a key win', async ({ store, at }) => {
    for (let round = 0; round < 8; round++) {
      const key = at(`race/${round}/x`);
      const bodies = Array.from({ length: 12 }, (_, i) => Buffer.alloc(100_000 + i, `${i},`));
      const answers = await Promise.all(bodies.map((body) => store.put(key, body, { ifAbsent: true })));
      const winners = answers.flatMap((answer, i) => (answer === 'created' ? [i] : []));
      assert.is(winners.length, 1, `round ${round}: ${answers.join(' ')}`);
      assert.ok(bodies[winners[0]!]!.equals(await store.get(key)), 'the object is the winner’s');
    }
  });

  stores('shows readers whole objects only, while they are replaced', async ({ store, at }) => {
    const bodies = ['a', 'b'].map((letter) => Buffer.alloc(300_000, letter));
    await store.put(at('whole'), bodies[0]!);
    const state = { isDone: false };
    const reader = (async () => {
      let reads = 0;
      while (!state.isDone) {
        const body = Buffer.from(await store.get(at('whole')));
        assert.ok(bodies.some((each) => each.equals(body)));
        reads++;
      }
      return reads;
    })();
    for (let i = 0; i < 30; i++) await store.put(at('whole'), bodies[i % 2]!);
    state.isDone = true;
    assert.ok((await reader) > 0);
  });
}

function listing(stores: Test<Context>): void {
  stores('lists by prefix in the order of the bytes of the keys', async ({ store, at }) => {
    const names = [
      'a',
      'a-b',
      'a.b',
      'a0',
      'b/c',
      'b-',
      'b/c-d/e',
      'b.x',
      'b0/1',
      'z/10',
      'z/9',
      'ü',
      '\u{1f600}',
      '\ue000',
    ];
    for (const name of names) await store.put(at(name), bytes(name));
    const sorted = [...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    const list = async (prefix: string): Promise<string[]> =>
      (await all(store.list(at(prefix)))).map(({ key }) => key.slice(at('').length));
    assert.equal(await list(''), sorted);
    for (const prefix of ['a', 'b', 'b/', 'b/c', 'b/c-', 'z/1', 'z/1x', 'nothing/here', 'a/']) {
      assert.equal(
        await list(prefix),
        sorted.filter((name) => name.startsWith(prefix)),
        prefix,
      );
    }
    const [entry] = await all(store.list(at('b/c')));
    assert.equal(entry, { key: at('b/c'), sizeBytes: 3 });
  });

  stores('lists more than a page, and can be left early', async ({ store, at }) => {
    const keys = Array.from({ length: 1100 }, (_, i) => at(`many/${String(i).padStart(4, '0')}`));
    for (let i = 0; i < keys.length; i += 50) {
      await Promise.all(keys.slice(i, i + 50).map((key) => store.put(key, bytes('x'))));
    }
    const found: ObjectEntry[] = await all(store.list(at('many/')));
    assert.equal(
      found.map(({ key }) => key),
      keys,
    );
    for await (const { key } of store.list(at('many/'))) {
      assert.is(key, keys[0]);
      break;
    }
  });
}

function refusals(stores: Test<Context>): void {
  stores('refuses keys that are none', async ({ store }) => {
    const before = { ...store.counts };
    const wrong = [
      '',
      '/a',
      'a/',
      'a//b',
      '.',
      '..',
      'a/../b',
      '../a',
      'a/./b',
      'a\0b',
      'a\nb',
      '\ud800',
      'x'.repeat(256),
    ];
    for (const key of [...wrong, `${'y'.repeat(200)}/`.repeat(6) + 'z']) {
      assert.is(await kindOf(store.put(key, bytes('x'))), 'denied', JSON.stringify(key));
      assert.is(await kindOf(store.get(key)), 'denied');
      assert.is(await kindOf(store.head(key)), 'denied');
      assert.is(await kindOf(store.delete(key)), 'denied');
    }
    for (const prefix of ['/', '../', 'a/../', 'a//', '..']) {
      assert.is(await kindOf(all(store.list(prefix))), 'denied', prefix);
    }
    assert.equal(store.counts, before, 'nothing was asked of the store');
  });

  stores('does nothing after an abort', async ({ store, at }) => {
    const signal = AbortSignal.abort(new Error('stop'));
    for (const work of [
      () => store.put(at('late'), bytes('x'), { signal }),
      () => store.get(at('late'), { signal }),
      () => store.head(at('late'), { signal }),
      () => store.delete(at('late'), { signal }),
    ]) {
      const error = (await work().catch((error: unknown) => error)) as Error;
      assert.is(error.message, 'stop');
    }
    assert.is(await store.head(at('late')), undefined);
  });
}
