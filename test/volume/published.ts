import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { openStore } from '../../dist/cloud/open-store.js';
import { emptyImage } from '../../dist/meta/stores/schema.js';
import { newSetting } from '../../dist/meta/stores/setting.js';
import { loadSqlJs } from '../../dist/meta/stores/sql.js';
import { ensureFamily } from '../../dist/version/family.js';
import { putIndex } from '../../dist/version/index-object.js';
import { formatLocator } from '../../dist/version/locator.js';
import { publishVersion } from '../../dist/version/publish.js';
import { versionRecord, type VersionRecord } from '../../dist/version/record.js';

/** A bucket in a temporary folder, and versions in it that no daemon made. */
export class Bucket {
  readonly folder = mkdtempSync(join(tmpdir(), 'forkfs-test-'));
  readonly url = pathToFileURL(join(this.folder, 'bucket')).href;

  /** Publishes an empty version after `parent`, or the first one. */
  async publish(options: {
    family: string;
    volume: string;
    parent?: VersionRecord;
    message?: string;
  }): Promise<VersionRecord> {
    const { family, volume, parent = null, message = null } = options;
    const store = await openStore(this.url);
    if (parent === null) await ensureFamily(store, family, { mode: 'new', volume });
    const seq = (parent?.version ?? 0) + 1;
    const uuid = '00000000-0000-8000-8000-000000000000';
    const root = { timeMs: 1_700_000_000_000 };
    const image = emptyImage(await loadSqlJs(), newSetting({ name: family, uuid }), root);
    const path = join(this.folder, 'image.db');
    writeFileSync(path, image);
    const sha256 = createHash('sha256').update(image).digest('hex');
    const token = `token${seq}`;
    const { key } = await putIndex(store, { family, volume, seq, token, path, sha256, bytes: image.length });
    const record = versionRecord({
      bucket: this.url,
      family,
      volume,
      seq,
      locator: formatLocator({ bucket: this.url, family, volume, seq }),
      parent,
      index: { key, sha256, bytes: image.length },
      usedBytes: 0,
      inodeCount: 0,
      message,
      producedBy: null,
      writer: token,
      session: 1,
      createdMs: 1_700_000_000_000 + seq,
      blockBytes: 4 * 1024 * 1024,
      hashPrefix: false,
      adopted: false,
    });
    await publishVersion(store, family, record);
    return record;
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
