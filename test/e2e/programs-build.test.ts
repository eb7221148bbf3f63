// needs: mount
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { RWVolume } from '../../dist/index.js';
import { assertCommitted, assertNothingHeld, assertSameTree, has, python, sh } from './programs.ts';
import { manifest, root, Workspace } from './support.ts';

const work = new Workspace();
const building = suite('programs that build and run others');
let volume: RWVolume;
let path: string;

building.before(async () => {
  volume = work.volume('build');
  path = await volume.mount({ mountPath: work.fresh() });
});
building.after(async () => {
  await volume.abandon({ delete: true });
  work.cleanUp();
});

function write(directory: string, files: Record<string, string>): void {
  mkdirSync(directory, { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
}

if (has('gcc') && has('make')) {
  building('make and gcc build a library and a program, which run; nothing is built twice', () => {
    const directory = join(path, 'c');
    write(directory, {
      'part.h': '#define COUNT 200\nint part(int i);\n',
      'part.c': '#include "part.h"\nstatic int big[1 << 18] = {1, 2, 3};\nint part(int i) { return big[i & 1] * i; }\n',
      'main.c':
        '#include <stdio.h>\n#include "part.h"\nint main(void) { int s = 0; for (int i = 0; i < COUNT; i++) s += part(i); printf("%d\\n", s); return 0; }\n',
      Makefile:
        'program: main.o libpart.so\n\tgcc -o $@ main.o -L. -lpart -Wl,-rpath,.\n' +
        'libpart.so: part.o\n\tgcc -shared -o $@ part.o\nlibpart.a: part.o\n\tar rcs $@ part.o\n' +
        '%.o: %.c part.h\n\tgcc -O1 -g -fPIC -c -o $@ $<\n',
    });
    sh(directory, 'make -s -j2 program libpart.a && ar t libpart.a | grep -q part.o');
    assert.is(sh(directory, './program'), '29900\n');
    sh(directory, 'make -q program libpart.a');
    sh(directory, "sed -i 's/200/100/' part.h && ! make -q program && make -s program && strip program");
    assert.is(sh(directory, './program'), '7450\n');
  });
}

building('a Python environment is made, takes a wheel and runs it', () => {
  const source = work.path('wheel');
  mkdirSync(source);
  const makeWheel = `
import base64, hashlib, sys, zipfile
files = {'tiny_part/__init__.py': 'def answer(): return 42\\n', 'tiny_part/__main__.py': 'from . import answer; print(answer())\\n'}
info = 'tiny_part-1.0.dist-info/'
files[info + 'METADATA'] = 'Metadata-Version: 2.1\\nName: tiny-part\\nVersion: 1.0\\n'
files[info + 'WHEEL'] = 'Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n'
files[info + 'entry_points.txt'] = '[console_scripts]\\ntiny-part = tiny_part.__main__:answer\\n'
digest = lambda text: base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()
record = ''.join(f'{name},sha256={digest(text)},{len(text)}\\n' for name, text in files.items())
files[info + 'RECORD'] = record + info + 'RECORD,,\\n'
with zipfile.ZipFile(sys.argv[1] + '/tiny_part-1.0-py3-none-any.whl', 'w') as z:
    for name, text in files.items(): z.writestr(name, text)
`;
  python(makeWheel, source);
  const env = join(path, 'env');
  sh(path, `python3 -m venv ${env}`);
  sh(path, `env/bin/python -m pip install -q --no-index --disable-pip-version-check ${source}/*.whl`);
  assert.is(sh(path, 'env/bin/python -m tiny_part'), '42\n');
  sh(path, '! env/bin/tiny-part');
  const compiled = sh(path, 'env/bin/python -c "import tiny_part; print(tiny_part.__cached__)"').trim();
  assert.ok(compiled.startsWith(env), compiled);
  sh(
    path,
    'env/bin/python -m pip uninstall -q -y tiny-part && ! env/bin/python -c "import tiny_part" 2>&1 | grep -q 42',
  );
});

if (has('npm')) {
  building('npm installs a tree of packages, links their commands and runs them', () => {
    const directory = join(path, 'npm');
    write(join(directory, 'packages/leaf'), {
      'package.json': '{"name":"leaf","version":"1.0.0","bin":{"leaf":"cli.js"},"main":"index.js"}',
      'index.js': "module.exports = 'leaf';\n",
      'cli.js': "#!/usr/bin/env node\nconsole.log('cli of', require('./index.js'));\n",
    });
    write(join(directory, 'packages/middle'), {
      'package.json': '{"name":"middle","version":"1.0.0","dependencies":{"leaf":"1.0.0"},"main":"index.js"}',
      'index.js': "module.exports = 'middle of ' + require('leaf');\n",
    });
    sh(directory, 'for p in leaf middle; do (cd packages/$p && npm pack -s >/dev/null); done');
    write(join(directory, 'app'), {
      'package.json': JSON.stringify({
        name: 'app',
        version: '1.0.0',
        dependencies: {
          leaf: 'file:../packages/leaf/leaf-1.0.0.tgz',
          middle: 'file:../packages/middle/middle-1.0.0.tgz',
        },
        scripts: { start: 'leaf && node -p "require(\'middle\')"' },
      }),
    });
    const npm = { npm_config_cache: join(path, 'npm-cache'), npm_config_offline: 'true', npm_config_audit: 'false' };
    const quiet = { ...npm, npm_config_fund: 'false', npm_config_update_notifier: 'false' };
    sh(join(directory, 'app'), 'npm install -s', quiet);
    sh(join(directory, 'app'), 'rm -rf node_modules && npm ci -s', quiet);
    assert.is(sh(join(directory, 'app'), 'npm run -s start', quiet), 'cli of leaf\nmiddle of leaf\n');
    assert.ok(
      readFileSync(join(directory, 'app/node_modules/leaf/cli.js')).equals(
        readFileSync(join(directory, 'packages/leaf/cli.js')),
      ),
    );
  });
}

building("the project's own modules and build run from the mount", () => {
  const target = join(path, 'modules');
  const used = ['sql.js', 'pino', 'piscina', 'koffi', 'commander', 'uvu'];
  sh(path, `mkdir modules && cp -a ${root}/node_modules modules/ && rm -rf modules/node_modules/node`);
  const without = (lines: string[]): string[] => lines.filter((line) => !/^\/node[ /]/.test(line));
  assertSameTree(
    manifest(join(target, 'node_modules')),
    without(manifest(join(root, 'node_modules'))),
    'the copied modules',
  );
  write(target, { 'all.mjs': `${used.map((name) => `import '${name}';`).join('\n')}\nconsole.log('all');\n` });
  assert.is(sh(target, `${process.execPath} all.mjs`), 'all\n');
});

building('nothing is held at the end, and the version is what the mount shows', async () => {
  await assertNothingHeld(volume);
  await assertCommitted(work, volume, path);
});

building.run();
