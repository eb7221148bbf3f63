// needs: mount
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { sh, startPython } from './programs.ts';
import { until, Workspace } from './support.ts';

const work = new Workspace();
const mappings = suite('dirty shared mappings, and pages that the kernel holds');
mappings.after(() => work.cleanUp());

for (const kernelWriteback of [false, true]) {
  mappings(`are in the version while they are open (kernelWriteback ${kernelWriteback})`, async () => {
    const volume = work.volume('mapped');
    const path = await volume.mount({ mountPath: work.fresh(), kernelWriteback });
    const file = join(path, 'mapped');
    const script = `
import mmap, os, sys, time
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o644)
os.ftruncate(fd, 3 << 20)
m = mmap.mmap(fd, 3 << 20)
os.close(fd)
for i in range(0, 3 << 20, 4096): m[i:i + 8] = b'round-%02d' % 1
open(sys.argv[1] + '.1', 'w').close()
while not os.path.exists(sys.argv[1] + '.go'): time.sleep(0.01)
for i in range(0, 3 << 20, 4096): m[i:i + 8] = b'round-%02d' % 2
assert os.path.getsize(sys.argv[1]) == 3 << 20
open(sys.argv[1] + '.2', 'w').close()
while not os.path.exists(sys.argv[1] + '.end'): time.sleep(0.01)
assert m[0:8] == b'round-02' and m[-4096:-4088] == b'round-02'
`;
    const child = startPython(script, file);
    const versions = [];
    for (const round of [1, 2]) {
      sh(path, `while ! [ -e mapped.${round} ]; do sleep 0.02; done`);
      versions.push(await volume.commit());
      if (round === 1) writeFileSync(`${file}.go`, '');
    }
    writeFileSync(`${file}.end`, '');
    await child;
    for (const [i, version] of versions.entries()) {
      const at = await version.mount({ mountPath: work.fresh() });
      const bytes = readFileSync(join(at, 'mapped'));
      await version.unmount();
      assert.is(bytes.length, 3 << 20);
      for (let page = 0; page < bytes.length; page += 4096) {
        assert.is(bytes.toString('latin1', page, page + 8), `round-0${i + 1}`, `version ${i + 1}, byte ${page}`);
      }
    }
    await volume.abandon({ delete: true });
  });

  mappings(
    `that are written all the time hold no commit up, and none misses what was there before it (kernelWriteback ${kernelWriteback})`,
    async () => {
      const volume = work.volume('busy');
      const path = await volume.mount({ mountPath: work.fresh(), kernelWriteback });
      const child = startPython(
        `
import mmap, os, struct, sys
os.chdir(sys.argv[1])
fd = os.open('mapped', os.O_RDWR | os.O_CREAT); os.ftruncate(fd, 1 << 20); m = mmap.mmap(fd, 1 << 20)
written = os.open('written', os.O_WRONLY | os.O_CREAT)
n = 0
while not os.path.exists('stop'):
    n += 1
    for page in range(0, 1 << 20, 65536): m[page:page + 8] = struct.pack('<Q', n)
    os.pwrite(written, struct.pack('<Q', n), n % 100 * 8)
`,
        path,
      );
      child.catch(() => undefined);
      const first = (name: string, at: string): number => {
        const bytes = readFileSync(join(at, name));
        let newest = 0;
        for (let i = 0; i + 8 <= bytes.length; i += name === 'written' ? 8 : 65536) {
          const n = Number(bytes.readBigUInt64LE(i));
          newest = i === 0 || name === 'written' ? Math.max(newest, n) : Math.min(newest, n);
        }
        return newest;
      };
      await until('it runs', () => existsSync(join(path, 'written')));
      for (let i = 0; i < 4; i++) {
        const before = ['mapped', 'written'].map((name) => first(name, path));
        const version = await volume.commit();
        const at = await version.mount({ mountPath: work.fresh() });
        const after = ['mapped', 'written'].map((name) => first(name, at));
        await version.unmount();
        for (const [k, n] of before.entries()) assert.ok(after[k]! >= n, `${after.join()} after ${before.join()}`);
      }
      writeFileSync(join(path, 'stop'), '');
      await child;
      await volume.abandon({ delete: true });
    },
  );
}

mappings.run();
