// Sets up what is missing on a fresh clone, and says what it does: npm packages, the build, and fuse3 for the mount.
// A second run finds everything there and takes well under a second.
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, run, say, works } from './lib.mjs';

const [major] = process.versions.node.split('.').map(Number);
if (major < 20) {
  say(`forkfs needs Node 20 or later to set itself up; this is ${process.version}`);
  process.exit(1);
}

function installPackages() {
  const mark = join(root, 'node_modules', '.forkfs-installed');
  const lock = join(root, 'package-lock.json');
  if (existsSync(mark) && statSync(mark).mtimeMs >= statSync(lock).mtimeMs) return;
  say('installing npm packages (npm ci)');
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
  writeFileSync(mark, '');
}

/** fusermount3 makes the mount. As root on Debian it is installed; anybody else is told what to type. */
function installFuse() {
  if (process.platform !== 'linux' || works('fusermount3', ['--version'])) return;
  const isRoot = process.getuid?.() === 0;
  if (isRoot && works('apt-get', ['--version'])) {
    say('installing fuse3 (apt-get install fuse3)');
    run('apt-get', ['update', '-qq'], { stdio: ['ignore', 'ignore', 'inherit'] });
    run('apt-get', ['install', '-y', '-qq', 'fuse3'], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
    return;
  }
  say('fusermount3 is missing, so nothing can be mounted. Install it with: sudo apt-get install fuse3');
}

installPackages();
installFuse();
await import('./build.mjs');
