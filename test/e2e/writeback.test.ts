/** `writeback: false` without a mount: a close is answered when the file is in the store. */
// needs: mount
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Workspace } from './support.ts';

const work = new Workspace();
const test = suite('writeback: false on an open volume');
test.after(() => work.cleanUp());

test('writeFile and close wait for the upload, which no delay holds back', async () => {
  const volume = work.volume('writeback');
  await volume.open({ writeback: false, uploadDelay: '1h' });
  await volume.fs.writeFile('/a', 'one');
  assert.is(work.blocks(volume.family).length, 1);
  const file = await volume.fs.open('/b', 'w');
  await file.write(Buffer.from('two'));
  assert.is(work.blocks(volume.family).length, 1, 'a write alone waits for nothing');
  await file.close();
  assert.is(work.blocks(volume.family).length, 2);
  assert.is(String(await volume.fs.readFile('/a')), 'one');
  await volume.abandon({ delete: true });
});

test.run();
