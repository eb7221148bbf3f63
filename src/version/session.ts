import { hostname } from 'node:os';
import { assert } from '../base/assert.js';
import { systemClock, type Clock } from '../base/clock.js';
import { StoreError, toVolumeError, VolumeError } from '../base/errors.js';
import { RECORD_BYTES_MAX, SESSION_ID_COUNT, SESSION_RANGE_COUNT } from '../base/limits.js';
import { systemRandom, type Random } from '../base/random.js';
import type { ObjectStore } from '../cloud/object-store.js';
import { isCount, isObject, JsonFields, type JsonObject } from './json.js';
import { retry, type RetryOptions } from './retry.js';

const KIND = 'forkfs.session/v1';
const FORMAT = 1;
/** Ranges that are tried before something must be wrong: with half of all taken, 2^-64 remains. */
const TRIES = 64;

/** What a session says of itself. */
export interface SessionInfo {
  volume: string;
  /** Newest published version that the session continues; 0 for none. */
  parentSeq: number;
  holder?: { host: string; pid: number };
}

/** A range of ids that no other session of the family has: slices and inodes are numbered from [firstId, endId). */
export interface ClaimedSession {
  session: number;
  firstId: number;
  endId: number;
}

export interface SessionRecord extends ClaimedSession, Required<SessionInfo> {
  state: 'open' | 'closed';
  createdMs: number;
}

export interface SessionOptions extends RetryOptions {
  random?: Random;
  clock?: Clock;
}

/**
 * Claims ids for a writing session, by creating the record of a range that nobody has; a full session claims another.
 * Range 0 is never given: ids start at 1 there and the root is inode 1, and adopted volumes have their ids in it.
 * @throws VolumeError `unavailable`, `denied`... from the store
 */
export async function claimSession(
  store: ObjectStore,
  family: string,
  info: SessionInfo,
  options: SessionOptions = {},
): Promise<ClaimedSession> {
  const { random = systemRandom } = options;
  for (let tries = 0; tries < TRIES; tries++) {
    const session = 1 + random.below(SESSION_RANGE_COUNT - 1);
    if (await create(store, family, session, info, options)) return rangeOf(session);
  }
  throw new VolumeError('io', `no free range of ids was found in ${family} in ${TRIES} tries`);
}

/**
 * Takes every range that holds ids below `endId` out of use: those of a volume that is adopted with its ids.
 * @throws VolumeError `exists` when a session has one of them
 */
export async function reserveIds(
  store: ObjectStore,
  family: string,
  info: SessionInfo & { endId: number },
  options: SessionOptions = {},
): Promise<void> {
  const { endId, ...holder } = info;
  const last = Math.floor((endId - 1) / SESSION_ID_COUNT);
  if (last >= SESSION_RANGE_COUNT)
    throw new VolumeError('unsupported', `ids up to ${endId} leave no range for sessions`);
  for (let session = 1; session <= last; session++) {
    if (await create(store, family, session, holder, options)) continue;
    throw new VolumeError('exists', `session ${session} of ${family} has ids that the adopted volume uses`);
  }
}

/** Says that the session writes nothing more. Records never change, so this is an object of its own; twice is no error. */
export async function closeSession(
  store: ObjectStore,
  family: string,
  claimed: ClaimedSession,
  options: SessionOptions = {},
): Promise<void> {
  const { clock = systemClock } = options;
  const body: JsonObject = {
    kind: KIND,
    format: FORMAT,
    session: claimed.session,
    state: 'closed',
    closed_at: new Date(clock.nowMs()).toISOString(),
  };
  const request = () => store.put(closedKey(family, claimed.session), encode(body), putOptions(options));
  await retry(request, options).catch((error: unknown) => {
    throw toVolumeError(error, `session ${claimed.session} cannot be closed`);
  });
}

