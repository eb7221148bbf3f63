import * as assert from 'uvu/assert';

import { type Namespace, type Inode, type NamespaceLimits } from '../../dist/meta/namespace.js';
import { openNamespace, openReadOnly, outcome, row, seeded, sorted, symlinkTo, walk } from './support.ts';

/** A file system as one would write it down in ten minutes: the other opinion. */
interface ModelNode {
  ino: number;
  type: number;
  mode: number;
  length: number;
  target: string;
  hasLinked: boolean;
  entries: Map<string, ModelNode>;
  xattrs: Map<string, string>;
  opens: number;
}

const NAMES = ['a', 'b', 'c', 'd', 'e\xff', 'f', 'g', 'h', 'i'];
const XATTRS = ['user.a', 'user.b', 'user.\xc3\xbe'];

function newNode(ino: number, type: number, mode: number): ModelNode {
  const length = type === 2 ? 4096 : 0;
  const node = { ino, type, mode, length, target: '', hasLinked: false, opens: 0 };
  return { ...node, entries: new Map<string, ModelNode>(), xattrs: new Map<string, string>() };
}

/**
 * A random run: each operation is done to the namespace and to the naive model, which must agree on what happens, and
 * noted as the log would have it.
 */
export class Run {
  readonly root = newNode(1, 2, 0o777);
  readonly random: (below: number) => number;
  readonly limits: Partial<NamespaceLimits>;
  opened: ReturnType<typeof openNamespace>;
  /** Open handles, with the inode objects that they keep. */
  readonly handles: { node: ModelNode; inode: Inode }[] = [];
  changes = 0;
  #firstId = 2 ** 40;
  /** One slice for each write. */
  #nextSlice = 2 ** 45;
  readonly outcomes = new Map<string, number>();

  constructor(seed: number, limits: Partial<NamespaceLimits>) {
    this.random = seeded(seed);
    this.limits = limits;
    this.opened = openNamespace({ limits });
  }

