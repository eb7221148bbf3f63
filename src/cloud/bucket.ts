import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { VolumeError } from '../base/errors.js';

export interface Bucket {
  /** The one spelling of the URL: percent-encoded where needed, without a slash at the end. */
  url: string;
  /** Kind of store, as handles and records name it. */
  storage: 'file' | 's3' | 'gs' | 'wasb';
}

const STORAGE_OF_SCHEME: Readonly<Record<string, Bucket['storage']>> = {
  file: 'file',
  s3: 's3',
  gs: 'gs',
  wasb: 'wasb',
  wasbs: 'wasb',
  abfs: 'wasb',
  abfss: 'wasb',
};
const KNOWN = 'file:///absolute/folder, s3://bucket/prefix, gs://bucket/prefix, wasb://container@account/prefix';

/**
 * Reads the URI of a bucket and says which kind of store it is. What follows may hold a secret, so messages repeat a text
 * only when nothing in it looks like one.
 * @throws VolumeError `invalid`
 */
export function parseBucket(text: string): Bucket {
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(text)?.[1]?.toLowerCase();
  // For tests; it takes the place of a file store.
  if (scheme === 'memory' && /^memory:[A-Za-z0-9._-]+$/.test(text)) return { url: text, storage: 'file' };
  if (scheme === undefined) {
    const remedy = text.startsWith('/') ? `file://${shown(text)}` : 'a URI';
    throw new VolumeError('invalid', `bucket: ${quoted(text)} is not a URI; write ${remedy} (known: ${KNOWN})`);
  }
  const storage = STORAGE_OF_SCHEME[scheme];
  if (storage === undefined) {
    throw new VolumeError('invalid', `bucket: '${scheme}:' is no kind of store that is known: ${KNOWN}`);
  }
  if (/[?#]/.test(text)) {
    throw new VolumeError(
      'invalid',
      `bucket: a ${scheme} URI takes no parameters; write %3F and %23 for ? and # in a name`,
    );
  }
  refuseCredentials(text, scheme, storage);
  return { url: storage === 'file' ? fileUrl(text) : objectUrl(text, scheme, storage), storage };
}

/** Keys and passwords come from the environment of whoever uses the bucket, never from its name. */
function refuseCredentials(text: string, scheme: string, storage: Bucket['storage']): void {
  const authority = text.slice(scheme.length + 1).replace(/^\/\//, '');
  const secretInPath = /:[^@]*@/.test(authority);
  const user = authority.split('/', 1)[0]?.includes('@') === true;
  if (secretInPath || (user && storage !== 'wasb')) {
    throw new VolumeError(
      'invalid',
      `bucket: credentials do not belong in a ${scheme} URI (it is stored and shown); give them by the environment`,
    );
  }
}

function fileUrl(text: string): string {
  if (!/^file:\/\/(localhost)?\//i.test(text)) {
    throw new VolumeError('invalid', `bucket: ${quoted(text)} is not absolute; write file:///absolute/folder`);
  }
  let path: string;
  try {
    path = resolve(fileURLToPath(text));
  } catch (error) {
    throw new VolumeError('invalid', `bucket: ${quoted(text)} is not the URI of a folder`, { cause: error });
  }
  if (path === '/' || path.includes('\0')) {
    throw new VolumeError('invalid', `bucket: ${quoted(text)} is not the URI of a folder for a bucket`);
  }
  return pathToFileURL(path).href;
}

function objectUrl(text: string, scheme: string, storage: Bucket['storage']): string {
  const [, authority = '', path = ''] = /^[^:]+:\/\/([^/]*)(.*)$/.exec(text) ?? [];
  const shape = storage === 'wasb' ? /^([a-z0-9$-]+@)?[A-Za-z0-9.-]+$/ : /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
  const parts = path.split('/').filter((part) => part !== '');
  if (!shape.test(authority) || parts.some((part) => part === '.' || part === '..')) {
    throw new VolumeError('invalid', `bucket: ${quoted(text)} does not name a bucket; write ${scheme}://bucket/prefix`);
  }
  return [`${scheme}://${authority}`, ...parts].join('/');
}

function shown(text: string): string {
  return text.length > 200 || /[@?#\p{Cc}]/u.test(text) ? '...' : text;
}

function quoted(text: string): string {
  return shown(text) === '...' ? 'the text given' : `'${text}'`;
}
