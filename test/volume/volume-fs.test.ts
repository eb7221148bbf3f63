import { constants } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FsError } from '../../dist/base/errors.js';
import { FS_DATA_BYTES_MAX, OPEN_FLAGS, type FsArgs, type FsOp } from '../../dist/mount/fs-protocol.js';
import { openFlags, timeText } from '../../dist/volume/fs-arguments.js';
import { closedFs, rpcFs } from '../../dist/volume/volume-fs.js';
import type { VolumeFs } from '../../dist/volume/fs-types.js';

const test = suite('volume.fs calls');

type Call = { op: FsOp; args: Record<string, unknown> };

/** A daemon that answers by a table and keeps what it was asked. */
function recording(answers: { [Op in FsOp]?: (args: FsArgs<Op>) => unknown }): { fs: VolumeFs; calls: Call[] } {
  const calls: Call[] = [];
  const call = async (_method: string, params: unknown): Promise<never> => {
    const { op, args } = params as Call;
    calls.push({ op, args });
    const answer = answers[op] as ((args: unknown) => unknown) | undefined;
    return (answer === undefined ? null : answer(args)) as never;
  };
  return { fs: rpcFs({ call: call as never }), calls };
}

/** One file in memory behind read and write. */
function oneFile(content: Buffer): { fs: VolumeFs; calls: Call[]; content(): Buffer } {
  let bytes = content;
  const recorded = recording({
    open: () => ({ fd: 7 }),
    readFile: () => ({ data: '', more: true }),
    read: ({ position, length }) => ({ data: bytes.subarray(position, position + length).toString('base64') }),
    write: ({ position, data }) => {
      const piece = Buffer.from(data, 'base64');
      const grown = Buffer.alloc(Math.max(bytes.length, position + piece.length));
      bytes.copy(grown);
      piece.copy(grown, position);
      bytes = grown;
      return { bytesWritten: piece.length };
    },
  });
  return { ...recorded, content: () => bytes };
}

test('paths and names travel as bytes', async () => {
  const { fs, calls } = recording({ readlink: () => ({ target: 'zur\xc3\xbcck' }) });
  assert.is(await fs.readlink('/ä'), 'zurück');
  assert.equal(await fs.readlink(Buffer.from([0x2f, 0xff]), 'buffer'), Buffer.from('zurück'));
  assert.equal(
    calls.map((call) => call.args['path']),
    ['/\xc3\xa4', '/\xff'],
  );
});

test('refuses an empty path and a NUL before anything is asked', async () => {
  const { fs, calls } = recording({});
  for (const [path, code] of [
    ['', 'ENOENT'],
    ['a\0b', 'EINVAL'],
  ] as const) {
    try {
      await fs.stat(path);
      assert.unreachable();
    } catch (error) {
      assert.instance(error, FsError);
      assert.is((error as FsError).code, code);
    }
  }
  assert.equal(calls, []);
});

test('knows node’s flags as text and as numbers', () => {
  const { O_CREAT, O_TRUNC, O_WRONLY, O_RDWR, O_APPEND, O_EXCL } = OPEN_FLAGS;
  assert.is(openFlags('w'), O_WRONLY | O_CREAT | O_TRUNC);
  assert.is(openFlags('ax+'), O_RDWR | O_CREAT | O_APPEND | O_EXCL);
  assert.is(
    openFlags(constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW),
    O_RDWR | O_CREAT | OPEN_FLAGS.O_NOFOLLOW,
  );
  assert.throws(
    () => openFlags('q'),
    (error: FsError) => error.code === 'EINVAL',
  );
});

test('writes times as nanoseconds', () => {
  assert.is(timeText(1.5), '1500000000');
  assert.is(timeText(new Date(1234)), '1234000000');
  assert.is(timeText('-1.25'), '-1250000000');
  assert.is(timeText(1_700_000_000.123456), '1700000000123456000');
});

test('a small file is one call each way', async () => {
  const { fs, calls } = recording({ readFile: () => ({ data: Buffer.from('text').toString('base64'), more: false }) });
  assert.is(await fs.readFile('/f', 'utf8'), 'text');
  assert.equal(await fs.readFile('/f'), Buffer.from('text'));
  await fs.writeFile('/f', 'new', { mode: 0o600 });
  await fs.appendFile('/f', Buffer.from('more'));
  assert.equal(
    calls.map((call) => call.op),
    ['readFile', 'readFile', 'writeFile', 'writeFile'],
  );
  assert.is(calls[2]?.args['mode'], 0o600);
  assert.is(calls[3]?.args['flags'], OPEN_FLAGS.O_WRONLY | OPEN_FLAGS.O_CREAT | OPEN_FLAGS.O_APPEND);
});

