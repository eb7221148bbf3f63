// needs: mount
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { RWVolume } from '../../dist/index.js';
import { assertCommitted, assertNothingHeld, python, sh, startPython } from './programs.ts';
import { Workspace } from './support.ts';

const work = new Workspace();
const data = suite('programs that share files');
let volume: RWVolume;
let path: string;

data.before(async () => {
  volume = work.volume('data');
  path = await volume.mount({ mountPath: work.fresh() });
});
data.after(async () => {
  await volume.abandon({ delete: true });
  work.cleanUp();
});

const sqliteWriter = `
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
db.execute(f'PRAGMA mmap_size = {sys.argv[3]}')
for i in range(200):
    db.execute('BEGIN IMMEDIATE')
    n, = db.execute('SELECT n FROM counter').fetchone()
    db.execute('UPDATE counter SET n = ?', (n + 1,))
    db.execute('INSERT INTO rows VALUES (?, ?, ?)', (sys.argv[2], i, 'x' * (i * 13 % 3000)))
    db.execute('COMMIT')
`;

for (const [journal, mmap] of [
  ['WAL', 0],
  ['WAL', 1 << 28],
  ['DELETE', 0],
  ['DELETE', 1 << 28],
] as const) {
  data(`sqlite with journal_mode ${journal} and mmap_size ${mmap}: two processes lose nothing`, async () => {
    const file = join(path, `${journal}-${mmap}.db`);
    const mode = python(
      `
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
print(db.execute('PRAGMA journal_mode = ${journal}').fetchone()[0])
db.execute('PRAGMA synchronous = ${mmap === 0 ? 'FULL' : 'NORMAL'}')
db.execute('CREATE TABLE counter (n)'); db.execute('INSERT INTO counter VALUES (0)'); db.execute('CREATE TABLE rows (who, i, text)')
`,
      file,
    );
    assert.is(mode.trim(), journal.toLowerCase());
    await Promise.all(['a', 'b'].map((who) => startPython(sqliteWriter, file, who, String(mmap))));
    const said = python(
      `
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
print(db.execute('SELECT n FROM counter').fetchone()[0], db.execute('SELECT count(*), sum(length(text)) FROM rows').fetchone(), db.execute('PRAGMA integrity_check').fetchone()[0])
`,
      file,
    );
    const bytes = 2 * Array.from({ length: 200 }, (_, i) => (i * 13) % 3000).reduce((a, b) => a + b);
    assert.is(said.trim(), `400 (400, ${bytes}) ok`);
  });
}

data('O_APPEND from four processes keeps every line whole', async () => {
  const file = join(path, 'appended');
  const script = `
import os, sys
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
for i in range(500): os.write(fd, f'{sys.argv[2]} {i} '.encode() + b'.' * (i * 7 % 5000) + b'\\n')
`;
  await Promise.all(['a', 'b', 'c', 'd'].map((who) => startPython(script, file, who)));
  const lines = readFileSync(file, 'latin1').split('\n').slice(0, -1);
  assert.is(lines.length, 2000);
  for (const who of ['a', 'b', 'c', 'd']) {
    const own = lines.filter((line) => line.startsWith(`${who} `));
    const expected = Array.from({ length: 500 }, (_, i) => `${who} ${i} ${'.'.repeat((i * 7) % 5000)}`);
    assert.ok(own.length === 500 && own.every((line, i) => line === expected[i]), `the lines of ${who}`);
  }
});

const lockers = {
  flock: 'lock = lambda: fcntl.flock(fd, fcntl.LOCK_EX)\nunlock = lambda: fcntl.flock(fd, fcntl.LOCK_UN)',
  fcntl: 'lock = lambda: fcntl.lockf(fd, fcntl.LOCK_EX, 1, 5)\nunlock = lambda: fcntl.lockf(fd, fcntl.LOCK_UN, 1, 5)',
};
for (const [kind, how] of Object.entries(lockers)) {
  data(`${kind} locks exclude other processes`, async () => {
    const file = join(path, `locked-${kind}`);
    writeFileSync(file, '0');
    const script = `
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
${how}
for i in range(200):
    lock()
    n = int(os.pread(fd, 20, 0))
    os.pwrite(fd, str(n + 1).encode(), 0)
    unlock()
`;
    await Promise.all([1, 2, 3].map(() => startPython(script, file)));
    assert.is(readFileSync(file, 'utf8'), '600');
    const refused = python(
      `
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
if '${kind}' == 'flock': fcntl.flock(fd, fcntl.LOCK_EX)
else: fcntl.lockf(fd, fcntl.LOCK_EX, 1, 5)
if os.fork() == 0:
    other = os.open(sys.argv[1], os.O_RDWR)
    try:
        if '${kind}' == 'flock': fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else: fcntl.lockf(other, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 5)
        os._exit(1)
    except BlockingIOError: os._exit(0)
print(os.wait()[1])
`,
      file,
    );
    assert.is(refused.trim(), '0');
  });
}

