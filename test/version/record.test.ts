import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MemoryStore } from '../../dist/cloud/memory.js';
import { parseRecord, recordToJson } from '../../dist/version/record.js';
import { record } from './helpers.ts';

const records = suite('version record');
const store = new MemoryStore();

type Json = Record<string, unknown>;

function json(of: Parameters<typeof record>[1] = {}): Json {
  return JSON.parse(recordToJson(record(store, of))) as Json;
}

function problem(change: Json): { kind: string; message: string } {
  const changed = Object.fromEntries(
    Object.entries({ ...json(), ...change }).filter(([, value]) => value !== undefined),
  );
  try {
    parseRecord(JSON.stringify(changed));
  } catch (error) {
    return error as { kind: string; message: string };
  }
  return { kind: 'none', message: 'no error' };
}

records('is a handle, and has what opens the version', () => {
  const parent = record(store, { producedBy: 'run 1' });
  const body = json({ seq: 2, parent, message: 'more', producedBy: { run: 'r2' }, region: 'here-1' });
  assert.equal(body, {
    kind: 'flyte.volume/v1',
    format: 1,
    name: 'data',
    bucket: store.url,
    storage: 'file',
    region: 'here-1',
    index: 'index/data-1-x.db',
    index_sha256: 'ab'.repeat(32),
    index_bytes: 4096,
    metadata_store_type: 'sqlite',
    used_bytes: 8192,
    inode_count: 2,
    message: 'more',
    produced_by: { run: 'r2' },
    parent_produced_by: 'run 1',
    access: 'ro',
    family: 'data-abcd',
    volume: 'data',
    version: 2,
    locator: `${store.url}/data-abcd/versions/data/2/volume.json`,
    parent: `${store.url}/data-abcd/versions/data/1/volume.json`,
    created_at: '2026-01-02T03:04:05.678Z',
    host: 'here',
    session: 7,
    writer: 'w1',
    block_bytes: 4_194_304,
    hash_prefix: false,
    adopted: false,
  });
});

records('comes back from its JSON as it was', () => {
  const before = record(store, { message: 'naïve "quotes"\n', adopted: true, hashPrefix: true });
  before.stats = { seconds: { upload: 0.25 }, objects: 3, bytes: 100, requests: 9 };
  assert.equal(parseRecord(recordToJson(before)), before);
});

records('keeps fields that it does not know', () => {
  const text = JSON.stringify({ ...json(), color: 'red', nested: { a: [1, null] } });
  const read = parseRecord(text);
  assert.equal(read.extra, { color: 'red', nested: { a: [1, null] } });
  assert.equal(JSON.parse(recordToJson(read)), JSON.parse(text));
});

records('names the field that is wrong', () => {
  const wrong: Json = {
    name: '../x',
    bucket: 7,
    storage: 'floppy',
    region: 1,
    index: '../../other/index.db',
    index_sha256: 'AB',
    index_bytes: -1,
    used_bytes: 1.5,
    inode_count: '2',
    message: 5,
    produced_by: [1],
    parent_produced_by: true,
    access: 'rw',
    family: 'a/b',
    volume: '',
    version: 0,
    locator: 'file:///nowhere',
    parent: 'x',
    created_at: 'yesterday',
    host: 1,
    session: null,
    writer: '',
    block_bytes: 5_000_000,
    hash_prefix: 'no',
    adopted: 0,
    stats: { objects: 1 },
  };
  for (const [field, value] of Object.entries(wrong)) {
    const { kind, message } = problem({ [field]: value });
    assert.is(kind, 'corrupt', field);
    assert.match(message, new RegExp(`: ${field} is `));
  }
});

records('names the field that is missing', () => {
  const nullable = ['region', 'message', 'produced_by', 'parent_produced_by', 'parent', 'created_at', 'host', 'kind'];
  for (const field of Object.keys(json()).filter((name) => !nullable.includes(name))) {
    const { kind, message } = problem({ [field]: undefined });
    assert.is(kind, 'corrupt', field);
    assert.match(message, `${field} is missing`);
  }
});

records('of a newer format needs a newer forkfs, whatever else is in it', () => {
  const { kind, message } = problem({ format: 2, index: { new: 'form' }, access: 'maybe' });
  assert.is(kind, 'unsupported');
  assert.match(message, 'newer forkfs');
  assert.is(problem({ kind: 'flyte.volume/v2' }).kind, 'unsupported');
  assert.is(problem({ metadata_store_type: 'redis' }).kind, 'unsupported');
});

records('of another kind is none', () => {
  for (const kind of ['flyte.artifact/v1', undefined, 5]) {
    const found = problem({ kind });
    assert.is(found.kind, 'invalid');
    assert.match(found.message, 'kind is ');
  }
});

records('that is no JSON object is corrupt', () => {
  for (const text of ['', '{', 'null', '[]', '"x"', '\0\0\0']) {
    assert.throws(
      () => parseRecord(text),
      (error: { kind: string }) => error.kind === 'corrupt',
    );
  }
});

records.run();
