import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** The folders that are used when no option names others: the XDG ones of the user. A relative XDG path is ignored, as XDG says. */
export interface Places {
  metaDir: string;
  cacheDir: string;
  dataDir: string;
  mountPath: string;
}

export type Environment = Record<string, string | undefined>;

export function places(env: Environment = process.env): Places {
  const home = env['HOME'] !== undefined && isAbsolute(env['HOME']) ? env['HOME'] : homedir();
  const xdg = (name: string, fallback: string): string => {
    const value = env[name];
    return join(value !== undefined && isAbsolute(value) ? value : join(home, fallback), 'forkfs');
  };
  return {
    metaDir: join(xdg('XDG_STATE_HOME', '.local/state'), 'volumes'),
    cacheDir: xdg('XDG_CACHE_HOME', '.cache'),
    dataDir: xdg('XDG_DATA_HOME', '.local/share'),
    mountPath: join(home, 'flyte-volume'),
  };
}

/** The bucket of a volume that was made without one: `$FORKFS_BUCKET`, else a folder of the user's. */
export function defaultBucket(env: Environment = process.env): string {
  const bucket = env['FORKFS_BUCKET'];
  if (bucket !== undefined && bucket !== '') return bucket;
  return pathToFileURL(places(env).dataDir).href;
}
