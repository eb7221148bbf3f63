import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { VolumeError } from '../../dist/base/errors.js';
import { parseHandle } from '../../dist/volume/handle.js';
import { ROVolume, RWVolume, Volume } from '../../dist/volume/volume.js';

const test = suite('handle JSON');

const minimal = { kind: 'flyte.volume/v1', name: 'demo', bucket: 'file:///data/volumes' };

function refusal(json: unknown, kind = 'invalid'): string {
  try {
    parseHandle(json);
  } catch (error) {
    assert.instance(error, VolumeError);
    assert.is((error as VolumeError).kind, kind);
    return (error as VolumeError).message;
  }
  throw new Error(`accepted: ${JSON.stringify(json)}`);
}

test('a new volume comes back as it was, and knows no version', () => {
  const volume = Volume.new({ name: 'demo', bucket: 'file:///data/volumes' });
  const json = JSON.parse(JSON.stringify(volume)) as Record<string, unknown>;
  assert.is(json['kind'], 'flyte.volume/v1');
  assert.is(json['storage'], 'file');
  assert.is(json['access'], 'rw');
  assert.is(json['locator'], null);
  assert.is(json['version'], 0);
  assert.is(json['index'], null);
  assert.match(String(json['family']), /^demo-[a-z2-7]{8}$/);
  const back = Volume.fromJSON(json);
  assert.instance(back, RWVolume);
  assert.equal(back.toJSON(), json);
  assert.equal(Volume.fromJSON(JSON.stringify(json)).toJSON(), json);
});

test('an empty volume is its own family', () => {
  assert.is(Volume.empty({ name: 'demo', bucket: 'file:///b' }).family, 'demo');
});

test('every JSON in the documentation is a handle and survives a round trip', () => {
  const text = readFileSync(new URL('../../docs/handle-json.md', import.meta.url), 'utf8');
  const examples = [...text.matchAll(/```json\n(.*?)```/gs)].map(
    (match) => JSON.parse(match[1] ?? '') as Record<string, unknown>,
  );
  assert.ok(examples.length >= 4);
  for (const json of examples) {
    const volume = Volume.fromJSON(json);
    const back = JSON.parse(JSON.stringify(volume)) as Record<string, unknown>;
    for (const [field, value] of Object.entries(json)) assert.equal(back[field], value, field);
    assert.instance(volume, back['access'] === 'ro' ? ROVolume : RWVolume);
  }
});

test('keeps fields that are not ours', () => {
  const json = { ...minimal, report: true, artifact: { name: 'x', deep: [1, { a: null }] }, endpoint: 'http://e' };
  const back = JSON.parse(JSON.stringify(Volume.fromJSON(json))) as Record<string, unknown>;
  assert.equal(back['report'], true);
  assert.equal(back['artifact'], json.artifact);
  assert.equal(back['endpoint'], 'http://e');
});

test('takes null for what is not there, as the peers write it', () => {
  const nulls = Object.fromEntries(
    [
      'region',
      'index',
      'used_bytes',
      'inode_count',
      'index_bytes',
      'message',
      'produced_by',
      'metadata_store_type',
      'locator',
    ].map((field) => [field, null]),
  );
  const volume = Volume.fromJSON({ ...minimal, ...nulls });
  assert.instance(volume, RWVolume);
  assert.is(volume.metadataStoreType, 'sqlite');
});

test('without access, a handle with an index is a version', () => {
  assert.instance(Volume.fromJSON({ ...minimal, index: { path: 'file:///i.db' } }), ROVolume);
  assert.instance(Volume.fromJSON(minimal), RWVolume);
});

test('takes the peers’ record of who produced a version', () => {
  const producedBy = { name: 'a0', run_name: 'r', locator: 's3://x' };
  assert.equal(Volume.fromJSON({ ...minimal, produced_by: producedBy }).producedBy, producedBy);
});

test('infers the storage, and refuses another', () => {
  assert.is(Volume.fromJSON(minimal).storage, 'file');
  assert.match(refusal({ ...minimal, storage: 's3' }), /storage/);
});

test('names the field that is wrong', () => {
  const wrong: Record<string, unknown[]> = {
    kind: ['flyte.volume/v2', undefined, 1],
    name: ['../x', '', undefined, 7],
    bucket: [undefined, 5, null, {}],
    storage: ['ftp', 5],
    region: [5],
    index: [5, ['x'], true],
    used_bytes: [-1, 1.5, 'many'],
    inode_count: ['1'],
    index_bytes: [{}],
    message: [5],
    produced_by: [5, []],
    parent_produced_by: [true],
    access: ['wo', 1],
    family: ['a/b', 5, '..'],
    volume: ['a/b', 5],
    version: [-1, 'x', 1.5],
    locator: [5],
    format: ['1', -1],
  };
  for (const [field, values] of Object.entries(wrong)) {
    for (const value of values) {
      assert.match(refusal({ ...minimal, [field]: value }), field, `${field}: ${JSON.stringify(value)}`);
    }
  }
});

test('refuses what is no object, and text that is no JSON', () => {
  for (const json of [null, 5, 'text', [], undefined]) refusal(json);
  assert.throws(
    () => Volume.fromJSON('{'),
    (error: VolumeError) => error.kind === 'invalid',
  );
});

test('refuses a version that nothing names', () => {
  assert.match(refusal({ ...minimal, access: 'ro' }), /locator/);
});

test('says that a newer format or another metadata store needs another forkfs', () => {
  refusal({ ...minimal, format: 2 }, 'unsupported');
  refusal({ ...minimal, metadata_store_type: 'badger' }, 'unsupported');
  refusal({ ...minimal, metadata_store_type: 'paper' });
});

test('refuses a bucket with credentials in it', () => {
  refusal({ ...minimal, bucket: 's3://key:secret@bucket/prefix' });
  assert.throws(
    () => Volume.new({ bucket: 's3://key:secret@bucket/prefix' }),
    (error: VolumeError) => error.kind === 'invalid',
  );
});

test('refuses options that there are not', () => {
  const isInvalid = (error: VolumeError): boolean => error.kind === 'invalid';
  assert.throws(() => Volume.new({ nmae: 'x' } as never), isInvalid);
  assert.throws(() => Volume.new({ name: '../x' }), isInvalid);
  assert.throws(() => Volume.new({ bucket: 'file:///b', storage: 's3' }), isInvalid);
});

test.run();
