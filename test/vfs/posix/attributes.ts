import {
  chmodSync,
  chownSync,
  closeSync,
  fchmodSync,
  fstatSync,
  futimesSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
  statfsSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { canPython, code, needsRoot, python, type PosixTest } from './support.ts';

const MODE = 0o7777;

/** Modes, owners and times. */
export function attributeTests(test: PosixTest): void {
  modeTests(test);
  timeTests(test);
  ownerTests(test);
}

function modeTests(test: PosixTest): void {
  test('keeps all bits of a mode', (dir) => {
    const path = join(dir, 'f');
    writeFileSync(path, '', { mode: 0o640 });
    assert.is(statSync(path).mode & MODE, 0o640);
    for (const mode of [0, 0o777, 0o4755, 0o2711, 0o1644, 0o400]) {
      chmodSync(path, mode);
      assert.is(statSync(path).mode & MODE, mode);
    }
    chmodSync(path, 0o600);
    const fd = openSync(path, 'r');
    fchmodSync(fd, 0o751);
    assert.is(fstatSync(fd).mode & MODE, 0o751);
    closeSync(fd);
    mkdirSync(join(dir, 'd'), { mode: 0o711 });
    assert.is(statSync(join(dir, 'd')).mode & MODE, 0o711);
    chmodSync(join(dir, 'd'), 0o1777);
    assert.is(statSync(join(dir, 'd')).mode & MODE, 0o1777);
    assert.is(
      code(() => chmodSync(join(dir, 'none'), 0)),
      'ENOENT',
    );
  });

  test('applies the umask', (dir) => {
    const before = process.umask(0o027);
    try {
      writeFileSync(join(dir, 'f'), '', { mode: 0o666 });
      mkdirSync(join(dir, 'd'));
    } finally {
      process.umask(before);
    }
    assert.is(statSync(join(dir, 'f')).mode & MODE, 0o640);
    assert.is(statSync(join(dir, 'd')).mode & MODE, 0o750);
  });

  test('a set-gid directory gives its group, and the bit to directories', (dir) => {
    if (!needsRoot('set-gid directories')) return;
    const parent = join(dir, 'd');
    mkdirSync(parent);
    chownSync(parent, 0, 4321);
    chmodSync(parent, 0o2775);
    writeFileSync(join(parent, 'f'), '');
    mkdirSync(join(parent, 'e'));
    assert.is(statSync(join(parent, 'f')).gid, 4321);
    assert.is(statSync(join(parent, 'e')).gid, 4321);
    assert.is(statSync(join(parent, 'e')).mode & 0o2000, 0o2000);
  });
}

function timeTests(test: PosixTest): void {
  test('keeps times to the nanosecond, before 1970 as well', (dir) => {
    if (!canPython('times to the nanosecond')) return;
    const got = python(
      dir,
      `
open('f', 'w').close(); os.mkdir('d'); os.symlink('nowhere', 'l')
answer = []
for name in ['f', 'd', 'l']:
    for times in [(1600000000123456789, 1500000000987654321), (0, 1), (-1500000000, -999999999), (4000000000000000001, 7)]:
        os.utime(name, ns=times, follow_symlinks=False)
        s = os.lstat(name)
        answer.append([name, list(times), [s.st_atime_ns, s.st_mtime_ns]])
print(json.dumps([a for a in answer if a[1] != a[2]]))
`,
    );
    assert.equal(got, []);
  });

  test('sets times of a file, by descriptor, and of a link itself', (dir) => {
    const path = join(dir, 'f');
    writeFileSync(path, 'x');
    utimesSync(path, 1_000, 2_000);
    assert.equal([statSync(path).atimeMs, statSync(path).mtimeMs], [1_000_000, 2_000_000]);
    const fd = openSync(path, 'r');
    futimesSync(fd, 3_000, 4_000);
    assert.is(fstatSync(fd).mtimeMs, 4_000_000);
    closeSync(fd);
    symlinkSync('f', join(dir, 'l'));
    lutimesSync(join(dir, 'l'), 5_000, 6_000);
    assert.is(lstatSync(join(dir, 'l')).mtimeMs, 6_000_000);
    assert.is(statSync(join(dir, 'l')).mtimeMs, 4_000_000);
    assert.is(readFileSync(path, 'utf8'), 'x');
  });

  test('writes, truncates and chmod set the times that they should', (dir) => {
    const path = join(dir, 'f');
    writeFileSync(path, 'x');
    const changes: [string, () => void, boolean][] = [
      ['write', () => writeFileSync(path, 'y', { flag: 'r+' }), true],
      ['truncate', () => writeFileSync(path, ''), true],
      ['chmod', () => chmodSync(path, 0o600), false],
    ];
    for (const [what, change, changesData] of changes) {
      const before = statSync(path, { bigint: true });
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 12);
      change();
      const after = statSync(path, { bigint: true });
      assert.ok(after.ctimeNs > before.ctimeNs, `${what}: ctime`);
      assert.is(after.mtimeNs > before.mtimeNs, changesData, `${what}: mtime`);
    }
  });
}

