import { spawn, spawnSync } from 'node:child_process';
import {
  closeSync,
  fstatSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ERRNO } from '../../dist/base/errno.js';
import * as libc from '../../dist/base/libc.js';

const test = suite('libc');
let folder = '';
test.before(() => {
  folder = mkdtempSync(join(tmpdir(), 'forkfs-libc-'));
});
test.after(() => rmSync(folder, { recursive: true, force: true }));

function shared(bytes: number): Uint8Array {
  return new Uint8Array(new SharedArrayBuffer(bytes));
}

test('an eventfd is readable between write and drain', () => {
  const fd = libc.eventfd();
  assert.ok(fd > 2);
  assert.is(libc.poll([fd], 0), 0);
  assert.is(libc.eventfdDrain(fd), -ERRNO.EAGAIN);
  assert.is(libc.eventfdWrite(fd), 8);
  assert.is(libc.eventfdWrite(fd), 8);
  assert.is(libc.poll([fd], 0), 1);
  assert.is(libc.eventfdDrain(fd), 8);
  assert.is(libc.poll([fd], 0), 0);
  assert.is(libc.close(fd), 0);
});

test('poll says which descriptors are ready, and which are hung up or bad', () => {
  const a = libc.eventfd();
  const b = libc.eventfd();
  libc.eventfdWrite(b);
  assert.is(libc.poll([a, b], -1), 2);
  libc.eventfdWrite(a);
  assert.is(libc.poll([a, b], -1), 3);
  const pair = libc.socketpair() as [number, number];
  libc.close(pair[0]);
  assert.is(libc.poll([pair[1]], -1), 1);
  libc.close(pair[1]);
  libc.close(a);
  libc.close(b);
  assert.is(libc.poll([a], 0), 1);
});

for (const [kind, make] of [
  ['ordinary', (n: number) => new Uint8Array(n)],
  ['shared', shared],
] as const) {
  test(`reads and writes ${kind} memory in place, at offsets`, () => {
    const path = join(folder, kind);
    const fd = openSync(path, 'w+');
    const out = make(1000).map((_, i) => i);
    assert.is(libc.write(fd, out.subarray(10), 20), 20);
    assert.is(libc.writev(fd, out.subarray(30), 5, out.subarray(100), 7), 12);
    assert.is(libc.pwrite(fd, out, 200, 50, 2 ** 33), 50);
    const wanted = Buffer.concat([out.slice(10, 30), out.slice(30, 35), out.slice(100, 107)]);
    const body = make(200);
    assert.is(libc.pread(fd, body, 3, 32, 0), 32);
    assert.equal(Buffer.from(body.slice(3, 35)), wanted);
    assert.is(body[2], 0);
    assert.is(body[35], 0);
    assert.is(libc.preadNowait(fd, body, 60, 50, 2 ** 33), 50);
    assert.equal(Buffer.from(body.slice(60, 110)), Buffer.from(out.slice(200, 250)));
    assert.is(libc.preadNowait(fd, body, 0, 50, 2 ** 33 + 50), 0);
    assert.is(libc.read(fd, body, 10), 10);
    assert.is(statSync(path).size, 2 ** 33 + 50);
    closeSync(fd);
  });
}

test('answers -errno', () => {
  const buffer = new Uint8Array(8);
  assert.is(libc.read(-1, buffer, 8), -ERRNO.EBADF);
  assert.is(libc.write(-1, buffer, 8), -ERRNO.EBADF);
  assert.is(libc.pread(-1, buffer, 1, 7, 0), -ERRNO.EBADF);
  assert.is(libc.preadNowait(-1, buffer, 0, 8, 0), -ERRNO.EBADF);
  assert.is(libc.fdatasync(-1), -ERRNO.EBADF);
  assert.is(libc.fallocate(-1, 0, 10), -ERRNO.EBADF);
  assert.is(libc.setNonblocking(-1), -ERRNO.EBADF);
  assert.is(
    libc.poll(
      Array.from({ length: 17 }, () => 0),
      0,
    ),
    -ERRNO.EINVAL,
  );
});

test('fallocate gives space, fdatasync answers 0', () => {
  const fd = openSync(join(folder, 'space'), 'w+');
  assert.is(libc.fallocate(fd, 0, 1 << 20), 0);
  const { size, blocks } = fstatSync(fd);
  assert.is(size, 1 << 20);
  assert.ok(blocks * 512 >= 1 << 20);
  assert.is(libc.fdatasync(fd), 0);
  closeSync(fd);
});

test('a lock is one open file at a time', () => {
  const path = join(folder, 'lock');
  const first = openSync(path, 'w');
  const second = openSync(path, 'w');
  assert.is(libc.flockExclusive(first), 0);
  assert.is(libc.flockExclusive(second), -ERRNO.EAGAIN);
  closeSync(first);
  assert.is(libc.flockExclusive(second), 0);
  closeSync(second);
});

test('receives a descriptor over a socket, closed on exec', async () => {
  const pair = libc.socketpair();
  assert.ok(Array.isArray(pair));
  const path = join(folder, 'sent');
  writeFileSync(path, 'passed on');
  const script = [
    'import array, os, socket',
    's = socket.socket(fileno=3)',
    `f = os.open(${JSON.stringify(path)}, os.O_RDONLY)`,
    's.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [f]))])',
  ].join('\n');
  if (spawnSync('python3', ['--version']).status !== 0) {
    process.stdout.write('skipped: no python3 to send a descriptor with\n');
    return;
  }
  const child = spawn('python3', ['-c', script], { stdio: ['ignore', 'ignore', 'inherit', pair[1]] });
  libc.close(pair[1]);
  const fd = libc.recvFd(pair[0]);
  assert.ok(fd > 2, String(fd));
  const body = new Uint8Array(9);
  assert.is(libc.read(fd, body, 9), 9);
  assert.is(Buffer.from(body).toString(), 'passed on');
  assert.match(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'), /flags:\s+0?2[0-7]{6}/);
  assert.is(libc.recvFd(pair[0]), -ERRNO.ENODATA);
  libc.close(fd);
  libc.close(pair[0]);
  await new Promise((resolve) => child.once('exit', resolve));
});

test('a descriptor can be made non-blocking', () => {
  const pair = libc.socketpair() as [number, number];
  assert.is(libc.setNonblocking(pair[0]), 0);
  assert.is(libc.read(pair[0], new Uint8Array(8), 8), -ERRNO.EAGAIN);
  writeSync(pair[1], 'hello');
  assert.is(libc.read(pair[0], new Uint8Array(8), 8), 5);
  pair.forEach((fd) => libc.close(fd));
});

test('a sleeping thread is woken through its eventfd', async () => {
  const fd = libc.eventfd();
  const url = new URL('../../dist/base/libc.js', import.meta.url).href;
  const code = `const { workerData, parentPort } = require('node:worker_threads');
    import(workerData.url).then(({ poll }) => { parentPort.postMessage('up'); parentPort.postMessage(poll([workerData.fd], -1)); });`;
  const worker = new Worker(code, { eval: true, workerData: { fd, url } });
  const said: unknown[] = [];
  worker.on('message', (message) => {
    said.push(message);
    if (message === 'up') libc.eventfdWrite(fd);
  });
  await new Promise((resolve) => worker.once('exit', resolve));
  assert.equal(said, ['up', 1]);
  libc.close(fd);
});

test.run();
