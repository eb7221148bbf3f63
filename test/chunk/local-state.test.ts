import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { VolumeError } from '../../dist/base/errors.js';
import { LocalState, type BaseRecord } from '../../dist/chunk/local-state.js';
import { RecordKind } from '../../dist/chunk/log-format.js';
import { SEGMENT, needRoom, numbered, startLog, stopAll, temporary } from './support/log-fixture.ts';

const test = suite('local state');
let folder: ReturnType<typeof temporary>;
let directory = '';
test.before.each(() => {
  folder = temporary();
  directory = join(folder.directory, 'family', 'volume');
});
test.after.each(async () => {
  await stopAll();
  folder.remove();
});

const base: BaseRecord = {
  format: 1,
  volume: 'volume',
  family: 'family',
  bucket: 'file:///data',
  seq: 0,
  locator: null,
  image: 'base-0.db',
  imageSha256: 'ab',
  lsn: 0,
};

function failure(run: () => unknown): VolumeError {
  try {
    run();
  } catch (error) {
    assert.instance(error, VolumeError);
    return error as VolumeError;
  }
  throw new Error('it did not fail');
}

async function log(state: LocalState, kinds: ('session' | 'rows' | 'seal')[]): Promise<number> {
  const fixture = await startLog({ directory: state.logDirectory, startLsn: state.base!.lsn });
  for (const kind of kinds) {
    needRoom(fixture, 100);
    if (kind === 'session') fixture.writer.appendJson(RecordKind.SESSION, { format: 1 });
    else if (kind === 'rows') fixture.writer.appendRows(numbered(1, 50));
    else fixture.writer.appendSeal(1, 1);
  }
  await fixture.stop();
  return fixture.writer.appended;
}

test('is private to its user', async () => {
  const state = LocalState.open(directory, { create: true });
  await state.setBase(base);
  for (const path of [directory, state.logDirectory]) assert.is(statSync(path).mode & 0o777, 0o700);
  for (const name of ['lock', 'base.json']) assert.is(statSync(join(directory, name)).mode & 0o777, 0o600);
  state.close();
});

test('is open once, and says by whom', () => {
  const state = LocalState.open(directory, { create: true });
  const error = failure(() => LocalState.open(directory, { create: true }));
  assert.is(error.kind, 'busy');
  assert.ok(error.message.includes(`process ${process.pid} on ${hostname()}`), error.message);
  state.close();
  state.close();
  LocalState.open(directory, { create: false }).close();
});

test('a process that is killed leaves it free', async () => {
  const module = new URL('../../dist/chunk/local-state.js', import.meta.url).href;
  const code = `import { LocalState } from ${JSON.stringify(module)};
    LocalState.open(${JSON.stringify(directory)}, { create: true }); console.log('open'); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((resolve) => child.stdout.once('data', resolve));
  const error = failure(() => LocalState.open(directory, { create: true }));
  assert.ok(error.message.includes(`process ${child.pid}`), error.message);
  child.kill('SIGKILL');
  await new Promise((resolve) => child.once('exit', resolve));
  LocalState.open(directory, { create: true }).close();
});

test('is not made without being told to', () => {
  assert.is(failure(() => LocalState.open(directory, { create: false })).kind, 'not-found');
  assert.not.ok(existsSync(directory));
});

test('keeps its base, replaced as a whole', async () => {
  const state = LocalState.open(directory, { create: true });
  assert.is(state.base, undefined);
  await state.setBase({ ...base, adopted: { name: 'x' } });
  writeFileSync(state.imagePath(0), 'old');
  writeFileSync(join(directory, 'commit-volume-1-abc.db'), 'new');
  await state.adoptImage(join(directory, 'commit-volume-1-abc.db'), { seq: 1, locator: 'l', sha256: 'cd', lsn: 800 });
  assert.equal(state.base, {
    ...base,
    adopted: { name: 'x' },
    seq: 1,
    locator: 'l',
    image: 'base-1.db',
    imageSha256: 'cd',
    lsn: 800,
  });
  assert.is(readFileSync(state.baseImagePath(), 'utf8'), 'new');
  state.removeOldImages();
  assert.not.ok(existsSync(state.imagePath(0)));
  assert.ok(existsSync(state.imagePath(1)));
  const { base: before } = state;
  state.close();
  const again = LocalState.open(directory, { create: false });
  assert.equal(again.base, before);
  again.close();
});

test('a base.json that is torn, wrong or newer is refused, and nothing is changed', async () => {
  const state = LocalState.open(directory, { create: true });
  await state.setBase(base);
  state.close();
  const path = join(directory, 'base.json');
  const cases: [string, string][] = [
    [JSON.stringify(base).slice(0, 40), 'corrupt'],
    ['', 'corrupt'],
    [JSON.stringify({ ...base, lsn: -1 }), 'corrupt'],
    [JSON.stringify({ ...base, family: 5 }), 'corrupt'],
    [JSON.stringify({ ...base, image: '../../etc/passwd' }), 'corrupt'],
    [JSON.stringify({ ...base, format: 2 }), 'unsupported'],
  ];
  for (const [text, kind] of cases) {
    writeFileSync(path, text);
    assert.is(failure(() => LocalState.open(directory, { create: true })).kind, kind, text);
    assert.is(readFileSync(path, 'utf8'), text);
  }
});

test('sweeps away what a killed session left half made', () => {
  LocalState.open(directory, { create: true }).close();
  for (const name of ['commit-v-3-x.db', 'base.json.tmp', 'base-3.db', 'mine.db'])
    writeFileSync(join(directory, name), '');
  LocalState.open(directory, { create: true }).close();
  assert.equal(readdirSync(directory).toSorted(), ['base-3.db', 'lock', 'log', 'mine.db']);
});

test('knows unpublished work from a session in which nothing was changed', async () => {
  const state = LocalState.open(directory, { create: true });
  const options = { segmentBytes: SEGMENT };
  assert.not.ok(state.hasUnpublished(options));
  await state.setBase(base);
  assert.not.ok(state.hasUnpublished(options));
  await log(state, ['session', 'seal']);
  assert.not.ok(state.hasUnpublished(options));
  const end = await log(state, ['session', 'seal', 'rows']);
  assert.ok(state.hasUnpublished(options));
  await state.setBase({ ...base, lsn: end });
  assert.not.ok(state.hasUnpublished(options));
  state.close();
});

test('lists states with their holders and what is unpublished in them', async () => {
  const root = folder.directory;
  assert.equal(LocalState.list(join(root, 'nothing')), []);
  const first = LocalState.open(directory, { create: true });
  await first.setBase(base);
  await log(first, ['session', 'rows']);
  const second = LocalState.open(join(root, 'other', 'volume'), { create: true });
  await second.setBase({ ...base, family: 'other' });
  second.close();
  mkdirSync(join(root, 'other', 'empty'));
  const found = LocalState.list(root, { segmentBytes: SEGMENT });
  assert.equal(
    found.map((info) => [info.base.family, info.holder?.pid, info.hasUnpublished]),
    [
      ['family', process.pid, true],
      ['other', undefined, false],
    ],
  );
  first.close();
});

test('destroys itself with its family folder when that is empty', async () => {
  const state = LocalState.open(directory, { create: true });
  await state.setBase(base);
  await log(state, ['session', 'rows']);
  state.destroy();
  assert.equal(readdirSync(folder.directory), []);
  const again = LocalState.open(directory, { create: true });
  assert.is(again.base, undefined);
  again.close();
});

test.run();
