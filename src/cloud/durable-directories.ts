import { existsSync } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errorCode } from './file-error.js';

/** Folders that are remembered to be there; forgetting one costs an fsync. */
const KNOWN_MAX = 10_000;

/** Waiters of one folder: a sync that runs may have begun before their change, so they get the next one. */
interface Turn {
  running: Promise<void>;
  next: Promise<void> | undefined;
}

/** Makes folders below a root so that they survive a crash, and makes names in them do so. */
export class DurableDirectories {
  readonly #root: string;
  readonly #known = new Map<string, Promise<void>>();
  readonly #turns = new Map<string, Turn>();

  constructor(root: string) {
    this.#root = root;
  }

  /** The folder is there, and the names that lead to it are on the disk. */
  ensure(directory: string): Promise<void> {
    const known = this.#known.get(directory);
    if (known !== undefined) return known;
    if (this.#known.size >= KNOWN_MAX) this.#known.clear();
    const made = this.#make(directory);
    this.#known.set(directory, made);
    made.catch(() => {
      if (this.#known.get(directory) === made) this.#known.delete(directory);
    });
    return made;
  }

  /** Somebody removed folders: nothing is taken for granted any more. */
  forget(): void {
    this.#known.clear();
  }

  /** Names made in the folder before this call are on the disk. Calls at one time share the work. */
  sync(directory: string): Promise<void> {
    const turn = this.#turns.get(directory);
    if (turn === undefined) return this.#startTurn(directory);
    turn.next ??= turn.running.then(
      () => this.#startTurn(directory),
      () => this.#startTurn(directory),
    );
    return turn.next;
  }

  #startTurn(directory: string): Promise<void> {
    const running = syncDirectory(directory);
    const turn: Turn = { running, next: undefined };
    this.#turns.set(directory, turn);
    const end = (): void => {
      if (turn.next === undefined) this.#turns.delete(directory);
    };
    running.then(end, end);
    return running;
  }

  async #make(directory: string): Promise<void> {
    if (directory === this.#root) return this.#makeRoot();
    await this.ensure(dirname(directory));
    try {
      await mkdir(directory);
    } catch (error) {
      if (errorCode(error) !== 'EEXIST') throw error;
    }
    // Also when it was there: whoever made it may not have come to this yet.
    await this.sync(dirname(directory));
  }

  async #makeRoot(): Promise<void> {
    const first = await makeAll(this.#root);
    if (first === undefined) return;
    for (let made = this.#root; ; made = dirname(made)) {
      await this.sync(dirname(made));
      if (made === first) return;
    }
  }
}

/** The topmost folder that was made. */
async function makeAll(directory: string): Promise<string | undefined> {
  try {
    return await mkdir(directory, { recursive: true });
  } catch (error) {
    // Of a file system that is read-only node says ENOENT here; of a single folder it says what is wrong.
    if (errorCode(error) === 'ENOENT') await mkdir(topmostMissing(directory));
    throw error;
  }
}

function topmostMissing(directory: string): string {
  let missing = directory;
  while (!existsSync(dirname(missing))) missing = dirname(missing);
  return missing;
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } catch (error) {
    // Some file systems sync no folders; what they promise of names is up to them.
    if (errorCode(error) !== 'EINVAL') throw error;
  } finally {
    await handle.close();
  }
}
