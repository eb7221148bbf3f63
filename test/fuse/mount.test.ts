// needs: mount
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { invalidateEntry, invalidateInode } from '../../dist/fuse/notify.js';
import { mountAt } from '../../dist/fuse/mounts.js';
import { Count, mountedTest, ServedMount } from './served-mount.ts';
import * as sys from './syscalls.ts';

/** Runs `body` on a mount of its own, and takes it away whatever happens. */
async function onMount(
  options: Parameters<typeof ServedMount.start>[0],
  body: (path: string, mount: ServedMount) => void | Promise<void>,
): Promise<void> {
  const mount = await ServedMount.start(options);
  try {
    await body(mount.path, mount);
  } finally {
    await mount.cleanUp();
  }
}

const codeOf = (body: () => unknown): string | undefined => {
  try {
    body();
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  }
};

mountedTest('creates, reads, lists, renames and removes 10,000 files', async () => {
  await onMount({}, (path) => {
    const directory = join(path, 'many');
    fs.mkdirSync(directory);
    for (let i = 0; i < 10_000; i++) fs.writeFileSync(join(directory, `file-${i}`), `content ${i}`);
    const names = fs.readdirSync(directory);
    assert.is(names.length, 10_000);
    assert.is(new Set(names).size, 10_000);
    assert.is(fs.readFileSync(join(directory, 'file-9999'), 'utf8'), 'content 9999');
    for (let i = 0; i < 10_000; i += 100) fs.renameSync(join(directory, `file-${i}`), join(path, `moved-${i}`));
    assert.is(fs.readdirSync(directory).length, 9_900);
    assert.is(fs.readdirSync(path).length, 101);
    assert.is(fs.statSync(join(path, 'moved-500')).size, 11);
    const entries = fs.readdirSync(path, { withFileTypes: true });
    assert.is(entries.filter((entry) => entry.isDirectory()).length, 1);
    fs.rmSync(directory, { recursive: true });
    assert.is(fs.readdirSync(path).length, 100);
  });
});

mountedTest('carries large files in both directions, with holes and overwrites', async () => {
  await onMount({}, (path) => {
    const file = join(path, 'large');
    const content = Buffer.alloc(9 * 1024 * 1024 + 123);
    for (let i = 0; i < content.length; i += 4) content.writeUInt32LE(i, Math.min(i, content.length - 4));
    fs.writeFileSync(file, content);
    assert.ok(fs.readFileSync(file).equals(content));
    const fd = fs.openSync(file, 'r+');
    fs.writeSync(fd, 'overwritten', 5_000_000);
    fs.writeSync(fd, 'far', 20_000_000);
    fs.fsyncSync(fd);
    fs.fdatasyncSync(fd);
    fs.closeSync(fd);
    content.write('overwritten', 5_000_000);
    const read = fs.readFileSync(file);
    assert.is(read.length, 20_000_003);
    assert.ok(read.subarray(0, content.length).equals(content));
    assert.ok(read.subarray(content.length, 20_000_000).every((byte) => byte === 0));
    assert.is(read.toString('latin1', 20_000_000), 'far');
    fs.truncateSync(file, 5);
    assert.is(fs.statSync(file).size, 5);
    fs.writeFileSync(file, 'new');
    assert.is(fs.readFileSync(file, 'utf8'), 'new');
  });
});

mountedTest('keeps names that are no UTF-8, links, modes, owners and nanoseconds', async () => {
  await onMount({}, (path) => {
    const odd = Buffer.concat([Buffer.from(`${path}/`), Buffer.from([0xff, 0x20, 0x0a, 0xe9])]);
    fs.writeFileSync(odd, 'odd');
    assert.equal(fs.readdirSync(path, 'buffer'), [Buffer.from([0xff, 0x20, 0x0a, 0xe9])]);
    const file = join(path, 'file');
    fs.renameSync(odd, file);
    fs.linkSync(file, join(path, 'link'));
    fs.symlinkSync('no/such/place', join(path, 'symlink'));
    assert.is(fs.readlinkSync(join(path, 'symlink')), 'no/such/place');
    assert.is(fs.statSync(join(path, 'link')).nlink, 2);
    fs.chmodSync(file, 0o4711);
    assert.is(fs.statSync(file).mode, 0o104711);
    execFileSync('touch', ['-d', '1960-02-03T04:05:06.123456789Z', file]);
    assert.is(
      fs.statSync(file, { bigint: true }).mtimeNs,
      BigInt(Date.parse('1960-02-03T04:05:06Z')) * 1_000_000n + 123_456_789n,
    );
    if (process.getuid!() === 0) {
      fs.chownSync(file, 12, 34);
      const { uid, gid, mode } = fs.statSync(file);
      assert.equal([uid, gid, mode], [12, 34, 0o100711], 'chown takes the set-user-id bit');
    }
    execFileSync('mkfifo', [join(path, 'fifo')]);
    assert.ok(fs.statSync(join(path, 'fifo')).isFIFO());
    assert.is(
      codeOf(() => fs.writeFileSync(join(path, 'x'.repeat(256)), '')),
      'ENAMETOOLONG',
    );
    assert.is(
      codeOf(() => fs.statSync(join(path, 'x'.repeat(256)))),
      'ENAMETOOLONG',
    );
    assert.is(
      codeOf(() => fs.rmdirSync(path)),
      'EBUSY',
    );
  });
});

