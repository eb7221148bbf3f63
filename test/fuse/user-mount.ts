// Run by user.test.ts as an ordinary user: mounts, uses the mount and takes it away, or says why not.
import * as fs from 'node:fs';
import { join } from 'node:path';
import { VolumeError } from '../../dist/base/errors.js';
import { mountAt } from '../../dist/fuse/mounts.js';
import { ServedMount } from './served-mount.ts';

const report: Record<string, unknown> = {};
try {
  const mount = await ServedMount.start({ mount: { allowOther: process.argv[2] === 'allow-other' } });
  try {
    fs.mkdirSync(join(mount.path, 'directory'));
    for (let i = 0; i < 100; i++) fs.writeFileSync(join(mount.path, 'directory', `${i}`), `${i}`);
    report['files'] = fs.readdirSync(join(mount.path, 'directory')).length;
    report['owner'] = fs.statSync(join(mount.path, 'directory', '7')).uid;
    report['type'] = mountAt(mount.path)?.fsType;
    report['outcome'] = await mount.end();
    report['isGone'] = mountAt(mount.path) === undefined;
  } finally {
    await mount.cleanUp();
  }
} catch (error) {
  report['kind'] = error instanceof VolumeError ? error.kind : 'defect';
  report['message'] = String(error);
}
process.stdout.write(JSON.stringify(report));
