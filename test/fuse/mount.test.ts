import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { invalidateEntry, invalidateInode } from '../../dist/fuse/notify.js';
import { mountAt } from '../../dist/fuse/mounts.js';
import { Count, mountedTest, ServedMount } from './served-mount.ts';

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
    const script = `
import os, errno
p = ${JSON.stringify(join(path, 'file'))}
open(p, 'w').close()
os.setxattr(p, 'user.a', b'one')
os.setxattr(p, 'user.b', b'x' * 5000)
assert os.getxattr(p, 'user.a') == b'one'
assert os.getxattr(p, 'user.b') == b'x' * 5000
assert sorted(os.listxattr(p)) == ['user.a', 'user.b']
os.removexattr(p, 'user.a')
try: os.getxattr(p, 'user.a'); raise SystemExit('still there')
except OSError as e: assert e.errno == errno.ENODATA
`;
    const python = spawnSync('python3', ['-c', script], { encoding: 'utf8' });
    assert.is(python.stderr, '');
    assert.is(python.status, 0);
  });
});

mountedTest('serves statfs, fallocate, seeking for data, copies of ranges and renames with flags', async () => {
  await onMount({}, (path) => {
    const { bsize, blocks, bavail } = fs.statfsSync(path);
    assert.equal([bsize, blocks, bavail], [4096, 1_000_000, 900_000]);
    const script = `
import os, ctypes
os.chdir(${JSON.stringify(path)})
f = os.open('f', os.O_RDWR | os.O_CREAT)
os.posix_fallocate(f, 0, 10000)
assert os.fstat(f).st_size == 10000
os.pwrite(f, b'hello', 100)
assert os.lseek(f, 50, os.SEEK_DATA) == 50
assert os.lseek(f, 50, os.SEEK_HOLE) == 10000
g = os.open('g', os.O_RDWR | os.O_CREAT)
assert os.copy_file_range(f, g, 1000, 100, 7) == 1000
assert os.pread(g, 5, 7) == b'hello'
libc = ctypes.CDLL(None, use_errno=True)
rename2 = lambda a, b, flags: libc.renameat2(-100, a, -100, b, flags)
assert rename2(b'f', b'g', 1) == -1 and ctypes.get_errno() == 17
assert rename2(b'f', b'g', 2) == 0
assert os.stat('f').st_size == 1007 and os.stat('g').st_size == 10000
assert libc.syncfs(f) == 0
d = os.open('.', os.O_RDONLY); os.fsync(d); os.close(d)
`;
    const python = spawnSync('python3', ['-c', script], { encoding: 'utf8' });
    assert.is(python.stderr, '');
    fs.rmSync(join(path, 'f'));
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
  const script = `
import mmap, sys
f = open(sys.argv[1], 'r+b')
m = mmap.mmap(f.fileno(), 4096)
m[:5] = b'dirty'
print('changed', flush=True)
sys.stdin.read()
`;
  await onMount({}, async (path, mount) => {
    const file = join(path, 'file');
    fs.writeFileSync(file, Buffer.alloc(4096));
    const { ino } = fs.statSync(file);
    const child = spawn('python3', ['-c', script, file], { stdio: ['pipe', 'pipe', 'inherit'] });
    try {
      await once(child.stdout, 'data');
      assert.is(mount.counts[Count.WRITES], 1);
      const message = invalidateInode(ino);
      assert.is(
        await promisify(fs.write)(mount.fd, message, 0, message.length, null).then((done) => done.bytesWritten),
        40,
      );
      assert.is(mount.counts[Count.WRITES], 2);
      assert.is(fs.readFileSync(file, 'latin1').slice(0, 6), 'dirty\0');
      const entry = invalidateEntry(1, 'file');
      await promisify(fs.write)(mount.fd, entry, 0, entry.length, null);
      assert.is(fs.statSync(file).ino, ino);
    } finally {
      child.kill('SIGKILL');
      await once(child, 'exit');
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
