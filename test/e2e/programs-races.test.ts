// needs: mount
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { RWVolume } from '../../dist/index.js';
import { assertCommitted, assertNothingHeld, python, startPython } from './programs.ts';
import { Workspace } from './support.ts';

const work = new Workspace();
const races = suite('programs that get in the way of each other');
let volume: RWVolume;
let path: string;

races.before(async () => {
  volume = work.volume('races');
  path = await volume.mount({ mountPath: work.fresh() });
});
races.after(async () => {
  await volume.abandon({ delete: true });
  work.cleanUp();
});

const inMount = (script: string): string => python(`import os, sys\nos.chdir(sys.argv[1])\n${script}`, path);
const together = (count: number, script: string): Promise<string[]> =>
  Promise.all(
    Array.from({ length: count }, (_, i) =>
      startPython(`import os, sys, errno\nos.chdir(sys.argv[1]); me = int(sys.argv[2])\n${script}`, path, String(i)),
    ),
  );

races('a file that is unlinked while open goes on, also over a commit, and is in no version', async () => {
  const child = startPython(
    `
import os, sys, time
os.chdir(sys.argv[1])
fd = os.open('gone', os.O_RDWR | os.O_CREAT); os.write(fd, b'1' * 100000)
os.unlink('gone'); assert os.fstat(fd).st_nlink == 0
os.mkdir('gone-dir'); d = os.open('gone-dir', os.O_RDONLY); os.rmdir('gone-dir'); assert os.listdir(d) == []
os.pwrite(fd, b'2' * 100000, 100000); os.ftruncate(fd, 150000)
open('waiting', 'w').close()
while not os.path.exists('go'): time.sleep(0.01)
assert os.pread(fd, 1 << 20, 0) == b'1' * 100000 + b'2' * 50000
os.pwrite(fd, b'3' * 10, 0); os.fsync(fd)
assert os.pread(fd, 12, 0) == b'3' * 10 + b'11' and os.fstat(fd).st_size == 150000
try: os.open('x', os.O_CREAT, dir_fd=d); assert False
except FileNotFoundError: pass
os.close(fd)
`,
    path,
  );
  inMount('import time\nwhile not os.path.exists("waiting"): time.sleep(0.01)');
  const version = await volume.commit();
  inMount('open("go", "w").close()');
  await child;
  const at = await version.mount({ mountPath: work.fresh() });
  assert.is(python('import os, sys; print(sorted(os.listdir(sys.argv[1])))', at).trim(), "['waiting']");
  await version.unmount();
  await assertNothingHeld(volume);
});

races('renames over open files leave both as they were opened', () => {
  inMount(`
def put(name, text):
    with open(name, 'w') as f: f.write(text)
put('old', 'old' * 1000); put('new', 'new' * 1000)
old, new = os.open('old', os.O_RDWR), os.open('new', os.O_RDWR)
os.rename('new', 'old')
assert os.pread(old, 3, 0) == b'old' and os.pread(new, 3, 0) == b'new' and os.fstat(old).st_nlink == 0
os.pwrite(old, b'OLD', 0); os.pwrite(new, b'NEW', 0)
assert open('old').read(6) == 'NEWnew' and os.pread(old, 6, 0) == b'OLDold'
assert os.stat('old').st_ino == os.fstat(new).st_ino and not os.path.exists('new')
os.link('old', 'other'); os.rename('old', 'other'); assert sorted(n for n in os.listdir('.') if n in ('old', 'other')) == ['old', 'other']
os.mkdir('full'); put('full/f', ''); os.mkdir('dir')
for source, target, wanted in ('dir', 'full', 39), ('old', 'dir', 21), ('dir', 'old', 20), ('full', 'full/f/x', 20), ('full', 'full/x', 22):
    try: os.rename(source, target); assert False, (source, target)
    except OSError as e: assert e.errno == wanted, (source, target, e)
`);
});