/** All sessions of a family, by number. */
export async function listSessions(
  store: ObjectStore,
  family: string,
  options: RetryOptions = {},
): Promise<SessionRecord[]> {
  const prefix = `${family}/sessions/`;
  const open = new Set<number>();
  const closed = new Set<number>();
  try {
    for await (const { key } of store.list(prefix)) {
      const [, number, mark] = /^(\d+)(\.closed)?\.json$/.exec(key.slice(prefix.length)) ?? [];
      if (number !== undefined) (mark === undefined ? open : closed).add(Number(number));
    }
    const records: SessionRecord[] = [];
    for (const session of [...open].toSorted((a, b) => a - b)) {
      const range = { offset: 0, length: RECORD_BYTES_MAX };
      const body = await retry(() => store.get(sessionKey(family, session), range), options);
      records.push(parse(Buffer.from(body).toString('utf8'), session, closed.has(session)));
    }
    return records;
  } catch (error) {
    throw toVolumeError(error, `the sessions of ${family} cannot be read`);
  }
}

/** True when the range is ours now, false when somebody has it. */
async function create(
  store: ObjectStore,
  family: string,
  session: number,
  info: SessionInfo,
  options: SessionOptions,
): Promise<boolean> {
  const { random = systemRandom, clock = systemClock } = options;
  const { firstId, endId } = rangeOf(session);
  const holder = info.holder ?? { host: hostname(), pid: process.pid };
  const writer = random.id(26);
  const body: JsonObject = {
    kind: KIND,
    format: FORMAT,
    session,
    first_id: firstId,
    end_id: endId,
    family,
    volume: info.volume,
    parent_version: info.parentSeq,
    holder: { host: holder.host, pid: holder.pid },
    state: 'open',
    created_at: new Date(clock.nowMs()).toISOString(),
    writer,
  };
  const key = sessionKey(family, session);
  try {
    const answer = await retry(() => store.put(key, encode(body), putOptions(options)), options);
    if (answer === 'created') return true;
    // It may be our own, of a request whose answer was lost.
    const standing = await retry(() => store.get(key, { offset: 0, length: RECORD_BYTES_MAX }), options);
    return Buffer.from(standing).equals(encode(body));
  } catch (error) {
    if (error instanceof StoreError && error.kind === 'precondition') return false;
    throw toVolumeError(error, `no ids could be claimed in ${family}`);
  }
}

function rangeOf(session: number): ClaimedSession {
  assert(session > 0 && session < SESSION_RANGE_COUNT, 'a session has a range');
  const firstId = session * SESSION_ID_COUNT;
  return { session, firstId, endId: firstId + SESSION_ID_COUNT };
}

function parse(text: string, session: number, isClosed: boolean): SessionRecord {
  const fields = JsonFields.parse(text, { what: `session ${session}` });
  fields.get('kind', (value): value is string => value === KIND, `'${KIND}'`);
  const format = fields.count('format');
  if (format > FORMAT)
    throw new VolumeError('unsupported', `session ${session}: format ${format} needs a newer forkfs`);
  fields.get('session', (value): value is number => value === session, `${session}`);
  const holder = fields.get('holder', isObject, 'an object');
  const { host, pid } = holder;
  if (typeof host !== 'string' || !isCount(pid ?? null)) throw fields.wrong('holder', 'a host and a process');
  return {
    ...rangeOf(session),
    volume: fields.text('volume'),
    parentSeq: fields.count('parent_version'),
    holder: { host, pid: Number(pid) },
    state: isClosed ? 'closed' : 'open',
    createdMs: Date.parse(fields.text('created_at')),
  };
}

function sessionKey(family: string, session: number): string {
  return `${family}/sessions/${session}.json`;
}

function closedKey(family: string, session: number): string {
  return `${family}/sessions/${session}.closed.json`;
}

function encode(body: JsonObject): Buffer {
  return Buffer.from(`${JSON.stringify(body, null, 2)}\n`, 'utf8');
}

function putOptions({ signal }: RetryOptions): { ifAbsent: true; signal?: AbortSignal } {
  return { ifAbsent: true, ...(signal === undefined ? {} : { signal }) };
}