mountedTest('a file stays usable after its unlink while it is open', async () => {
  await onMount({}, (path) => {
    const file = join(path, 'gone');
    const fd = fs.openSync(file, 'w+');
    fs.writeSync(fd, 'before ');
    fs.unlinkSync(file);
    assert.not.ok(fs.existsSync(file));
    fs.writeSync(fd, 'after');
    const content = Buffer.alloc(12);
    assert.is(fs.readSync(fd, content, 0, 12, 0), 12);
    assert.is(content.toString(), 'before after');
    assert.is(fs.fstatSync(fd).nlink, 0);
    fs.ftruncateSync(fd, 3);
    assert.is(fs.fstatSync(fd).size, 3);
    fs.closeSync(fd);
  });
});

mountedTest('has extended attributes', async () => {
  await onMount({}, (path) => {
    const file = join(path, 'file');
    fs.writeFileSync(file, '');
    const value = Buffer.alloc(6000);
    assert.is(sys.setxattr(file, 'user.a', Buffer.from('one'), 3, 0), 0);
    assert.is(sys.setxattr(file, 'user.b', Buffer.alloc(5000, 'x'), 5000, 0), 0);
    assert.is(sys.getxattr(file, 'user.a', value, 6000), 3);
    assert.is(value.toString('latin1', 0, 3), 'one');
    assert.is(sys.getxattr(file, 'user.b', null, 0), 5000);
    assert.is(sys.getxattr(file, 'user.b', value, 4999), -34, 'ERANGE');
    assert.is(sys.getxattr(file, 'user.b', value, 6000), 5000);
    const length = sys.listxattr(file, value, 6000);
    assert.is(value.toString('latin1', 0, length), 'user.a\0user.b\0');
    assert.is(sys.removexattr(file, 'user.a'), 0);
    assert.is(sys.getxattr(file, 'user.a', value, 6000), -61, 'ENODATA');
  });
});

mountedTest('serves statfs, fallocate, seeking for data, copies of ranges and renames with flags', async () => {
  await onMount({}, (path) => {
    const { bsize, blocks, bavail } = fs.statfsSync(path);
    assert.equal([bsize, blocks, bavail], [4096, 1_000_000, 900_000]);
    const [from, to] = [join(path, 'from'), join(path, 'to')];
    const [f, g] = [fs.openSync(from, 'w+'), fs.openSync(to, 'w+')];
    assert.is(sys.fallocate(f, 0, 0, 10_000), 0);
    assert.is(fs.fstatSync(f).size, 10_000);
    fs.writeSync(f, 'hello', 100);
    assert.is(sys.lseek(f, 50, 3), 50);
    assert.is(sys.lseek(f, 50, 4), 10_000);
    assert.is(sys.lseek(f, 10_000, 3), -6, 'ENXIO');
    assert.is(sys.copyFileRange(f, 100, g, 7, 1000), 1000);
    const copied = Buffer.alloc(5);
    fs.readSync(g, copied, 0, 5, 7);
    assert.is(copied.toString(), 'hello');
    assert.is(sys.syncfs(f), 0);
    assert.is(sys.rename2(from, to, 1), -17, 'EEXIST');
    assert.is(sys.rename2(from, to, 2), 0);
    assert.equal([fs.statSync(from).size, fs.statSync(to).size], [1007, 10_000]);
    fs.closeSync(f);
    fs.closeSync(g);
    const directory = fs.openSync(path, 'r');
    fs.fsyncSync(directory);
    fs.closeSync(directory);
  });
});

mountedTest('lists a directory while it changes, without repeating or losing what stays', async () => {
  await onMount({ session: { dirEntryTimeoutMs: 0 } }, (path) => {
    for (let i = 0; i < 2000; i++) fs.writeFileSync(join(path, `f${i}`), '');
    const directory = fs.opendirSync(path, { bufferSize: 1 });
    const seen = new Set<string>();
    for (let entry = directory.readSync(); entry !== null; entry = directory.readSync()) {
      assert.not.ok(seen.has(entry.name), entry.name);
      seen.add(entry.name);
      if (seen.size % 2 === 0) fs.unlinkSync(join(path, entry.name));
    }
    directory.closeSync();
    assert.is(seen.size, 2000);
    assert.is(fs.readdirSync(path).length, 1000);
  });
});

