import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { VolumeError } from '../../dist/base/errors.js';
import { cacheBytesDefault, resolveOptions, type MountOptions } from '../../dist/volume/options.js';
import { defaultBucket, places } from '../../dist/volume/places.js';
import { parseDuration, parseSize } from '../../dist/volume/quantities.js';

const test = suite('mount options');
const env = { HOME: '/home/somebody' };

function naming(option: string): (error: unknown) => boolean {
  return (error) => error instanceof VolumeError && error.kind === 'invalid' && error.message.startsWith(`${option}: `);
}

test('has the defaults that are documented', () => {
  assert.equal(resolveOptions({}, { env, isRoot: false }), {
    mountPath: '/home/somebody/flyte-volume',
    metaDir: '/home/somebody/.local/state/forkfs/volumes',
    cacheDir: '/home/somebody/.cache/forkfs',
    cacheBytes: null,
    timeoutMs: 60_000,
    writeback: true,
    uploadDelayMs: 0,
    maxUploads: 50,
    attrCacheMs: 60_000,
    entryCacheMs: 60_000,
    dirEntryCacheMs: 60_000,
    readOnly: false,
    allowOther: false,
    uid: undefined,
    gid: undefined,
    transport: 'auto',
    kernelWriteback: false,
  });
});

test('lets other users in by default only when root mounts', () => {
  assert.is(resolveOptions({}, { env, isRoot: true }).allowOther, true);
  assert.is(resolveOptions({ allowOther: false }, { env, isRoot: true }).allowOther, false);
  assert.is(resolveOptions({ allowOther: true }, { env, isRoot: false }).allowOther, true);
});

test('takes every option', () => {
  const options: Required<MountOptions> = {
    mountPath: '/m',
    metaDir: '/meta',
    cacheDir: '/cache',
    cacheSize: '2G',
    timeout: '5s',
    writeback: false,
    uploadDelay: '1h',
    maxUploads: 3,
    attrCache: 0,
    entryCache: '30m',
    dirEntryCache: 1.5,
    readOnly: true,
    allowOther: true,
    uid: 0,
    gid: 1000,
    transport: 'direct',
    kernelWriteback: true,
  };
  assert.equal(resolveOptions(options, { env, isRoot: false }), {
    mountPath: '/m',
    metaDir: '/meta',
    cacheDir: '/cache',
    cacheBytes: 2 * 2 ** 30,
    timeoutMs: 5000,
    writeback: false,
    uploadDelayMs: 3_600_000,
    maxUploads: 3,
    attrCacheMs: 0,
    entryCacheMs: 1_800_000,
    dirEntryCacheMs: 1500,
    readOnly: true,
    allowOther: true,
    uid: 0,
    gid: 1000,
    transport: 'direct',
    kernelWriteback: true,
  });
});

test('names the option that is wrong', () => {
  const wrong: Record<string, unknown[]> = {
    mountPath: ['', 5, 'a\0b'],
    metaDir: [5],
    cacheDir: [''],
    cacheSize: [-1, '10X', NaN, 'big'],
    timeout: [0, -1, '1y', '', 'soon', Infinity, 1e12],
    writeback: ['yes', 1],
    uploadDelay: ['1w', -5],
    maxUploads: [0, 1.5, -1, 1001, 'many'],
    attrCache: ['x'],
    entryCache: ['x'],
    dirEntryCache: [{}],
    readOnly: ['no'],
    allowOther: [1],
    uid: [-1, 1.5, 2 ** 32],
    gid: ['root'],
    transport: ['fuse', ''],
    kernelWriteback: [0],
    mountpath: ['/m'],
    toString: ['x'],
  };
  for (const [option, values] of Object.entries(wrong)) {
    for (const value of [...values, null]) {
      const options = { [option]: value } as MountOptions;
      assert.throws(() => resolveOptions(options, { env }), naming(option), `${option}: ${String(value)} was accepted`);
    }
  }
});

test('uses a cache for a bucket of files only when it is asked for', () => {
  assert.is(resolveOptions({ cacheDir: '/c' }, { env }).cacheBytes, 10 * 2 ** 30);
  assert.is(resolveOptions({ cacheSize: 5 }, { env }).cacheBytes, 5);
  assert.is(resolveOptions({ cacheDir: '/c', cacheSize: 0 }, { env }).cacheBytes, 0);
  assert.is(cacheBytesDefault('file'), 0);
  assert.is(cacheBytesDefault('s3'), 10 * 2 ** 30);
});

test('says that the native transport is not there', () => {
  const isUnsupported = (error: unknown): boolean => error instanceof VolumeError && error.kind === 'unsupported';
  assert.throws(() => resolveOptions({ transport: 'native' }, { env }), isUnsupported);
});

test('reads times and sizes', () => {
  assert.is(parseDuration(1.5, 'x'), 1500);
  assert.is(parseDuration('250ms', 'x'), 250);
  assert.is(parseDuration('90', 'x'), 90_000);
  assert.is(parseDuration('2d', 'x'), 172_800_000);
  assert.is(parseSize(4096, 'x'), 4096);
  assert.is(parseSize('4096', 'x'), 4096);
  assert.is(parseSize('1.5k', 'x'), 1536);
  assert.is(parseSize('1GiB', 'x'), 2 ** 30);
  assert.is(parseSize('3MB', 'x'), 3 * 2 ** 20);
});

test('follows the XDG folders, and only absolute ones', () => {
  const xdg = { ...env, XDG_STATE_HOME: '/s', XDG_CACHE_HOME: '/c', XDG_DATA_HOME: 'relative' };
  assert.equal(places(xdg), {
    metaDir: '/s/forkfs/volumes',
    cacheDir: '/c/forkfs',
    dataDir: '/home/somebody/.local/share/forkfs',
    mountPath: '/home/somebody/flyte-volume',
  });
});

test('takes the bucket from the environment, else from the data folder', () => {
  assert.is(defaultBucket({ ...env, FORKFS_BUCKET: 's3://b/p' }), 's3://b/p');
  assert.is(defaultBucket({ ...env, FORKFS_BUCKET: '' }), 'file:///home/somebody/.local/share/forkfs');
  assert.is(defaultBucket({ ...env, XDG_DATA_HOME: '/with space' }), 'file:///with%20space/forkfs');
});

test.run();
