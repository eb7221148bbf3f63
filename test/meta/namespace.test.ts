import { suite } from 'uvu';
import * as assert from 'uvu/assert';

import { FsError } from '../../dist/base/errors.js';
import { IdAllocator, Namespace, type Inode } from '../../dist/meta/namespace.js';
import {
  DIR,
  FILE,
  listing,
  newImage,
  openNamespace,
  openReadOnly,
  outcome,
  row,
  sorted,
  sql,
  StepClock,
  symlinkTo,
  walk,
} from './support.ts';

const create = suite('meta: create');

create('gives a file its row, its entry and its parent a new time, as one batch', () => {
  const { ns, batches, state } = openNamespace();
  const file = ns.create(ns.root, 'a', { ...FILE, mode: 0o4755 });
  assert.is(batches.length, 1);
  assert.equal(
    { nlink: file.nlink, parent: file.parent, length: file.length, mode: file.mode, type: file.type, uid: file.uid },
    { nlink: 1, parent: 1, length: 0, mode: 0o4755, type: 1, uid: 1000 },
  );
  assert.is(file.atime * 1e9 + file.atimensec, file.ctime * 1e9 + file.ctimensec);
  assert.equal([ns.root.mtime, ns.root.mtimensec, ns.root.ctimensec], [file.mtime, file.mtimensec, file.mtimensec]);
  assert.equal(state.nodes.get(file.ino), row(file));
  assert.equal(state.nodes.get(1), row(ns.root));
  assert.is(ns.lookup(ns.root, 'a'), file);
  assert.is(ns.lookup(ns.root, 'b'), undefined);
});

create('counts directories in their parent and gives every kind its length', () => {
  const { ns } = openNamespace();
  const dir = ns.create(ns.root, 'd', DIR);
  const link = ns.create(dir, 'l', symlinkTo('../where/\xff'));
  const device = ns.create(dir, 'c', { ...FILE, type: 6, rdev: 259 });
  const pipe = ns.create(dir, 'p', { ...FILE, type: 4, rdev: 5 });
  assert.equal([ns.root.nlink, dir.nlink, dir.length, link.length], [3, 2, 4096, 10]);
  assert.equal([device.rdev, pipe.rdev], [259, 0]);
  assert.is(Buffer.from(ns.readlink(link)).toString('latin1'), '../where/\xff');
  assert.is(
    outcome(() => ns.readlink(dir)),
    'EINVAL',
  );
  assert.equal(ns.statfs(), { usedBytes: 4 * 4096, inodes: 4 });
});

create('inherits group and bit in a set-gid directory, and the flag that skips the trash', () => {
  const { ns } = openNamespace();
  const dir = ns.create(ns.root, 'd', { ...DIR, mode: 0o2775, gid: 7 });
  ns.setAttr(dir, { flags: 33 });
  const file = ns.create(dir, 'f', FILE);
  const sub = ns.create(dir, 's', DIR);
  assert.equal([file.gid, file.mode, file.flags], [7, 0o644, 32]);
  assert.equal([sub.gid, sub.mode], [7, 0o2755]);
});

create('refuses bad names, taken names, and parents that are none', () => {
  const { ns, batches } = openNamespace();
  const file = ns.create(ns.root, 'f', FILE);
  const dir = ns.create(ns.root, 'd', DIR);
  ns.hold(dir);
  ns.rmdir(ns.root, 'd');
  const before = batches.length;
  const make = (parent: Inode, name: string): string => outcome(() => ns.create(parent, name, FILE));
  assert.is(make(ns.root, 'f'), 'EEXIST');
  assert.is(make(ns.root, ''), 'ENOENT');
  assert.is(make(ns.root, 'x'.repeat(256)), 'ENAMETOOLONG');
  for (const name of ['a/b', 'a\0', '.', '..']) assert.is(make(ns.root, name), 'EINVAL');
  assert.is(make(file, 'x'), 'ENOTDIR');
  assert.is(make(dir, 'x'), 'ENOENT');
  assert.is(
    outcome(() => ns.lookup(file, 'x')),
    'ENOTDIR',
  );
  assert.is(
    outcome(() => ns.create(ns.root, 's', symlinkTo(''))),
    'ENOENT',
  );
  assert.is(
    outcome(() => ns.create(ns.root, 's', symlinkTo('a\0b'))),
    'EINVAL',
  );
  assert.is(
    outcome(() => ns.create(ns.root, 's', symlinkTo('x'.repeat(4096)))),
    'ENAMETOOLONG',
  );
  assert.is(batches.length, before);
  ns.create(ns.root, 'x'.repeat(255), FILE);
  ns.create(ns.root, '\xff\xfe.stats', FILE);
});