races('a listing shows each file that stays exactly once while others are renamed around it', async () => {
  inMount(`
os.mkdir('moving')
for i in range(2000): open(f'moving/stays-{i}', 'w').close()
for i in range(200): open(f'moving/moves-{i}-0', 'w').close()
`);
  const mover = startPython(
    `
import os, sys
os.chdir(sys.argv[1] + '/moving'); n = [0] * 200
for round in range(15):
    for i in range(200): os.rename(f'moves-{i}-{n[i]}', f'moves-{i}-{n[i] + 1}'); n[i] += 1
open('../moved', 'w').close()
`,
    path,
  );
  const lister = `
rounds = 0
while True:
    isLast = os.path.exists('moved')
    stays = [n for n in os.listdir('moving') if n.startswith('stays')]
    assert len(stays) == len(set(stays)) == 2000, (len(stays), len(set(stays)))
    rounds += 1
    if isLast: break
assert len(os.listdir('moving')) == 2200
print(rounds)
`;
  const rounds = await together(2, lister);
  await mover;
  assert.ok(rounds.every((text) => Number(text) >= 1));
});

races('several processes create, exclusively, link, rename and remove in one directory', async () => {
  inMount(`os.mkdir('shared')`);
  const won = await together(
    4,
    `
won = 0
for i in range(400):
    try: os.close(os.open(f'shared/one-{i}', os.O_CREAT | os.O_EXCL | os.O_WRONLY)); won += 1
    except FileExistsError: pass
    with open(f'shared/own-{me}-{i}', 'w') as f: f.write(f'{me} {i}')
    os.rename(f'shared/own-{me}-{i}', f'shared/last-{i}')
    try: os.mkdir(f'shared/dir-{i % 20}')
    except FileExistsError: pass
    try: os.rmdir(f'shared/dir-{(i + 7) % 20}')
    except FileNotFoundError: pass
    # As on any file system: a name that is renamed over between its lookup and the link is gone.
    while not os.path.exists(f'shared/link-{i}'):
        try: os.link(f'shared/last-{i}', f'shared/link-{i}')
        except (FileExistsError, FileNotFoundError): pass
print(won)
`,
  );
  assert.is(
    won.reduce((sum, text) => sum + Number(text), 0),
    400,
    'each file has one creator',
  );
  inMount(`
names = os.listdir('shared')
assert len(names) == len(set(names))
count = lambda prefix: sum(n.startswith(prefix) for n in names)
assert (count('one-'), count('own-'), count('last-'), count('link-')) == (400, 0, 400, 400), names
for i in range(400):
    assert open(f'shared/last-{i}').read().split()[1] == open(f'shared/link-{i}').read().split()[1] == str(i)
    same = os.stat(f'shared/last-{i}').st_ino == os.stat(f'shared/link-{i}').st_ino
    assert os.stat(f'shared/last-{i}').st_nlink == (2 if same else 1)
`);
});

races('processes cut, extend and write one file; nobody sees what was cut', async () => {
  inMount(`open('cut', 'w').close()`);
  const writer = `
fd = os.open('cut', os.O_RDWR)
for i in range(300):
    at = (i * 7919 + me * 65537) % 300000
    os.pwrite(fd, bytes([65 + me]) * 3000, at)
    if i % 10 == me: os.ftruncate(fd, (i * 1009) % 200000)
    text = os.pread(fd, 400000, 0)
    assert not set(text) - {0, 65, 66, 67}, set(text)
`;
  await together(3, writer);
  inMount(`
fd = os.open('cut', os.O_RDWR); os.ftruncate(fd, 1000); os.ftruncate(fd, 500000)
assert os.pread(fd, 500000, 1000) == bytes(499000)
`);
});

races('nothing is held at the end, and the version is what the mount shows', async () => {
  await assertNothingHeld(volume);
  await assertCommitted(work, volume, path);
});

races.run();
