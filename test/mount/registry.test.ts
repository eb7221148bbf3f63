import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LOG_FILES_MAX } from '../../dist/base/limits.js';
import {
  liveEntries,
  logsDirectory,
  newEntryId,
  processStart,
  pruneLogs,
  removeEntry,
  socketDirectory,
  stateHome,
  writeEntry,
  type RegistryEntry,
} from '../../dist/mount/registry.js';

const registry = suite('the registry of daemons');
const home = mkdtempSync(join(tmpdir(), 'forkfs-registry-'));
const before = process.env['XDG_STATE_HOME'];

registry.before(() => void (process.env['XDG_STATE_HOME'] = home));
registry.after(() => {
  if (before === undefined) delete process.env['XDG_STATE_HOME'];
  else process.env['XDG_STATE_HOME'] = before;
  rmSync(home, { recursive: true });
});

function entry(mountPath: string, change: Partial<RegistryEntry> = {}): RegistryEntry {
  return {
    format: 1,
    id: newEntryId(mountPath),
    pid: process.pid,
    pidStart: processStart(process.pid)!,
    mountPath,
    socket: '/none',
    token: 'secret',
    logPath: join(logsDirectory(), 'live.log'),
    metaDir: '/none',
    volume: 'v',
    family: 'f',
    bucket: 'file:///b',
    access: 'rw',
    attached: true,
    ...change,
  };
}

registry('lists the daemons that live, and forgets those that do not', () => {
  const [live, dead] = [entry('/a'), entry('/b', { pidStart: '1' })];
  writeEntry(live);
  writeEntry(dead);
  assert.equal(liveEntries(), [live]);
  assert.is(readdirSync(join(stateHome(), 'mounts')).length, 1, 'the entry of the dead one is gone');
  removeEntry({ ...live, pid: process.pid + 1 });
  assert.equal(liveEntries(), [live], 'another daemon has taken the place: its entry stays');
  removeEntry(live);
  assert.equal(liveEntries(), []);
});

registry('keeps its tokens to the user', () => {
  writeEntry(entry('/c'));
  const file = join(stateHome(), 'mounts', `${newEntryId('/c')}.json`);
  assert.is(statSync(file).mode & 0o777, 0o600);
  assert.is(statSync(socketDirectory()).mode & 0o077, 0);
  removeEntry(entry('/c'));
});

registry('skips what is being written', () => {
  writeFileSync(join(stateHome(), 'mounts', 'half.json'), '{"format":');
  assert.equal(liveEntries(), []);
});

registry('deletes the oldest logs, never one in use', () => {
  mkdirSync(logsDirectory(), { recursive: true });
  writeEntry(entry('/d'));
  for (const name of ['live.log', ...Array.from({ length: LOG_FILES_MAX + 5 }, (_, i) => `old-${i}.log`)]) {
    writeFileSync(join(logsDirectory(), name), '');
    const age = name === 'live.log' ? 0 : 1000 + Number(/\d+/.exec(name)![0]);
    utimesSync(join(logsDirectory(), name), age, age);
  }
  pruneLogs();
  assert.is(readdirSync(logsDirectory()).length, LOG_FILES_MAX + 1);
  assert.ok(existsSync(join(logsDirectory(), 'live.log')));
  assert.not(existsSync(join(logsDirectory(), 'old-4.log')));
  assert.ok(existsSync(join(logsDirectory(), 'old-5.log')));
  removeEntry(entry('/d'));
});

registry.run();