create('ends with ENOSPC at the limit of inodes and at the end of the ids', () => {
  const { ns } = openNamespace({ limits: { volumeInodes: 2 } });
  ns.create(ns.root, 'a', FILE);
  ns.create(ns.root, 'b', FILE);
  assert.is(
    outcome(() => ns.create(ns.root, 'c', FILE)),
    'ENOSPC',
  );
  ns.unlink(ns.root, 'a');
  ns.create(ns.root, 'c', FILE);
  const ids = new IdAllocator(5, 7);
  assert.equal([ids.next(), ids.next(), ids.remaining], [5, 6, 0]);
  assert.is(
    outcome(() => ids.next()),
    'ENOSPC',
  );
});

create.run();

const link = suite('meta: link and unlink');

link('loses the parent for good when it links, and counts the links', () => {
  const { ns, state } = openNamespace();
  const dir = ns.create(ns.root, 'd', DIR);
  const file = ns.create(ns.root, 'f', FILE);
  ns.link(file, dir, 'g');
  assert.equal([file.nlink, file.parent], [2, 0]);
  ns.unlink(ns.root, 'f');
  assert.equal([file.nlink, file.parent], [1, 0]);
  assert.equal(state.nodes.get(file.ino), row(file));
  ns.rename(dir, 'g', ns.root, 'h', 0);
  assert.is(file.parent, 0);
  assert.is(ns.statfs().inodes, 2);
});

link('refuses directories, nameless files and the link beyond the limit', () => {
  const { ns } = openNamespace();
  const dir = ns.create(ns.root, 'd', DIR);
  const file = ns.create(ns.root, 'f', FILE);
  assert.is(
    outcome(() => ns.link(dir, ns.root, 'e')),
    'EPERM',
  );
  assert.is(
    outcome(() => ns.link(file, ns.root, 'd')),
    'EEXIST',
  );
  file.nlink = 65_000;
  assert.is(
    outcome(() => ns.link(file, ns.root, 'g')),
    'EMLINK',
  );
  file.nlink = 1;
  ns.hold(file);
  ns.unlink(ns.root, 'f');
  assert.is(
    outcome(() => ns.link(file, ns.root, 'g')),
    'ENOENT',
  );
});

link('deletes a node that nobody holds in the same batch', () => {
  const { ns, batches, state } = openNamespace();
  const file = ns.create(ns.root, 'f', FILE);
  ns.unlink(ns.root, 'f');
  assert.is(batches.length, 2);
  assert.is(state.nodes.has(file.ino), false);
  assert.is(ns.inode(file.ino), undefined);
  assert.equal(ns.statfs(), { usedBytes: 0, inodes: 0 });
  assert.is(
    outcome(() => ns.setAttr(file, { mode: 0 })),
    'ESTALE',
  );
});

link('keeps an orphan while a handle or the kernel holds it', () => {
  const { ns, batches, state } = openNamespace();
  const file = ns.create(ns.root, 'f', FILE);
  ns.looked(file);
  ns.looked(file);
  ns.hold(file);
  ns.wrote(file, 5000, 1, 2);
  ns.unlink(ns.root, 'f');
  assert.is(state.nodes.get(file.ino)?.nlink, 0);
  assert.equal(ns.statfs(), { usedBytes: 8192, inodes: 1 });
  ns.setAttr(file, { length: 1 });
  ns.forget(file.ino, 1);
  ns.drop(file);
  assert.is(ns.inode(file.ino), file);
  const before = batches.length;
  ns.forget(file.ino, 1);
  assert.is(batches.length, before + 1);
  assert.is(ns.inode(file.ino), undefined);
  assert.is(state.nodes.has(file.ino), false);
  assert.equal(ns.statfs(), { usedBytes: 0, inodes: 0 });
});

link('removes empty directories only, and each kind by its own call', () => {
  const { ns, state } = openNamespace();
  const dir = ns.create(ns.root, 'd', DIR);
  ns.create(dir, 'f', FILE);
  assert.is(
    outcome(() => ns.rmdir(ns.root, 'd')),
    'ENOTEMPTY',
  );
  assert.is(
    outcome(() => ns.rmdir(dir, 'f')),
    'ENOTDIR',
  );
  assert.is(
    outcome(() => ns.unlink(ns.root, 'd')),
    'EISDIR',
  );
  assert.is(
    outcome(() => ns.unlink(ns.root, 'x')),
    'ENOENT',
  );
  assert.is(
    outcome(() => ns.rmdir(ns.root, 'x')),
    'ENOENT',
  );
  ns.unlink(dir, 'f');
  ns.looked(dir);
  ns.rmdir(ns.root, 'd');
  assert.equal([ns.root.nlink, dir.nlink], [2, 0]);
  assert.is(ns.lookup(dir, 'f'), undefined);
  assert.equal(listing(ns, dir.ino), []);
  ns.forget(dir.ino, 1);
  assert.equal([...state.nodes.keys()], [1]);
});

