// Without /dev/fuse: the same volume by calls, shaped like node:fs/promises. Commit and finalize work alike.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Volume } from 'forkfs';

const folder = await mkdtemp(join(tmpdir(), 'forkfs-example-'));
const volume = Volume.new({ name: 'results', bucket: pathToFileURL(join(folder, 'bucket')).href });
await volume.open({ metaDir: join(folder, 'meta'), cacheDir: join(folder, 'cache') });

await volume.fs.mkdir('/run/1', { recursive: true });
await volume.fs.writeFile('/run/1/score.json', JSON.stringify({ score: 0.93 }));
await volume.fs.symlink('1', '/run/latest');
console.log(await volume.fs.readdir('/', { recursive: true }));
console.log(JSON.parse(await volume.fs.readFile('/run/latest/score.json', 'utf8')));

const version = await volume.finalize({ message: 'one run' });
console.log(`version ${version.version} with ${version.inodeCount} files and folders`);
await rm(folder, { recursive: true });