mountedTest('the mount shows its name, its options and that it is read-only', async () => {
  await onMount({ mount: { readOnly: true, fsname: 'forkfs:a,b' }, session: { readOnly: true } }, (path) => {
    const entry = mountAt(path);
    assert.is(entry?.fsType, 'fuse.forkfs');
    assert.is(entry?.source, 'forkfs:a,b');
    assert.ok(entry?.isReadOnly);
    for (const option of ['nosuid', 'nodev', 'default_permissions', 'max_read=1048576']) {
      assert.ok(entry?.options.includes(option), option);
    }
    assert.not.ok(entry?.options.includes('allow_other'));
    assert.is(
      codeOf(() => fs.writeFileSync(join(path, 'x'), '')),
      'EROFS',
    );
  });
});

mountedTest('shows everything as owned by the given user and group', async () => {
  await onMount({ session: { uid: 1234, gid: 5678 } }, (path) => {
    const { uid, gid } = fs.statSync(path);
    assert.equal([uid, gid], [1234, 5678]);
  });
});

mountedTest('works with the kernel-side write-back cache', async () => {
  await onMount({ session: { kernelWriteback: true } }, (path) => {
    const file = join(path, 'file');
    const fd = fs.openSync(file, 'w+');
    for (let i = 0; i < 5000; i++) fs.writeSync(fd, `line ${String(i).padStart(6, '0')}\n`);
    fs.fsyncSync(fd);
    fs.closeSync(fd);
    assert.is(fs.statSync(file).size, 60_000);
    assert.ok(fs.readFileSync(file, 'utf8').endsWith('line 004999\n'));
  });
});

mountedTest('requests that find no room wait and are served in order', async () => {
  await onMount({ waitEvery: 3 }, async (path, mount) => {
    for (let i = 0; i < 300; i++) fs.writeFileSync(join(path, `f${i % 10}`), `content ${i}`);
    await Promise.all(
      Array.from({ length: 100 }, (_, i) => fs.promises.writeFile(join(path, `parallel-${i}`), `${i}`.repeat(100))),
    );
    for (let i = 290; i < 300; i++) assert.is(fs.readFileSync(join(path, `f${i % 10}`), 'utf8'), `content ${i}`);
    for (let i = 0; i < 100; i++) assert.is(fs.readFileSync(join(path, `parallel-${i}`), 'utf8'), `${i}`.repeat(100));
    const outcome = await mount.end();
    assert.equal(outcome, { ended: 'unmounted' });
    assert.ok(mount.counts[Count.WAITS]! > 100);
  });
});

mountedTest('background work and hand-overs get their turn, under load and in silence', async () => {
  await onMount({}, async (path, mount) => {
    for (let i = 0; i < 5000; i++) fs.writeFileSync(join(path, `f${i % 50}`), 'x');
    assert.ok(mount.counts[Count.IDLES]! > 0, 'under load');
    const before = [mount.counts[Count.IDLES]!, mount.counts[Count.BEFORE_SLEEPS]!];
    fs.statSync(join(path, 'f1'));
    fs.unlinkSync(join(path, 'f1'));
    while (mount.counts[Count.IDLES]! === before[0] || mount.counts[Count.BEFORE_SLEEPS]! === before[1]) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  });
});

mountedTest('a notification makes the kernel write a changed mapping back', async () => {
  await onMount({}, async (path, mount) => {
    const file = join(path, 'file');
    fs.writeFileSync(file, Buffer.alloc(4096));
    const fd = fs.openSync(file, 'r+');
    const { ino } = fs.fstatSync(fd);
    const mapping = sys.mapFile(fd, 4096);
    const send = async (message: Uint8Array): Promise<void> => {
      await promisify(fs.write)(mount.fd, message, 0, message.length, null);
    };
    try {
      mapping.view.set(Buffer.from('dirty'));
      assert.is(mount.counts[Count.WRITES], 1);
      await send(invalidateInode(ino));
      assert.is(mount.counts[Count.WRITES], 2);
      assert.is(fs.readFileSync(file, 'latin1').slice(0, 6), 'dirty\0');
      await send(invalidateEntry(1, 'file'));
      assert.is(fs.statSync(file).ino, ino);
    } finally {
      mapping.unmap();
      fs.closeSync(fd);
    }
  });
});

mountedTest('an unmount ends the loop, and so does a message', async () => {
  const first = await ServedMount.start({});
  fs.writeFileSync(join(first.path, 'x'), '');
  const unmounted = await first.end();
  await first.cleanUp();
  assert.is('ended' in unmounted && unmounted.ended, 'unmounted');
  const second = await ServedMount.start({});
  fs.statSync(second.path);
  await second.cleanUp();
  const stopped = await second.outcome;
  assert.ok('ended' in stopped);
});

test.run();
