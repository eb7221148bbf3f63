import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { close } from '../base/libc.js';
import { mountDirect, unmountDirect } from './direct.js';
import { fuseFacts, HELPER, SECCOMP_FILTER, type FuseFacts } from './facts.js';
import { CONTAINER, deviceRemedy, INSTALL, noNewPrivsRemedy } from './mount-failure.js';

/** One thing that was looked at. `remedy` says what to type or change when it is not `ok`. */
export interface Finding {
  check: string;
  ok: boolean;
  detail: string;
  remedy?: string;
}

/** The facts one by one, without trying anything. */
export function findings(facts: FuseFacts): Finding[] {
  const found: Finding[] = [];
  const add = (check: string, ok: boolean, detail: string, remedy: string): void => {
    found.push(ok ? { check, ok, detail } : { check, ok, detail, remedy });
  };
  add('fusermount3', facts.helperPath !== null, facts.helperPath ?? 'not found', INSTALL);
  const device = { open: '/dev/fuse', closed: '/dev/fuse may not be opened by this user', absent: 'no /dev/fuse' };
  add('device', facts.device === 'open', device[facts.device], deviceRemedy(facts));
  if (facts.isRoot) {
    add('capability', facts.hasSysAdmin, `CAP_SYS_ADMIN is ${facts.hasSysAdmin ? 'there' : 'missing'}`, CONTAINER);
  } else {
    const setuid = `${HELPER} is ${facts.helperIsSetuid ? '' : 'not '}setuid root`;
    add('setuid', facts.helperIsSetuid || facts.helperPath === null, setuid, `as root: chmod u+s ${facts.helperPath}`);
    add('no_new_privs', !facts.noNewPrivs, facts.noNewPrivs ? 'set' : 'not set', noNewPrivsRemedy());
  }
  const isFiltered = facts.seccomp === SECCOMP_FILTER;
  // A filter may allow mount(2): only a refused mount shows that it does not.
  found.push({ check: 'seccomp', ok: true, detail: isFiltered ? 'a filter, which may refuse mounts' : 'no filter' });
  if (!facts.isRoot) {
    const detail = `user_allow_other is ${facts.userAllowOther ? '' : 'not '}in /etc/fuse.conf (needed for allowOther only)`;
    found.push({ check: 'allow_other', ok: true, detail });
  }
  return found;
}

/** Looks at everything that a mount needs, and then tries one at a place of its own, which it removes at once. */
export async function diagnoseFuse(): Promise<Finding[]> {
  return [...findings(fuseFacts()), await tryMount()];
}

async function tryMount(): Promise<Finding> {
  const place = mkdtempSync(join(tmpdir(), 'forkfs-doctor-'));
  try {
    const { fd, mountPath } = mountDirect({ mountPath: place, fsname: 'forkfs:doctor' });
    // Nobody will answer: without its descriptor the mount is dead, and can be taken away without waiting.
    close(fd);
    await unmountDirect(mountPath, { lazy: true });
    return { check: 'mount', ok: true, detail: 'a trial mount worked' };
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    return { check: 'mount', ok: false, detail, remedy: 'see above' };
  } finally {
    rmdirSync(place);
  }
}