link('remembers removals that the database has not heard of', () => {
  const first = openNamespace();
  const dir = first.ns.create(first.ns.root, 'd', DIR);
  for (const name of ['a', 'b', 'c']) first.ns.create(dir, name, FILE);
  const { ns } = openNamespace({ image: first.ns.exportImage(), firstId: 2 ** 41 });
  const again = ns.lookup(ns.root, 'd') as Inode;
  for (const name of ['a', 'b', 'c']) {
    const ino = ns.lookup(again, name)?.ino as number;
    ns.unlink(again, name);
    assert.is(ns.lookup(again, name), undefined);
    assert.is(ns.inode(ino), undefined);
  }
  ns.rmdir(ns.root, 'd');
  assert.is(walk(openReadOnly(ns.exportImage())).nodes.size, 1);
});

link.run();

const attributes = suite('meta: attributes');

attributes('changes columns as one batch, with the time of the call unless a ctime is given', () => {
  const { ns, batches, state } = openNamespace();
  const file = ns.create(ns.root, 'f', FILE);
  const created = file.ctimensec;
  ns.setAttr(file, { mode: 0o100600, uid: 4_000_000_000, mtime: -1, mtimensec: 999_999_999 });
  assert.equal([file.mode, file.uid, file.mtime, file.mtimensec], [0o600, 4_000_000_000, -1, 999_999_999]);
  assert.is.not(file.ctimensec, created);
  ns.setAttr(file, { ctime: 5, ctimensec: 6 });
  assert.equal([file.ctime, file.ctimensec], [5, 6]);
  assert.is(batches.length, 3);
  assert.equal(state.nodes.get(file.ino), row(file));
});

attributes('keeps nanoseconds before and after 1970 through the database, and bounds the years', () => {
  const { ns } = openNamespace();
  const times: [number, number][] = [
    ...([
      [0, 0],
      [-1, 1],
      [-1, 999_999_999],
      [-9_007_199_253, 123_456_789],
    ] as [number, number][]),
    ...([
      [4_102_444_800, 999_999_001],
      [9_007_199_253, 999_999_999],
      [1, 1000],
    ] as [number, number][]),
  ];
  for (const [index, [sec, nsec]] of times.entries()) {
    const file = ns.create(ns.root, `f${index}`, FILE);
    ns.setAttr(file, { atime: sec, atimensec: nsec, mtime: sec, mtimensec: nsec, ctime: sec, ctimensec: nsec });
  }
  ns.setAttr(ns.create(ns.root, 'late', FILE), { mtime: 1e15, atime: -1e15 });
  const again = openReadOnly(ns.exportImage());
  for (const [index, [sec, nsec]] of times.entries()) {
    const file = again.lookup(again.root, `f${index}`) as Inode;
    assert.equal([file.atime, file.atimensec, file.mtime, file.mtimensec], [sec, nsec, sec, nsec]);
    assert.equal([file.ctime, file.ctimensec], [sec, nsec]);
  }
  const late = again.lookup(again.root, 'late') as Inode;
  assert.equal([late.mtime, late.atime], [9_007_199_253, -9_007_199_253]);
});

attributes('accounts for lengths exactly, whoever changed them', () => {
  const { ns, batches, state } = openNamespace();
  const file = ns.create(ns.root, 'f', FILE);
  const used = (): number => ns.statfs().usedBytes;
  assert.is(used(), 4096);
  ns.wrote(file, 4097, 10, 11);
  assert.equal([used(), file.mtime, file.ctimensec, batches.length], [8192, 10, 11, 1]);
  file.length = 1;
  ns.changed(file, (writer) => writer.zero(file.ino, 0, 1, 4096));
  assert.equal([used(), batches.length], [4096, 2]);
  assert.equal(state.extras, [['zero', file.ino, 0, 1, 4096]]);
  ns.setAttr(file, { length: 10_000_000_000_001 });
  assert.is(used(), 10_000_000_004_096);
  ns.setAttr(ns.root, { mode: 0o700 });
  ns.unlink(ns.root, 'f');
  assert.equal(ns.statfs(), { usedBytes: 0, inodes: 0 });
});

