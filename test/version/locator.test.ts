import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { formatLocator, parseLocator } from '../../dist/version/locator.js';

const locator = suite('locator');

function kindOf(text: string): string {
  try {
    parseLocator(text);
    return 'none';
  } catch (error) {
    return (error as { kind: string }).kind;
  }
}

locator('names bucket, family, volume and version', () => {
  const parts = { bucket: 'file:///data/bucket', family: 'set-abc', volume: 'set', seq: 12 };
  const address = 'file:///data/bucket/set-abc/versions/set/12/volume.json';
  assert.is(formatLocator(parts), address);
  assert.equal(parseLocator(address), parts);
});

locator('comes back the same for every kind of bucket', () => {
  for (const bucket of [
    'file:///data/with%20space/100%25',
    'file:///versions/a/1',
    's3://bucket',
    's3://bucket/a/prefix',
    'gs://bucket/deep/er',
  ]) {
    const parts = { bucket, family: 'f', volume: 'v.1_x-', seq: 2 ** 40 };
    const address = formatLocator(parts);
    assert.equal(parseLocator(address), parts);
    assert.is(formatLocator(parseLocator(address)), address);
  }
});

locator('drops slashes at the end of the bucket', () => {
  const parts = { bucket: 's3://bucket/a//', family: 'f', volume: 'v', seq: 1 };
  assert.is(formatLocator(parts), 's3://bucket/a/f/versions/v/1/volume.json');
  assert.is(parseLocator('file:///data//f/versions/v/1/volume.json').bucket, 'file:///data');
});

locator('of another shape is refused', () => {
  for (const text of [
    '',
    'volume.json',
    'file:///data',
    'file:///data/f/versions/v/1',
    'file:///data/f/versions/v/0/volume.json',
    'file:///data/f/versions/v/01/volume.json',
    'file:///data/f/versions/v/1.5/volume.json',
    'file:///data/f/versions/v/-1/volume.json',
    'file:///data/f/versions/v/99999999999999999/volume.json',
    'file:///data/f/versions/v/9999999999999999/volume.json',
    'file:///data/f/versions/../1/volume.json',
    'file:///data/../versions/v/1/volume.json',
    'file:///data/f/version/v/1/volume.json',
    'file:///data/f/versions/v/1/volume.json?x',
    'file:///data/f/versions/v%2F/1/volume.json',
    'file:///data/f/versions/v/w/1/volume.json',
    '/f/versions/v/1/volume.json',
    'http://example.org/f/versions/v/1/volume.json',
    's3://key:secret@bucket/f/versions/v/1/volume.json',
  ]) {
    assert.ok(['invalid', 'unsupported'].includes(kindOf(text)), `'${text}' gave ${kindOf(text)}`);
  }
});

locator('that is refused is not repeated where it may hold a secret', () => {
  for (const text of ['s3://key:hunter2@bucket/f/versions/v/1/volume.json', 'https://host/x?password=hunter2']) {
    try {
      parseLocator(text);
      assert.unreachable();
    } catch (error) {
      assert.not.match((error as Error).message, 'hunter2');
    }
  }
});

locator.run();
