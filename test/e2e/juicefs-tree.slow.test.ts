/** A tree of more than 10,000 files, copied into a volume and changed over several commits, as the real juicefs sees it. */
// needs: mount
import { mkdirSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  assertSame,
  juicefsSuite,
  manifestOf,
  shownByJuicefs,
  shownByUs,
  WITH_SIBLINGS,
  withoutDirectorySizes,
} from './juicefs.ts';
import { python, sh } from './programs.ts';
import { makeTree, root } from './support.ts';

const tests = suite('a large tree in juicefs');
const { work, check } = juicefsSuite(tests);

/** Ten thousand small files of many kinds, some large ones, and all that a tree can hold besides. */
const MAKE = `
import os, random, sys
os.chdir(sys.argv[1])
r = random.Random(4711)
for i in range(10000):
    d = f'many/{i % 23}/{i % 7}'
    os.makedirs(d, exist_ok=True)
    p = f'{d}/f{i}'
    with open(p, 'wb') as f: f.write(r.randbytes(i % 300))
    if i % 50 == 0: os.setxattr(p, 'user.n', str(i).encode())
    if i % 97 == 0: os.link(p, f'many/hard{i}')
    if i % 101 == 0: os.symlink(f'../{p}', f'many/sym{i}')
    if i % 113 == 0: os.chmod(p, 0o4711)
    if i % 211 == 0 and os.getuid() == 0: os.chown(p, 1000 + i, 2000 + i)
    if i % 127 == 0: os.chmod(p, 0o2755)
os.makedirs('bare/in/bare'); os.chmod('bare/in', 0o1777); os.chmod('bare', 0o2750)
os.setxattr('bare/in', 'user.binary', bytes(range(256)))
for name in (b'new\\nline', b'tab\\there', b' ', b'-rf', b'%41%', b'\\xc3\\xa9', b'e\\xcc\\x81', b'\\x80\\x81', b'a' * 255, b'.stats2'):
    open(b'odd-' + name if len(name) < 250 else name, 'wb').write(name)
os.symlink(b'\\xff/nowhere', b'odd-link'); os.symlink('x' * 3000, 'long-link')
with open('sparse', 'wb') as f:
    for at in (0, 5 << 20, (64 << 20) - 7, 200 << 20): f.seek(at); f.write(r.randbytes(3 << 20 if at == 0 else 20000))
    f.truncate(300 << 20)
with open('rewritten', 'wb') as f:
    f.write(r.randbytes(12 << 20))
    for _ in range(200): f.seek(r.randrange(12 << 20)); f.write(r.randbytes(r.randrange(1, 50000)))
`;

/** The same changes wherever it runs. */
const CHANGE = `
import os, random, shutil, sys
os.chdir(sys.argv[1])
r = random.Random(42)
shutil.rmtree('many/3'); os.rename('many/4', 'moved'); os.unlink('many/hard97'); os.rename('many/22', 'many/21/0/below')
os.replace('many/5/0/f28', 'many/6/0/f98'); os.rename('many/hard194', 'moved/hard'); os.rmdir('bare/in/bare')
with open('big', 'r+b') as f:
    f.seek(5 << 20); f.write(b'again' * 1000); f.truncate(60 << 20); f.seek(80 << 20); f.write(b'tail')
with open('rewritten', 'r+b') as f:
    for _ in range(100): f.seek(r.randrange(14 << 20)); f.write(r.randbytes(r.randrange(1, 9000)))
with open('sparse', 'r+b') as f: f.truncate(100 << 20); f.truncate(130 << 20); f.seek(110 << 20); f.write(b'x')
with open('reserved', 'wb') as f: os.posix_fallocate(f.fileno(), 0, 100000)
for i in range(0, 10000, 9):
    p = f'many/{i % 23}/{i % 7}/f{i}'
    if not os.path.exists(p): continue
    if i % 2: open(p, 'ab').write(b'more' * (i % 4000))
    elif i % 4: os.truncate(p, i % 90)
    else: os.chmod(p, 0o600)
os.setxattr('bare/in', 'user.binary', b'other'); os.removexattr('hard', 'user.note') if os.path.exists('hard') else None
`;

/** Gives everything below one directory the times that it has below another. */
const TIMES = `
import os, sys
a, b = map(os.fsencode, sys.argv[1:])
for at, dirs, files in os.walk(a, topdown=False):
    for n in dirs + files:
        s, p = os.lstat(at + b'/' + n), b + at[len(a):] + b'/' + n
        os.utime(p, ns=(s.st_atime_ns, s.st_mtime_ns), follow_symlinks=False)
s = os.stat(a); os.utime(b, ns=(s.st_atime_ns, s.st_mtime_ns))
`;

check('a real tree, copied, changed and committed several times, is the same in juicefs', async () => {
  const tree = work.fresh('tree');
  mkdirSync(tree);
  makeTree(tree, 200);
  python(MAKE, tree);
  sh(tree, `cp -a ${root}/src ${root}/test ${root}/node_modules/typescript ${root}/node_modules/pino .`);
  const volume = work.volume('tree');
  const path = await volume.mount({ mountPath: work.fresh() });
  sh(tree, 'cp -a many src "$MOUNT"', { MOUNT: path });
  await volume.commit();
  sh(tree, 'rm -rf "$MOUNT/many" "$MOUNT/src"; cp -a . "$MOUNT"', { MOUNT: path });
  await volume.commit();
  assertSame(withoutDirectorySizes(manifestOf(path)), withoutDirectorySizes(manifestOf(tree)), 'the copy');

  for (const directory of [tree, path]) python(CHANGE, directory);
  await volume.commit();
  for (const directory of [tree, path])
    sh(directory, 'for i in {1..300}; do echo $i >> log; done; rm hard test/tidy.test.ts');
  python(TIMES, tree, path);
  const expected = manifestOf(path);
  assert.ok(expected.split('\n').length > 10_000);
  assertSame(withoutDirectorySizes(expected), withoutDirectorySizes(manifestOf(tree)), 'the tree and the mount');
  const version = await volume.finalize();
  assert.is(version.version, 4);
  assertSame(await shownByJuicefs(work, version.locator, work.path('bucket'), WITH_SIBLINGS), expected, 'juicefs');
  assertSame(await shownByUs(work, version), expected, 'mounted again');
});

tests.run();