attributes('starts from the counters of the image', () => {
  const { ns } = openNamespace();
  ns.create(ns.root, 'f', FILE);
  const db = new sql.Database(ns.exportImage());
  db.run("UPDATE jfs_counter SET value = 12288 WHERE name = 'usedSpace'");
  db.run("UPDATE jfs_counter SET value = 3 WHERE name = 'totalInodes'");
  const { ns: again } = openNamespace({ image: db.export(), firstId: 2 ** 41 });
  db.close();
  assert.equal(again.statfs(), { usedBytes: 12288, inodes: 3 });
  again.unlink(again.root, 'f');
  assert.equal(again.statfs(), { usedBytes: 8192, inodes: 2 });
});

attributes('changes nothing when it is read-only', () => {
  const first = openNamespace();
  const made = first.ns.create(first.ns.root, 'f', FILE);
  first.ns.setXattr(made, 'user.a', new Uint8Array(1), 0);
  const image = first.ns.exportImage();
  const ns = openReadOnly(image);
  const file = ns.lookup(ns.root, 'f') as Inode;
  const calls = [
    () => ns.create(ns.root, 'g', FILE),
    () => ns.link(file, ns.root, 'g'),
    () => ns.unlink(ns.root, 'f'),
    () => ns.rmdir(ns.root, 'f'),
    () => ns.rename(ns.root, 'f', ns.root, 'g', 0),
    () => ns.setAttr(file, { mode: 0 }),
    () => ns.changed(file),
    () => ns.setXattr(file, 'user.a', new Uint8Array(0), 0),
    () => ns.removeXattr(file, 'user.a'),
  ];
  for (const call of calls) assert.is(outcome(call), 'EROFS');
  ns.hold(file);
  ns.drop(file);
  assert.is(ns.readOnly, true);
  assert.equal(sorted(walk(ns)), sorted(walk(openReadOnly(image))));
});

attributes('refuses every change once the log has failed', () => {
  let room = 1;
  const ns = Namespace.open(newImage(), {
    sql,
    journal: {
      appendRows() {
        if (room-- <= 0) throw new FsError('EIO', { message: 'disk' });
        return 0;
      },
    },
    ids: new IdAllocator(2, 100),
    clock: new StepClock(),
  });
  const file = ns.create(ns.root, 'a', FILE);
  ns.hold(file);
  assert.is(
    outcome(() => ns.unlink(ns.root, 'a')),
    'EIO',
  );
  room = 1000;
  assert.is(
    outcome(() => ns.create(ns.root, 'c', FILE)),
    'EIO',
  );
  ns.drop(file);
});

attributes('opens an image with a trash, whose inode numbers no JavaScript number holds', () => {
  const { ns } = openNamespace();
  const file = ns.create(ns.root, 'f', FILE);
  ns.link(file, ns.root, 'g');
  const db = new sql.Database(ns.exportImage());
  const trash = '9223372032828243968';
  db.run(`INSERT INTO jfs_node SELECT ${trash}, type, flags, mode, uid, gid, atime, mtime, ctime, 0, 0, 0, 2, 4096,
    0, 1, 0, 0, 0 FROM jfs_node WHERE inode = 1`);
  db.run(`INSERT INTO jfs_edge VALUES (77, ${trash}, CAST('2026-01-01-00' AS BLOB), ${trash} + 1, 2)`);
  db.run(`UPDATE jfs_node SET rdev = NULL, parent = NULL, access_acl_id = NULL, tier_id = NULL WHERE inode > 1`);
  const image = db.export();
  db.close();
  // As JuiceFS leaves a file behind: its header says WAL.
  image[18] = image[19] = 2;
  const { ns: again } = openNamespace({ image, firstId: 2 ** 41 });
  again.create(again.root, 'h', FILE);
  assert.equal(
    listing(again, 1).map((entry) => [entry.name, entry.id]),
    [
      ['f', 1],
      ['g', 2],
      ['h', 78],
    ],
  );
  const found = again.lookup(again.root, 'g') as Inode;
  assert.equal([found.nlink, found.parent, found.rdev], [2, 0, 0]);
  again.unlink(again.root, 'f');
  assert.is(walk(openReadOnly(again.exportImage())).edges.size, 2);
});

attributes('opens an empty volume without an image', () => {
  const ns = Namespace.open(null, { sql, journal: null, ids: null, clock: new StepClock() });
  assert.equal([ns.root.mode, ns.root.nlink, listing(ns, 1).length], [0o777, 2, 0]);
  ns.close();
});

attributes.run();