  get ns(): Namespace {
    return this.opened.ns;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.random(from.length)] as T;
  }

  /** A random directory, by a random way down. */
  directory(): ModelNode {
    let at = this.root;
    for (let depth = this.random(5); depth > 0; depth--) {
      const below = [...at.entries.values()].filter((node) => node.type === 2);
      if (below.length === 0) break;
      at = this.pick(below);
    }
    return at;
  }

  inode(node: ModelNode): Inode {
    const held = this.handles.find((handle) => handle.node === node);
    const inode = this.ns.inode(node.ino);
    if (inode === undefined) throw new Error(`inode ${node.ino} is not there`);
    if (held !== undefined) assert.is(inode, held.inode, 'an inode that is held is one object');
    return inode;
  }

  /** Both opinions must agree on what happens. */
  both(what: string, expected: string, call: () => void): boolean {
    const before = this.opened.batches.length;
    const got = outcome(call);
    assert.is(got, expected, what);
    const key = `${what.split(' ')[0]} ${got}`;
    this.outcomes.set(key, (this.outcomes.get(key) ?? 0) + 1);
    if (got === 'ok' && this.opened.batches.length !== before) {
      assert.is(this.opened.batches.length, before + 1, `${what}: one batch`);
      this.changes += 1;
    }
    if (got !== 'ok') assert.is(this.opened.batches.length, before, `${what}: no batch`);
    return got === 'ok';
  }

  create(): void {
    const dir = this.directory();
    const name = this.pick(NAMES);
    const type = this.pick([1, 1, 2, 2, 3, 4]);
    const mode = this.random(0o1000);
    const expected = dir.entries.has(name) ? 'EEXIST' : 'ok';
    const what = type === 3 ? symlinkTo(`to-${mode}`) : { type, mode, uid: 1, gid: 2 };
    this.both(`create ${name}`, expected, () => {
      const inode = this.ns.create(this.inode(dir), name, what as never);
      const node = newNode(inode.ino, type, type === 3 ? 0o777 : mode);
      if (type === 2) node.mode |= dir.mode & 0o2000;
      if (type === 3) [node.target, node.length] = [`to-${mode}`, `to-${mode}`.length];
      dir.entries.set(name, node);
    });
  }

  link(): void {
    const [from, to] = [this.directory(), this.directory()];
    const node = this.pick([...from.entries.values(), undefined]);
    if (node === undefined) return;
    const name = this.pick(NAMES);
    const expected = node.type === 2 ? 'EPERM' : to.entries.has(name) ? 'EEXIST' : 'ok';
    if (this.both(`link ${name}`, expected, () => this.ns.link(this.inode(node), this.inode(to), name))) {
      to.entries.set(name, node);
      node.hasLinked = true;
    }
  }

  remove(): void {
    const dir = this.directory();
    const name = this.pick(NAMES);
    const node = dir.entries.get(name);
    const isRmdir = this.random(2) === 0;
    let expected = 'ok';
    if (node === undefined) expected = 'ENOENT';
    else if (isRmdir) expected = node.type !== 2 ? 'ENOTDIR' : node.entries.size > 0 ? 'ENOTEMPTY' : 'ok';
    else if (node.type === 2) expected = 'EISDIR';
    const call = (): void => (isRmdir ? this.ns.rmdir(this.inode(dir), name) : this.ns.unlink(this.inode(dir), name));
    if (this.both(`${isRmdir ? 'rmdir' : 'unlink'} ${name}`, expected, call)) dir.entries.delete(name);
  }

  rename(): void {
    const [from, to] = [this.directory(), this.directory()];
    const [name, newName] = [this.pick(NAMES), this.pick(NAMES)];
    const flags = this.pick([0, 0, 0, 1, 2, 2]);
    const [node, over] = [from.entries.get(name), to.entries.get(newName)];
    const expected = this.expectedRename(from, to, node, over, flags);
    const call = (): void => this.ns.rename(this.inode(from), name, this.inode(to), newName, flags);
    if (!this.both(`rename-${flags} ${name} ${newName}`, expected, call)) return;
    if (node === undefined || node === over) return;
    if (flags === 2 && over !== undefined) from.entries.set(name, over);
    else from.entries.delete(name);
    to.entries.set(newName, node);
  }

  expectedRename(
    from: ModelNode,
    to: ModelNode,
    node: ModelNode | undefined,
    over: ModelNode | undefined,
    flags: number,
  ): string {
    if (node === undefined) return 'ENOENT';
    if (flags === 2 && over === undefined) return 'ENOENT';
    if (flags === 1 && over !== undefined) return 'EEXIST';
    if (node === over) return 'ok';
    if (contains(node, to) || (flags === 2 && over !== undefined && contains(over, from))) return 'EINVAL';
    if (flags === 2 || over === undefined) return 'ok';
    if (node.type !== 2) return over.type === 2 ? 'EISDIR' : 'ok';
    if (over.type !== 2) return 'ENOTDIR';
    return over.entries.size > 0 ? 'ENOTEMPTY' : 'ok';
  }

  attributes(): void {
    const node = this.pick([...this.directory().entries.values(), this.root]);
    const mode = this.random(0o10000);
    this.both('setattr', 'ok', () =>
      this.ns.setAttr(this.inode(node), { mode, mtime: -this.random(1000), mtimensec: 7 }),
    );
    node.mode = mode;
  }

  write(): void {
    const node = this.pick([...this.directory().entries.values(), this.root]);
    if (node.type !== 1) return;
    const length = this.random(20_000);
    const inode = this.inode(node);
    const isWrite = this.random(2) === 0;
    this.both(isWrite ? 'write' : 'truncate', 'ok', () => {
      if (isWrite) return this.#writeAt(inode, length);
      const cut = inode.length - length;
      if (cut > 0) this.ns.chunk(inode, 0).zero(length, cut);
      inode.length = length;
      return this.ns.changed(inode, (rows) => {
        if (cut > 0) rows.zero(inode.ino, 0, length, cut);
      });
    });
    node.length = inode.length;
  }

  /** As the data plane does it: a WRITE record, the overlay, `wrote`. */
  #writeAt(inode: Inode, end: number): void {
    const pos = this.random(end + 1);
    const len = end - pos;
    if (len === 0) return;
    const length = Math.max(inode.length, end);
    const piece = { ino: inode.ino, indx: 0, pos, pack: this.#nextSlice++, off: 0, len };
    const write = { ...piece, length, sec: 1_800_000_000, nsec: this.random(1_000_000_000) };
    this.ns.chunk(inode, 0).overlay(pos, len, write.pack, len, 0);
    this.ns.wrote(inode, length, write.sec, write.nsec);
    this.opened.log.push({ write });
    // To the index the record says it; here the state is told the same.
    this.opened.state.putNode(row(inode));
  }

  xattr(): void {
    const node = this.pick([...this.directory().entries.values(), this.root]);
    const name = this.pick(XATTRS);
    const has = node.xattrs.has(name);
    if (this.random(3) === 0) {
      if (this.both('removexattr', has ? 'ok' : 'ENODATA', () => this.ns.removeXattr(this.inode(node), name))) {
        node.xattrs.delete(name);
      }
      return;
    }
    const flags = this.random(3);
    const value = 'v'.repeat(this.random(5));
    const expected = flags === 1 && has ? 'EEXIST' : flags === 2 && !has ? 'ENODATA' : 'ok';
    const call = (): void => this.ns.setXattr(this.inode(node), name, Buffer.from(value), flags);
    if (this.both('setxattr', expected, call)) node.xattrs.set(name, value);
  }

  handle(): void {
    if (this.handles.length > 0 && this.random(2) === 0) {
      const [closed] = this.handles.splice(this.random(this.handles.length), 1);
      if (closed !== undefined) this.ns.drop(closed.inode);
      return;
    }
    const node = this.pick([...this.directory().entries.values(), this.root]);
    if (node === this.root) return;
    const inode = this.inode(node);
    this.ns.hold(inode);
    this.handles.push({ node, inode });
  }

  dropAll(): void {
    for (const { inode } of this.handles.splice(0)) this.ns.drop(inode);
  }

  step(): void {
    const choice = this.random(100);
    if (choice < 25) this.create();
    else if (choice < 33) this.link();
    else if (choice < 50) this.remove();
    else if (choice < 68) this.rename();
    else if (choice < 75) this.attributes();
    else if (choice < 82) this.write();
    else if (choice < 90) this.xattr();
    else if (choice < 95) this.handle();
    else this.ns.writeBehind(this.random(4));
  }

  /** What the tree says, what the batches say and what the naive model says are the same. */
  check(): void {
    const shown = walk(this.ns);
    for (const { inode } of this.handles) {
      if (inode.nlink === 0) shown.putNode(row(inode));
    }
    for (const { node, inode } of this.handles) {
      if (inode.nlink > 0) continue;
      if (node.target !== '') shown.targets.set(node.ino, node.target);
      if (node.xattrs.size > 0) shown.xattrs.set(node.ino, new Map(node.xattrs));
    }
    assert.equal(sorted(shown), sorted(this.opened.state));
    this.compare();
    const nodes = [...shown.nodes.values()].filter((node) => node.ino !== 1);
    const charged = nodes.map((node) =>
      node.type === 1 && node.length > 0 ? Math.ceil(node.length / 4096) * 4096 : 4096,
    );
    assert.equal(this.ns.statfs(), { usedBytes: charged.reduce((a, b) => a + b, 0), inodes: nodes.length });
  }

  compare(): void {
    const places = new Map<ModelNode, ModelNode[]>();
    const todo = [this.root];
    for (let dir = todo.pop(); dir !== undefined; dir = todo.pop()) {
      for (const [name, node] of dir.entries) {
        assert.is(this.ns.lookup(this.inode(dir), name)?.ino, node.ino);
        if (node.type === 2) todo.push(node);
        places.set(node, [...(places.get(node) ?? []), dir]);
      }
      const subdirectories = [...dir.entries.values()].filter((node) => node.type === 2).length;
      assert.is(this.inode(dir).nlink, 2 + subdirectories);
      for (const name of NAMES) {
        if (!dir.entries.has(name)) assert.is(this.ns.lookup(this.inode(dir), name), undefined);
      }
    }
    for (const [node, parents] of places) {
      const inode = this.inode(node);
      if (node.type !== 2) assert.is(inode.nlink, parents.length);
      assert.is(inode.parent, node.hasLinked ? 0 : parents[0]?.ino);
      assert.equal([inode.mode, inode.length, inode.type], [node.mode, node.length, node.type]);
      if (node.type === 3) assert.is(Buffer.from(this.ns.readlink(inode)).toString(), node.target);
      const xattrs = this.ns
        .listXattrs(inode)
        .map((name) => [name, Buffer.from(this.ns.getXattr(inode, name)).toString()]);
      assert.equal(xattrs.toSorted(), [...node.xattrs].toSorted());
    }
  }

  /** Goes on from the database alone. */
  reopen(): void {
    this.dropAll();
    this.check();
    const image = this.ns.exportImage();
    assert.equal(sorted(walk(openReadOnly(image, { inodes: 10, dentries: 10 }))), sorted(this.opened.state));
    this.ns.close();
    this.#firstId *= 2;
    this.opened = openNamespace({ image, limits: this.limits, firstId: this.#firstId });
  }
}

function contains(node: ModelNode, inner: ModelNode): boolean {
  if (node.type !== 2) return false;
  return node === inner || [...node.entries.values()].some((below) => contains(below, inner));
}