function ownerTests(test: PosixTest): void {
  test('chown gives a file away and takes its set-id bits', (dir) => {
    if (!needsRoot('chown')) return;
    const path = join(dir, 'f');
    writeFileSync(path, '');
    chmodSync(path, 0o6755);
    chownSync(path, 1234, 4321);
    const { uid, gid, mode } = statSync(path);
    assert.equal([uid, gid], [1234, 4321]);
    assert.is(mode & MODE, 0o755);
    mkdirSync(join(dir, 'd'));
    chmodSync(join(dir, 'd'), 0o2755);
    chownSync(join(dir, 'd'), 1234, 4321);
    assert.is(statSync(join(dir, 'd')).mode & MODE, 0o2755, 'a directory keeps them');
  });

  test('a write or truncate by an ordinary user takes the set-id bits', (dir) => {
    if (!canPython('set-id bits') || !needsRoot('set-id bits')) return;
    const got = python(
      dir,
      `
os.chmod('.', 0o777)
answer = {}
def write(name):
    with open(name, 'r+') as f: f.write('x')
def allocate(name):
    fd = os.open(name, os.O_RDWR); fallocate(fd, 0, 0, 100)
calls = {'write': write, 'truncate': lambda name: os.truncate(name, 1), 'open': lambda name: open(name, 'w').close(),
         'chgrp': lambda name: os.chown(name, -1, 65534), 'allocate': allocate}
for name, call in calls.items():
    open(name, 'w').write('some text')
    os.chown(name, 65534, 65534); os.chmod(name, 0o6777)
    answer[name] = [as_user(lambda: call(name)), mode(name)]
print(json.dumps(answer))
`,
    );
    const gone = [0, '0o777'];
    assert.equal(got, { write: gone, truncate: gone, open: gone, chgrp: gone, allocate: gone });
  });

  test('keeps permissions from an ordinary user', (dir) => {
    if (!canPython('permissions') || !needsRoot('permissions')) return;
    const got = python(
      dir,
      `
os.chmod('.', 0o755)
open('secret', 'w').close(); os.chmod('secret', 0o600)
os.mkdir('closed', 0o700); open('closed/f', 'w').close()
os.mkdir('sticky'); os.chmod('sticky', 0o1777); open('sticky/f', 'w').close()
names = {'read': lambda: open('secret'), 'create': lambda: open('new', 'w'), 'search': lambda: os.stat('closed/f'),
  'unlink': lambda: os.unlink('secret'), 'sticky': lambda: os.unlink('sticky/f'), 'chmod': lambda: os.chmod('secret', 0o777),
  'chown': lambda: os.chown('secret', 65534, 65534), 'utime': lambda: os.utime('secret', (0, 0))}
print(json.dumps({name: errno.errorcode.get(as_user(call), 'ok') for name, call in names.items()}))
`,
    );
    assert.equal(got, {
      read: 'EACCES',
      create: 'EACCES',
      search: 'EACCES',
      unlink: 'EACCES',
      sticky: 'EPERM',
      chmod: 'EPERM',
      chown: 'EPERM',
      utime: 'EPERM',
    });
  });

  test('says how much room there is', (dir) => {
    const { bsize, blocks, bavail, files } = statfsSync(dir);
    assert.ok(bsize > 0 && blocks > 0 && bavail > 0 && bavail <= blocks);
    assert.ok(files >= 0);
  });
}
