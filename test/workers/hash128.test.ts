import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { HASH_ROOM_BYTES } from '../../dist/workers/wasm.js';
import { BASE, bench, seeded } from './helpers.ts';

const hash = suite('hash128');
const INPUT_MAX = 300_000;
const OUT = BASE + INPUT_MAX;
const { kernels, bytes } = bench(INPUT_MAX + HASH_ROOM_BYTES);

function hashOf(input: Uint8Array): string {
  bytes.set(input, BASE);
  kernels.hash128(BASE, input.length, OUT);
  return Buffer.from(bytes.subarray(OUT, OUT + 32)).toString('hex');
}

/** The published vectors: input byte i is i % 251. */
const VECTORS: Record<number, string> = {
  0: 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262',
  1: '2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213',
  1023: '10108970eeda3eb932baac1428c7a2163b0e924c9a9e25b35bba72b28f70bd11',
  1024: '42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7',
  1025: 'd00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444',
  2048: 'e776b6028c7cd22a4d0ba182a8bf62205d2ef576467e838ed6f2529b85fba24a',
  2049: '5f4d72f40d7a5f82b15ca2b2e44b1de3c2ef86c426c95c1af0b6879522563030',
  3072: 'b98cb0ff3623be03326b373de6b9095218513e64f1ee2edd2525c7ad1e5cffd2',
  3073: '7124b49501012f81cc7f11ca069ec9226cecb8a2c850cfe644e327d22d3e1cd3',
  4096: '015094013f57a5277b59d8475c0501042c0b642e531b0a1c8f58d2163229e969',
  4097: '9b4052b38f1c5fc8b1f9ff7ac7b27cd242487b3d890d15c96a1c25b8aa0fb995',
  5120: '9cadc15fed8b5d854562b26a9536d9707cadeda9b143978f319ab34230535833',
  5121: '628bd2cb2004694adaab7bbd778a25df25c47b9d4155a55f8fbd79f2fe154cff',
  6144: '3e2e5b74e048f3add6d21faab3f83aa44d3b2278afb83b80b3c35164ebeca205',
  6145: 'f1323a8631446cc50536a9f705ee5cb619424d46887f3c376c695b70e0f0507f',
  7168: '61da957ec2499a95d6b8023e2b0e604ec7f6b50e80a9678b89d2628e99ada77a',
  7169: 'a003fc7a51754a9b3c7fae0367ab3d782dccf28855a03d435f8cfe74605e7817',
  8192: 'aae792484c8efe4f19e2ca7d371d8c467ffb10748d8a5a1ae579948f718a2a63',
  8193: 'bab6c09cb8ce8cf459261398d2e7aef35700bf488116ceb94a36d0f5f1b7bc3b',
  16384: 'f875d6646de28985646f34ee13be9a576fd515f76b5b0a26bb324735041ddde4',
  31744: '62b6960e1a44bcc1eb1a611a8d6235b6b4b78f32e7abc4fb4c6cdcce94895c47',
  102400: 'bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085',
};

// -- the naive twin: the specification's recursion, one word at a time --

const IV = [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];
const PERMUTATION = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
const MIXES = [
  [0, 4, 8, 12],
  [1, 5, 9, 13],
  [2, 6, 10, 14],
  [3, 7, 11, 15],
  [0, 5, 10, 15],
  [1, 6, 11, 12],
  [2, 7, 8, 13],
  [3, 4, 9, 14],
] as const;

function compress(cv: number[], block: Uint8Array, counter: number, flags: number): number[] {
  const padded = new DataView(new ArrayBuffer(64));
  block.forEach((byte, i) => padded.setUint8(i, byte));
  let words = Array.from({ length: 16 }, (_, i) => padded.getUint32(4 * i, true));
  const v = Uint32Array.from([...cv, ...IV.slice(0, 4), counter, 0, block.length, flags]);
  const get = (i: number): number => v[i] ?? 0;
  const turn = (x: number, bits: number): number => (x >>> bits) | (x << (32 - bits));
  for (let round = 0; round < 7; round++) {
    MIXES.forEach(([a, b, c, d], i) => {
      for (const [word, right, left] of [
        [words[2 * i], 16, 12],
        [words[2 * i + 1], 8, 7],
      ] as const) {
        v[a] = get(a) + get(b) + (word ?? 0);
        v[d] = turn(get(d) ^ get(a), right);
        v[c] = get(c) + get(d);
        v[b] = turn(get(b) ^ get(c), left);
      }
    });
    words = PERMUTATION.map((from) => words[from] ?? 0);
  }
  return Array.from({ length: 8 }, (_, i) => (get(i) ^ get(i + 8)) >>> 0);
}

function naiveNode(input: Uint8Array, firstChunk: number, root: number): number[] {
  if (input.length > 1024) {
    const left = 1024 * 2 ** Math.floor(Math.log2((input.length - 1) / 1024));
    const children = [
      ...naiveNode(input.subarray(0, left), firstChunk, 0),
      ...naiveNode(input.subarray(left), firstChunk + left / 1024, 0),
    ];
    return compress(IV, new Uint8Array(Uint32Array.from(children).buffer), 0, 4 | root);
  }
  let cv = IV;
  for (let at = 0; at === 0 || at < input.length; at += 64) {
    const isLast = at + 64 >= input.length;
    cv = compress(cv, input.subarray(at, at + 64), firstChunk, (at === 0 ? 1 : 0) | (isLast ? 2 | root : 0));
  }
  return cv;
}

function naiveHash(input: Uint8Array): string {
  return Buffer.from(Uint32Array.from(naiveNode(input, 0, 8)).buffer).toString('hex');
}

hash('gives the published vectors of BLAKE3', () => {
  for (const [length, expected] of Object.entries(VECTORS)) {
    const input = Uint8Array.from({ length: Number(length) }, (_, i) => i % 251);
    assert.is(hashOf(input), expected, `${length} bytes`);
  }
});

hash('agrees with the recursion of the specification', () => {
  const random = seeded(21);
  const lengths = [64, 65, 16_385, 17_408, 20_481, 32_768, 32_769, 65_536, 65_537, 299_999];
  for (let i = 0; i < 40; i++) lengths.push(random(40_000));
  for (const length of lengths) {
    const input = Uint8Array.from({ length }, () => random(256));
    assert.is(hashOf(input), naiveHash(input), `${length} bytes`);
  }
});

hash('leaves its input and everything beyond its room alone', () => {
  bytes.fill(0xa5);
  kernels.hash128(BASE, INPUT_MAX, OUT);
  assert.ok(bytes.subarray(BASE, OUT).every((byte) => byte === 0xa5));
  assert.ok(bytes.subarray(OUT + HASH_ROOM_BYTES).every((byte) => byte === 0xa5));
});

hash.run();
