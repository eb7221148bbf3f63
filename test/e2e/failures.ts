/** What tests of things that go wrong share: a failure is typed, and leaves nothing behind. */
import { existsSync, readdirSync } from 'node:fs';
import * as assert from 'uvu/assert';
import {
  VolumeError,
  type MountOptions,
  type ROVolume,
  type RWVolume,
  type VolumeErrorKind,
} from '../../dist/index.js';
import { cli, mountsBelow, until, type Workspace } from './support.ts';

export async function rejects(
  work: () => unknown,
  kind: VolumeErrorKind,
  message: RegExp = /./,
  what = '',
): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof VolumeError)) throw error;
    assert.is(error.kind, kind, `${what}: ${error.message}`);
    assert.match(error.message, message, `${what}: ${error.message}`);
    assert.not.match(error.message, '\n');
    return;
  }
  assert.unreachable(`${what}: no error`);
}

/** Runs what fails, and looks that there is no mount, no daemon, no entry for one and no mount point that was not there. */
export async function leavesNothing(work: Workspace, mountPath: string, fails: () => Promise<void>): Promise<void> {
  const before = { mounts: mountsBelow(work.directory), entries: entries(work) };
  const others = new Set(work.daemons());
  const found = existsSync(mountPath);
  await fails();
  await until('the daemon has ended', () => work.daemons().every((pid) => others.has(pid)));
  assert.equal({ mounts: mountsBelow(work.directory), entries: entries(work) }, before);
  assert.is(existsSync(mountPath), found, 'the mount point is as it was');
}

function entries(work: Workspace): string[] {
  const directory = work.path('state', 'forkfs', 'mounts');
  return existsSync(directory) ? readdirSync(directory).sort() : [];
}

/** A mount that fails with this error and leaves nothing. */
export async function cannotMount(
  work: Workspace,
  volume: RWVolume | ROVolume,
  error: { kind: VolumeErrorKind; message?: RegExp },
  options: MountOptions = {},
): Promise<void> {
  const mountPath = options.mountPath ?? work.fresh();
  await leavesNothing(work, mountPath, () =>
    rejects(() => volume.mount({ mountPath, ...options }), error.kind, error.message, volume.name),
  );
}

/** A command that fails with one line for people on standard error (and a hint, when the usage is wrong). */
export function cliFails(args: string[], code: 1 | 2, message: RegExp): void {
  const { code: found, stdout, stderr } = cli(...args);
  const what = `forkfs ${args.join(' ')}\n${stderr}`;
  assert.is(found, code, what);
  assert.is(stdout, '', what);
  assert.match(stderr, message);
  assert.not.match(stderr, /^\s+at /m);
  const lines = stderr.trimEnd().split('\n');
  assert.is(lines.length, code === 2 ? 2 : 1, what);
  if (code === 2) assert.is(lines[1], '(try --help)', what);
}