test('masks the mode of what is made with the umask', async () => {
  const { fs, calls } = recording({ mkdir: () => ({ created: null }) });
  const mask = process.umask(0o027);
  try {
    await fs.mkdir('/d');
    await fs.writeFile('/f', '');
    await fs.chmod('/f', '777');
  } finally {
    process.umask(mask);
  }
  assert.equal(
    calls.map((call) => call.args['mode']),
    [0o750, 0o640, 0o777],
  );
});

test('a large file goes and comes in pieces, and is closed', async () => {
  const large = Buffer.alloc(2 * FS_DATA_BYTES_MAX + 12_345, 'abcdefg');
  const file = oneFile(Buffer.alloc(0));
  await file.fs.writeFile('/f', large);
  assert.ok(file.content().equals(large));
  assert.ok((await file.fs.readFile('/f')).equals(large));
  assert.is(file.calls.filter((call) => call.op === 'close').length, 2);
  const longest = (FS_DATA_BYTES_MAX * 4) / 3 + 4;
  for (const { args } of file.calls) assert.ok(typeof args['data'] !== 'string' || args['data'].length <= longest);
});

test('takes what node takes as data', async () => {
  const file = oneFile(Buffer.alloc(0));
  async function* pieces(): AsyncGenerator<string | Uint8Array> {
    yield 'one ';
    yield new Uint8Array([0x74, 0x77, 0x6f]);
  }
  await file.fs.writeFile('/f', pieces());
  assert.is(file.content().toString(), 'one two');
});

test('a handle keeps its position', async () => {
  const file = oneFile(Buffer.from('0123456789'));
  await using handle = await file.fs.open('/f', 'r+');
  const buffer = Buffer.alloc(4);
  assert.is((await handle.read(buffer, 0, 4)).bytesRead, 4);
  assert.is(buffer.toString(), '0123');
  assert.is((await handle.read(buffer, 0, 2, 8)).bytesRead, 2);
  assert.is(buffer.toString(), '8923');
  await handle.write('ab');
  assert.is(file.content().toString(), '0123ab6789');
  assert.is(await handle.readFile('utf8'), '6789');
  assert.is((await handle.read(buffer)).bytesRead, 0);
  await handle.close();
  assert.is(handle.fd, -1);
  try {
    await handle.stat();
    assert.unreachable();
  } catch (error) {
    assert.is((error as FsError).code, 'EBADF');
  }
});

test('refuses a part outside of the buffer', async () => {
  const handle = await oneFile(Buffer.alloc(10)).fs.open('/f');
  for (const [offset, length] of [
    [0, 5],
    [-1, 1],
    [4, 1],
    [5, 0],
  ] as const) {
    try {
      await handle.read(Buffer.alloc(4), offset, length);
      assert.unreachable();
    } catch (error) {
      assert.is((error as FsError).code, 'EINVAL');
    }
  }
});

test('stat answers as node does, to the nanosecond with bigint', async () => {
  const times = { atimeNs: '1', mtimeNs: '1700000000123456789', ctimeNs: '1700000000000000000' };
  const record = { ino: 5, mode: 0o100644, nlink: 2, uid: 1, gid: 2, rdev: 0, size: 9, blocks: 8, ...times };
  const { fs } = recording({ stat: () => record, lstat: () => ({ ...record, mode: 0o120777 }) });
  const stat = await fs.stat('/f');
  assert.ok(stat.isFile() && !stat.isDirectory());
  assert.is(stat.mode, 0o100644);
  assert.is(stat.mtime.getTime(), 1_700_000_000_123);
  assert.is((await fs.stat('/f', { bigint: true })).mtimeNs, 1_700_000_000_123_456_789n);
  assert.ok((await fs.lstat('/f')).isSymbolicLink());
});

test('lists names, bytes, entries and whole trees', async () => {
  const tree: Record<string, unknown> = {
    '/': [
      { name: 'a', ino: 2, type: 2 },
      { name: '\xff', ino: 3, type: 1 },
    ],
    '//a': [
      { name: 'b', ino: 4, type: 2 },
      { name: 'c', ino: 5, type: 3 },
    ],
    '//a/b': [],
  };
  const { fs } = recording({ readdir: ({ path }) => ({ entries: tree[path] ?? assert.unreachable(path) }) });
  assert.equal(await fs.readdir('/'), ['a', '\ufffd']);
  assert.equal(await fs.readdir('/', 'buffer'), [Buffer.from('a'), Buffer.from([0xff])]);
  const entries = await fs.readdir('/', { withFileTypes: true });
  assert.equal(entries.map((entry) => [entry.name, entry.isDirectory(), entry.isFile(), entry.parentPath])[0], [
    'a',
    true,
    false,
    '/',
  ]);
  assert.equal(await fs.readdir('/', { recursive: true, encoding: 'latin1' }), ['a', 'a/b', 'a/c', '\xff']);
});

test('without a session every call says what to do', async () => {
  const fs = closedFs(() => new Error('mount it first'));
  try {
    await fs.readFile('/x');
    assert.unreachable();
  } catch (error) {
    assert.is((error as Error).message, 'mount it first');
  }
});

test.run();
