// needs: mount
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { RWVolume } from '../../dist/index.js';
import { assertNothingHeld, has, python, sh } from './programs.ts';
import { root, Workspace } from './support.ts';

const work = new Workspace();
const large = suite('large builds and directories');
let volume: RWVolume;
let path: string;

large.before(async () => {
  volume = work.volume('large');
  path = await volume.mount({ mountPath: work.fresh() });
});
large.after(async () => {
  await volume.abandon({ delete: true });
  work.cleanUp();
});

if (has('npm')) {
  large('the project is cloned, installed, built and tested on the mount', () => {
    sh(path, `git clone -q ${root} project`);
    const project = join(path, 'project');
    const env = { npm_config_cache: join(path, 'npm-cache'), npm_config_audit: 'false', npm_config_fund: 'false' };
    sh(project, 'npm ci -s && node scripts/build.mjs', env);
    const said = sh(project, 'node scripts/run-tests.mjs test/meta/namespace test/workers/crc32c test/cloud/file', env);
    assert.match(said, /^\d+ passed, 0 failed$/m);
    sh(project, 'git status --porcelain | (! grep .)', env);
  });
}

if (has('go')) {
  large('go builds and tests a program, its cache on the mount', () => {
    const directory = join(path, 'go');
    mkdirSync(directory);
    writeFileSync(join(directory, 'go.mod'), 'module example.org/small\n\ngo 1.18\n');
    writeFileSync(
      join(directory, 'main.go'),
      'package main\n\nimport (\n\t"encoding/json"\n\t"fmt"\n\t"os"\n)\n\nfunc answer() int { return 42 }\n\n' +
        'func main() { b, _ := json.Marshal(map[string]int{"answer": answer()}); fmt.Fprintln(os.Stdout, string(b)) }\n',
    );
    writeFileSync(
      join(directory, 'main_test.go'),
      'package main\n\nimport "testing"\n\nfunc TestAnswer(t *testing.T) { if answer() != 42 { t.Fatal(answer()) } }\n',
    );
    const env = { GOCACHE: join(path, 'go-cache'), GOFLAGS: '-mod=mod', GOTMPDIR: directory, GOTOOLCHAIN: 'local' };
    assert.is(sh(directory, 'go build -o small . && ./small', env), '{"answer":42}\n');
    assert.match(sh(directory, 'go test ./...', env), /^ok/);
    assert.is(sh(directory, 'go build -v -o again . 2>&1 && cmp small again', env), '');
  });
}

if (has('cargo')) {
  large('cargo builds and tests a crate, its target on the mount', () => {
    sh(path, 'cargo init -q --name small --vcs none crate');
    assert.is(sh(join(path, 'crate'), 'cargo build -q --offline && target/debug/small'), 'Hello, world!\n');
    sh(
      join(path, 'crate'),
      `echo '#[test] fn adds() { assert_eq!(2 + 2, 4); }' >> src/main.rs && cargo test -q --offline`,
    );
  });
}

const ENTRIES = 200_000;
const check = `
import os, sys
names = os.listdir(sys.argv[1])
assert len(names) == ${ENTRIES} and set(names) == {f'entry-{i}' for i in range(${ENTRIES})}, len(names)
with os.scandir(sys.argv[1]) as entries: assert sum(e.stat().st_mode & 0o777 == 0o640 for e in entries) == ${ENTRIES}
`;

large(`a directory with ${ENTRIES} entries, in the mount, in a version, and gone`, async () => {
  python(
    `
import os, sys
os.mkdir(sys.argv[1])
for i in range(${ENTRIES}): os.close(os.open(f'{sys.argv[1]}/entry-{i}', os.O_CREAT | os.O_WRONLY, 0o640))
${check}`,
    join(path, 'many'),
  );
  await assertNothingHeld(volume);
  const version = await volume.commit();
  const at = await version.mount({ mountPath: work.fresh() });
  python(check, join(at, 'many'));
  await version.unmount();
  sh(path, 'rm -rf many');
  await volume.commit();
});

large.run();
