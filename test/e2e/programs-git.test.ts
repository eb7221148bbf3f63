// needs: mount
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { assertCommitted, assertNothingHeld, has, python, sh } from './programs.ts';
import { Workspace } from './support.ts';

const FILES = 3000;
const work = new Workspace();
const git = suite('git on a mount');
git.after(() => work.cleanUp());

const makeSources = `
import os, sys
os.chdir(sys.argv[1])
for i in range(${FILES}):
    d = f'src/{i % 40}/{i % 7}'
    os.makedirs(d, exist_ok=True)
    with open(f'{d}/file{i}.txt', 'w') as f: f.write(''.join(f'line {i} {j}\\n' for j in range(i % 50)))
os.symlink('src/0', 'link'); os.chmod('src/1/1/file1.txt', 0o755)
`;

if (has('git')) {
  git('adds, commits, branches, checks out, clones and collects its garbage; nothing is ever dirty', async () => {
    const volume = work.volume('git');
    const path = await volume.mount({ mountPath: work.fresh() });
    const repository = join(path, 'repository');
    mkdirSync(repository);
    const env = {
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_CONFIG_SYSTEM: '/dev/null',
      GIT_AUTHOR_NAME: 'A',
      GIT_AUTHOR_EMAIL: 'a@example.org',
      GIT_COMMITTER_NAME: 'A',
      GIT_COMMITTER_EMAIL: 'a@example.org',
    };
    const isClean = (at: string): void => assert.is(sh(at, 'git status --porcelain', env), '');
    python(makeSources, repository);
    sh(repository, 'git init -q -b main . && git add . && git commit -qm first', env);
    isClean(repository);
    assert.is(Number(sh(repository, 'git ls-files | wc -l')), FILES + 1);

    for (const branch of ['one', 'two', 'three']) {
      const change = `git checkout -q -b ${branch} main
        for f in src/${branch.length}/*/*.txt; do echo ${branch} >> $f; done
        git rm -rq src/3${branch.length}; mkdir -p new/${branch}; echo ${branch} > new/${branch}/file
        git add -A . && git commit -qm ${branch}`;
      sh(repository, change, env);
    }
    for (const branch of ['main', 'one', 'three', 'two', 'main']) {
      sh(repository, `git checkout -q ${branch}`, env);
      isClean(repository);
    }
    sh(repository, 'git merge -q -m merged one && git gc -q --prune=now && git fsck --strict', env);
    isClean(repository);

    sh(path, 'git clone -q --no-local repository cloned && git clone -q repository linked', env);
    isClean(join(path, 'cloned'));
    sh(path, 'diff -r --exclude=.git repository cloned && diff -r --exclude=.git repository linked');
    sh(join(path, 'linked'), 'git stash list && echo x >> link/0/file0.txt && git stash -q && git stash pop -q', env);
    assert.is(sh(join(path, 'linked'), 'git status --porcelain', env), ' M src/0/0/file0.txt\n');
    await assertNothingHeld(volume);
    await assertCommitted(work, volume, path);
    await volume.abandon({ delete: true });
  });
}

git.run();
