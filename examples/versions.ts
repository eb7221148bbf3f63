// A volume is mounted, written and committed; any version is mounted again from nothing but its locator.
import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Volume } from 'forkfs';

const folder = await mkdtemp(join(tmpdir(), 'forkfs-example-'));
const volume = Volume.new({ name: 'notes', bucket: pathToFileURL(join(folder, 'bucket')).href });

// Any program can work in the mount; here it is this one.
const path = await volume.mount({ mountPath: join(folder, 'notes'), metaDir: join(folder, 'meta') });
await writeFile(join(path, 'diary.txt'), 'Monday\n');
const monday = await volume.commit({ message: 'Monday' });
await appendFile(join(path, 'diary.txt'), 'Tuesday\n');
const tuesday = await volume.finalize({ message: 'Tuesday' });

for (const { locator } of [monday, tuesday]) {
  await using version = await Volume.fromLocator(locator);
  const mounted = await version.mount({ mountPath: join(folder, 'look') });
  console.log(`${version.message}: ${JSON.stringify(await readFile(join(mounted, 'diary.txt'), 'utf8'))}`);
}
await rm(folder, { recursive: true });
