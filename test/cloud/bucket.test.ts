import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { VolumeError } from '../../dist/base/errors.js';
import { MemoryStore } from '../../dist/cloud/memory.js';
import { openStore, parseBucket } from '../../dist/cloud/open-store.js';

const buckets = suite('bucket URI');

function refusal(text: string): VolumeError {
  try {
    parseBucket(text);
  } catch (error) {
    return error as VolumeError;
  }
  throw new Error(`${text} was taken`);
}

buckets('has one spelling, and tells the kind of store', () => {
  const spellings: [string, string, string][] = [
    ['file:///data/bucket', 'file:///data/bucket', 'file'],
    ['file:///data/bucket/', 'file:///data/bucket', 'file'],
    ['file:///data//x/./y/../bucket//', 'file:///data/x/bucket', 'file'],
    ['FILE:///data', 'file:///data', 'file'],
    ['file://localhost/data', 'file:///data', 'file'],
    ['file:///with space/ü%25/a%3Fb%23', 'file:///with%20space/%C3%BC%25/a%3Fb%23', 'file'],
    ['s3://bucket', 's3://bucket', 's3'],
    ['s3://bucket/a/b//', 's3://bucket/a/b', 's3'],
    ['gs://bucket/p', 'gs://bucket/p', 'gs'],
    ['wasb://container@account.blob.core.windows.net/p', 'wasb://container@account.blob.core.windows.net/p', 'wasb'],
    ['abfs://container@account/p', 'abfs://container@account/p', 'wasb'],
    ['abfss://container@account', 'abfss://container@account', 'wasb'],
  ];
  for (const [text, url, storage] of spellings) {
    assert.equal(parseBucket(text), { url, storage }, text);
    assert.equal(parseBucket(url), { url, storage }, `${url} stays as it is`);
  }
});

buckets('is refused when it is none', () => {
  for (const text of [
    '',
    'data',
    'relative/path',
    './x',
    '/absolute/path',
    'file:',
    'file:relative',
    'file:/one/slash',
    'file://host/path',
    'file:///',
    'file:///..',
    'file:///a%2Fb',
    'file:///a%00b',
    'file:///a%FFb',
    'file:///a%',
    'file:///a?b',
    'file:///a#b',
    's3://',
    's3:///key',
    's3://bucket:80/x',
    's3://bucket/../x',
    'http://example.org/b',
    'ftp://x',
    'memory:a/b',
  ]) {
    assert.is(refusal(text).kind, 'invalid', text);
  }
  assert.match(refusal('/absolute/path').message, 'file:///absolute/path');
  assert.match(refusal('file:relative').message, /absolute/);
});

buckets('with credentials is refused, and its secret is not repeated', () => {
  for (const text of [
    's3://AKIAKEY:SECRET@bucket/prefix',
    's3://AKIAKEY:SEC/RET@bucket/prefix',
    's3://SECRET@bucket',
    'gs://x:SECRET@bucket',
    'wasb://container:SECRET@account.blob.core.windows.net',
    'abfss://container:SECRET@account',
    'wasb://container@account/p?sig=SECRET',
    's3://bucket?X-Amz-Signature=SECRET',
    'file://user:SECRET@/data',
    'file:///data?token=SECRET',
    'https://key:SECRET@host/bucket',
    'key:SECRET@bucket',
    'SECRET@bucket/x',
    's3:SECRET@bucket',
    's3://bucket#SECRET',
  ]) {
    const error = refusal(text);
    assert.is(error.kind, 'invalid', text);
    if (/^[a-z0-9]+:\/\/.*@/.test(text) && !text.startsWith('https') && !text.includes('?')) {
      assert.match(error.message, /credentials/, text);
    }
    assert.not.match(`${error.message} ${JSON.stringify(error)}`, /SECRET|AKIA/, text);
  }
});

buckets('of a store that is not there yet is recognised and refused on opening', async () => {
  for (const text of ['s3://b/p', 'gs://b', 'wasb://c@a/p', 'abfs://c@a']) {
    const error = (await openStore(text).catch((error: unknown) => error)) as VolumeError;
    assert.is(error.kind, 'unsupported', text);
    assert.match(error.message, /file:\/\/\//);
  }
});

buckets('in memory is the store that a test made', async () => {
  const store = MemoryStore.named('test');
  assert.is(await openStore('memory:test'), store);
  assert.is(MemoryStore.named('test'), store);
  // Nobody shall keep a volume there by mistake.
  const error = (await openStore('memory:other').catch((error: unknown) => error)) as VolumeError;
  assert.is(error.kind, 'unsupported');
});

buckets.run();
