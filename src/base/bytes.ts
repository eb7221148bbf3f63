/**
 * File names are bytes. In memory a name is a "binary" string: one character of 0..255 for each byte, which is what
 * `latin1` means to Node, so that names compare, hash and concatenate as they are and cost no decoding.
 */
export type ByteString = string;

export function bytesToName(bytes: Uint8Array): ByteString {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

export function nameToBytes(name: ByteString): Uint8Array {
  return Buffer.from(name, 'latin1');
}

/** A JavaScript string (UTF-16) as the byte string of its UTF-8. */
export function utf8ToName(text: string): ByteString {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** For people: UTF-8 where it is valid, `\xNN` for every other byte. */
export function nameToText(name: ByteString): string {
  const text = Buffer.from(name, 'latin1').toString('utf8');
  if (!text.includes('\uFFFD')) return text;
  return name.replace(/[^\x20-\x7e]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
