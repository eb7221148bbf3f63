import { suite } from 'uvu';
import * as assert from 'uvu/assert';

import type { Inode } from '../../dist/meta/namespace.js';
import { FILE, openNamespace, openReadOnly, outcome, sql } from './support.ts';

const xattrs = suite('meta: xattrs');
const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1');

xattrs('sets, lists, replaces and removes', () => {
  const { ns, batches, state } = openNamespace();
  const file = ns.create(ns.root, 'f', FILE);
  assert.is(
    outcome(() => ns.getXattr(file, 'user.a')),
    'ENODATA',
  );
  assert.is(ns.hasXattr(file, 'user.a'), false);
  ns.setXattr(file, 'user.a', bytes('1'), 0);
  ns.setXattr(file, 'user.b', bytes(''), 1);
  ns.setXattr(file, 'user.a', bytes('2'), 2);
  assert.is(batches.length, 4);
  assert.equal(ns.listXattrs(file), ['user.a', 'user.b']);
  assert.equal([...ns.getXattr(file, 'user.a')], [50]);
  assert.is(ns.getXattr(file, 'user.b').length, 0);
  assert.equal(
    [...(state.xattrs.get(file.ino) ?? [])],
    [
      ['user.a', '2'],
      ['user.b', ''],
    ],
  );
  ns.removeXattr(file, 'user.a');
  assert.is(
    outcome(() => ns.removeXattr(file, 'user.a')),
    'ENODATA',
  );
  assert.equal(ns.listXattrs(file), ['user.b']);
});

xattrs('obeys the flags and the limits', () => {
  const { ns } = openNamespace();
  const file = ns.create(ns.root, 'f', FILE);
  ns.setXattr(file, 'user.a', bytes('1'), 0);
  const set = (name: string, value: Uint8Array, flags: number): string =>
    outcome(() => ns.setXattr(file, name, value, flags));
  assert.is(set('user.a', bytes(''), 1), 'EEXIST');
  assert.is(set('user.b', bytes(''), 2), 'ENODATA');
  assert.is(set('user.b', bytes(''), 3), 'EINVAL');
  assert.is(set('', bytes(''), 0), 'ERANGE');
  assert.is(set('n'.repeat(256), bytes(''), 0), 'ERANGE');
  assert.is(set('a\0', bytes(''), 0), 'EINVAL');
  assert.is(set('user.\xff', bytes(''), 0), 'EINVAL');
  assert.is(set('user.b', new Uint8Array(65_537), 0), 'E2BIG');
  assert.is(set('n'.repeat(255), new Uint8Array(65_536), 0), 'ok');
});

xattrs('keeps names in UTF-8 and any values through the database', () => {
  const { ns } = openNamespace();
  const file = ns.create(ns.root, 'f', FILE);
  const names = ['user.\xc3\xa9', 'user.\xf0\x9f\x98\x80', 'user.plain', 'user.%'];
  for (const name of names) ns.setXattr(file, name, bytes(`${name}\0\xff`), 0);
  ns.setXattr(file, 'user.empty', bytes(''), 0);
  ns.setXattr(file, 'user.gone', bytes('x'), 0);
  while (ns.writeBehind(100));
  ns.removeXattr(file, 'user.gone');
  ns.setXattr(file, 'user.plain', bytes('new'), 0);
  const image = ns.exportImage();
  const db = new sql.Database(image);
  assert.equal(db.exec('SELECT DISTINCT typeof(name), typeof(value) FROM jfs_xattr')[0]?.values, [['text', 'blob']]);
  assert.equal(db.exec("SELECT count(*) FROM jfs_xattr WHERE name = 'user.é'")[0]?.values, [[1]]);
  db.close();
  const again = openReadOnly(image);
  const found = again.lookup(again.root, 'f') as Inode;
  assert.equal(again.listXattrs(found).toSorted(), [...names, 'user.empty'].toSorted());
  for (const name of names) {
    const value = name === 'user.plain' ? 'new' : `${name}\0\xff`;
    assert.is(Buffer.from(again.getXattr(found, name)).toString('latin1'), value);
  }
  assert.is(again.getXattr(found, 'user.empty').length, 0);
});

xattrs('that somebody else named in other bytes can be read', () => {
  const { ns } = openNamespace();
  const file = ns.create(ns.root, 'f', FILE);
  const db = new sql.Database(ns.exportImage());
  db.run("INSERT INTO jfs_xattr (inode, name, value) VALUES (?, CAST(x'ff61' AS TEXT), x'01')", [file.ino]);
  const again = openReadOnly(db.export());
  db.close();
  const found = again.lookup(again.root, 'f') as Inode;
  assert.equal(again.listXattrs(found), ['\xffa']);
  assert.equal([...again.getXattr(found, '\xffa')], [1]);
});

xattrs('go with their inode', () => {
  const { ns, state } = openNamespace();
  const file = ns.create(ns.root, 'f', FILE);
  ns.setXattr(file, 'user.a', bytes('1'), 0);
  while (ns.writeBehind(100));
  ns.unlink(ns.root, 'f');
  assert.is(state.xattrs.size, 0);
  const db = new sql.Database(ns.exportImage());
  assert.equal(db.exec('SELECT count(*) FROM jfs_xattr')[0]?.values, [[0]]);
  db.close();
});

xattrs.run();
