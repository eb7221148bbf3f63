// Many workers go on from one version at the same time, each in a fork of its own. No data is copied.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Volume, type ROVolume } from 'forkfs';

const folder = await mkdtemp(join(tmpdir(), 'forkfs-example-'));
const options = { metaDir: join(folder, 'meta'), cacheDir: join(folder, 'cache') };

const base = Volume.new({ name: 'base', bucket: pathToFileURL(join(folder, 'bucket')).href });
await base.open(options);
await base.fs.writeFile('/shared.txt', 'from the base\n');
const version = await base.finalize({ message: 'what all begin with' });

async function work(name: string): Promise<ROVolume> {
  const fork = await version.fork(name);
  await fork.open(options);
  await fork.fs.appendFile('/shared.txt', `and from ${name}\n`);
  return fork.finalize();
}

for (const result of await Promise.all([work('left'), work('right')])) {
  await result.open(options);
  console.log(`${result.name}: ${JSON.stringify(await result.fs.readFile('/shared.txt', 'utf8'))}`);
  await result.unmount();
}
await rm(folder, { recursive: true });