data('inotify tells of what local programs do', () => {
  const directory = join(path, 'watched');
  mkdirSync(directory);
  const said = python(
    `
import ctypes, os, struct, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
fd = libc.inotify_init1(os.O_CLOEXEC)
assert fd >= 0 and libc.inotify_add_watch(fd, sys.argv[1].encode(), 0xfff) > 0
script = 'echo x > a; echo y >> a; mv a b; mkdir c; rm b; chmod 700 c; rmdir c'
subprocess.run(['sh', '-c', script], cwd=sys.argv[1], check=True)
NAMES = {0x100: 'CREATE', 0x2: 'MODIFY', 0x8: 'CLOSE_WRITE', 0x40: 'FROM', 0x80: 'TO', 0x200: 'DELETE', 0x4: 'ATTRIB'}
data = os.read(fd, 65536); at = 0
while at < len(data):
    _, mask, _, n = struct.unpack_from('iIII', data, at)
    name = data[at + 16:at + 16 + n].rstrip(b'\\0').decode(); at += 16 + n
    if mask & 0xfff in NAMES: print(NAMES[mask & 0xfff], name)
`,
    directory,
  );
  const events = said.trim().split('\n');
  for (const event of ['CREATE a', 'MODIFY a', 'CLOSE_WRITE a', 'FROM a', 'TO b', 'CREATE c', 'DELETE b', 'DELETE c']) {
    assert.ok(events.includes(event), `${event} in ${events.join(', ')}`);
  }
});

data('sed -i, an editor that replaces files and a link that follows it', () => {
  const directory = join(path, 'edited');
  mkdirSync(directory);
  sh(
    directory,
    `printf 'one\\ntwo\\n' > f; chmod 640 f; ln -s f l; ln f hard
     sed -i s/two/three/ f
     [ "$(cat f)" = "$(printf 'one\\nthree')" ] && [ "$(cat hard)" = "$(printf 'one\\ntwo')" ] && [ "$(cat l)" = "$(cat f)" ]
     [ "$(stat -c '%a %h' f)" = '640 1' ]
     # As vim writes: the old file becomes the backup, the new one gets its name, the backup goes.
     mv f f~; cat f~ > f; echo four >> f; sync f; chmod --reference=f~ f; rm f~
     [ "$(tail -n 1 l)" = four ] && [ "$(ls)" = "$(printf 'f\\nhard\\nl')" ]`,
  );
});

data('mappings and writes of two processes see each other at once', () => {
  const said = python(
    `
import mmap, os, sys
path = sys.argv[1]
with open(path, 'wb') as f: f.write(b'a' * 8192)
fd = os.open(path, os.O_RDWR); m = mmap.mmap(fd, 8192)
m[0:5] = b'first'
if os.fork() == 0:
    other = os.open(path, os.O_RDWR)
    assert os.pread(other, 5, 0) == b'first'
    os.pwrite(other, b'second', 4096)
    n = mmap.mmap(other, 8192); n[100:105] = b'third'
    os._exit(0)
assert os.wait()[1] == 0
assert m[4096:4102] == b'second' and m[100:105] == b'third'
m.flush(); print(os.pread(fd, 5, 100).decode())
`,
    join(path, 'both'),
  );
  assert.is(said.trim(), 'third');
  assert.is(statSync(join(path, 'both')).size, 8192);
});

data('nothing is held at the end, and the version is what the mount shows', async () => {
  await assertNothingHeld(volume);
  await assertCommitted(work, volume, path);
});

data.run();
