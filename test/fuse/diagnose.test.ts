import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { VolumeError } from '../../dist/base/errors.js';
import { diagnoseFuse, findings } from '../../dist/fuse/diagnose.js';
import { mountDirect, mountOptions } from '../../dist/fuse/direct.js';
import { fuseFacts, type FuseFacts } from '../../dist/fuse/facts.js';
import { mountFailure } from '../../dist/fuse/mount-failure.js';
import { abortConnection, connectionOf, liftDirtyLimit, mountAt, parseMountInfo } from '../../dist/fuse/mounts.js';
import { mountedTest } from './served-mount.ts';

const USER: FuseFacts = {
  isRoot: false,
  helperPath: '/usr/bin/fusermount3',
  helperIsSetuid: true,
  device: 'open',
  noNewPrivs: false,
  seccomp: 0,
  hasSysAdmin: false,
  isContainer: false,
  userAllowOther: false,
};
const ROOT: FuseFacts = { ...USER, isRoot: true, hasSysAdmin: true };

function failure(facts: FuseFacts, said = '', allowOther = false): { kind: string; message: string } {
  const { kind, message } = mountFailure(facts, { said, allowOther });
  return { kind, message };
}

test('each reason why a mount fails has its kind and its remedy', () => {
  const refused = 'fusermount3: mount failed: Operation not permitted';
  const cases: [FuseFacts, string, boolean, string, RegExp][] = [
    [{ ...USER, helperPath: null }, '', false, 'unsupported', /apt-get install fuse3/],
    [{ ...USER, device: 'absent' }, '', false, 'unsupported', /modprobe fuse/],
    [
      { ...ROOT, device: 'absent', isContainer: true },
      '',
      false,
      'unsupported',
      /--device \/dev\/fuse --cap-add SYS_ADMIN/,
    ],
    [USER, '', true, 'denied', /user_allow_other to \/etc\/fuse\.conf/],
    [{ ...USER, noNewPrivs: true }, refused, false, 'unsupported', /no_new_privs.*allowPrivilegeEscalation/],
    [{ ...USER, helperIsSetuid: false }, refused, false, 'unsupported', /chmod u\+s \/usr\/bin\/fusermount3/],
    [{ ...ROOT, hasSysAdmin: false }, refused, false, 'unsupported', /--cap-add SYS_ADMIN/],
    [{ ...USER, device: 'closed' }, refused, false, 'unsupported', /chmod 666 \/dev\/fuse/],
    [ROOT, 'fusermount3: failed to open /dev/fuse: Operation not permitted', false, 'unsupported', /--device/],
    [{ ...ROOT, device: 'closed' }, refused, false, 'unsupported', /--device \/dev\/fuse/],
    [{ ...ROOT, seccomp: 2 }, refused, false, 'unsupported', /seccomp=unconfined/],
    [ROOT, refused, false, 'denied', /mount failed: Operation not permitted/],
    [USER, 'fusermount3: user has no write access to mountpoint /x', false, 'denied', /a directory that you own/],
    [USER, 'fusermount3: too many FUSE filesystems mounted', false, 'denied', /mount_max/],
  ];
  for (const [facts, said, allowOther, kind, message] of cases) {
    const found = failure(facts, said, allowOther);
    assert.is(found.kind, kind, found.message);
    assert.match(found.message, message);
  }
});

test('the findings name what is missing, and its remedy', () => {
  const bad = findings({ ...USER, helperPath: null, helperIsSetuid: false, device: 'absent', noNewPrivs: true });
  const wrong = bad.filter((finding) => !finding.ok).map((finding) => finding.check);
  assert.equal(wrong, ['fusermount3', 'device', 'no_new_privs']);
  assert.ok(bad.every((finding) => finding.ok || (finding.remedy ?? '') !== ''));
  assert.ok(findings(ROOT).every((finding) => finding.ok));
  const closed = findings({ ...USER, device: 'closed' }).find((finding) => !finding.ok);
  assert.is(closed?.remedy, 'as root: chmod 666 /dev/fuse');
});

test('the facts of this machine can be read', () => {
  const facts = fuseFacts();
  assert.is(facts.isRoot, process.getuid!() === 0);
  assert.ok(['open', 'closed', 'absent'].includes(facts.device));
});

test('the options of the mount', () => {
  assert.is(
    mountOptions({ mountPath: '/x', fsname: 'forkfs:a,b\\c' }),
    'fsname=forkfs:a\\,b\\\\c,subtype=forkfs,nosuid,nodev,default_permissions,max_read=1048576,rw',
  );
  assert.match(mountOptions({ mountPath: '/x', fsname: 'f', readOnly: true, allowOther: true }), /,ro,allow_other$/);
});

test('mount points that cannot be used', () => {
  const place = mkdtempSync(join(tmpdir(), 'forkfs-fuse-test-'));
  const kindOf = (path: string): string | undefined => {
    try {
      mountDirect({ mountPath: path, fsname: 'forkfs:test' });
      return undefined;
    } catch (error) {
      return error instanceof VolumeError ? error.kind : String(error);
    }
  };
  try {
    writeFileSync(join(place, 'file'), '');
    mkdirSync(join(place, 'full', 'of'), { recursive: true });
    assert.is(kindOf(join(place, 'file')), 'invalid');
    assert.is(kindOf(join(place, 'full')), 'invalid');
    assert.is(kindOf(join(place, 'none')), 'not-found');
    assert.is(kindOf('/proc'), 'busy');
  } finally {
    rmSync(place, { recursive: true });
  }
});

test('the list of mounts is read without touching them', () => {
  const [entry, odd] = parseMountInfo(
    '36 35 0:45 / /mnt/a\\040b\\134c rw,nosuid,nodev shared:1 - fuse.forkfs forkfs:v rw,user_id=0,default_permissions\n' +
      '37 35 8:1 /sub /data ro,relatime - ext4 /dev/sda1 rw\n\nnonsense\n',
  );
  assert.equal(
    [entry?.path, entry?.minor, entry?.fsType, entry?.source],
    ['/mnt/a b\\c', 45, 'fuse.forkfs', 'forkfs:v'],
  );
  assert.ok(entry?.options.includes('default_permissions'));
  assert.equal([entry?.isReadOnly, odd?.isReadOnly, odd?.path], [false, true, '/data']);
  assert.is(mountAt('/proc')?.fsType, 'proc');
  assert.is(connectionOf('/proc'), undefined);
});

test('a connection is aborted through its control file', () => {
  const controls = mkdtempSync(join(tmpdir(), 'forkfs-fuse-test-'));
  try {
    assert.is(abortConnection(45, controls), false);
    mkdirSync(join(controls, '45'));
    writeFileSync(join(controls, '45', 'abort'), '');
    assert.is(abortConnection(45, controls), true);
    const [entry] = parseMountInfo('36 35 0:45 / /mnt rw - fuse.forkfs f rw');
    assert.is(liftDirtyLimit(entry!, controls), false);
  } finally {
    rmSync(controls, { recursive: true });
  }
});

mountedTest('the doctor tries a mount and leaves nothing behind', async () => {
  const found = await diagnoseFuse();
  assert.equal(
    found.filter((finding) => !finding.ok),
    [],
  );
  assert.is(found.at(-1)?.check, 'mount');
});

test.run();
