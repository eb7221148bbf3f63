/** A task of crash.test.ts: mounts a volume, writes without syncing, and waits to be killed. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Volume } from '../../dist/index.js';

const [name, bucket, mountPath] = process.argv.slice(2);
const volume = Volume.new({ name: name!, bucket: bucket! });
const path = await volume.mount({ mountPath: mountPath! });
writeFileSync(join(path, 'from-task'), 'not synced by the task');
process.send!({ path, pid: (await volume.status()).pid, handle: volume.toJSON() });
setInterval(() => undefined, 1000);
