import { VolumeError } from '../base/errors.js';
import { HELPER, SECCOMP_FILTER, type FuseFacts } from './facts.js';

export const INSTALL = 'install it: apt-get install fuse3';
export const CONTAINER =
  'start the container with: --device /dev/fuse --cap-add SYS_ADMIN --security-opt apparmor=unconfined';

export function deviceRemedy(facts: FuseFacts): string {
  if (facts.isContainer || (facts.device === 'closed' && facts.isRoot)) return CONTAINER;
  if (facts.device === 'closed') return 'as root: chmod 666 /dev/fuse';
  return 'load the module: modprobe fuse (in a container: --device /dev/fuse --cap-add SYS_ADMIN)';
}

export function noNewPrivsRemedy(): string {
  return 'start without no_new_privs (docker: no --security-opt no-new-privileges; systemd: NoNewPrivileges=no; Kubernetes: allowPrivilegeEscalation: true), or as root';
}

/** What went wrong at the mount point: a state of ours, or the code of a system call's error. */
export function mountPointFailure(what: string, path: string, cause?: unknown): VolumeError {
  switch (what) {
    case 'mounted':
      return new VolumeError('busy', `something is mounted at ${path} already; unmount it or choose another path`);
    case 'not-empty':
      return new VolumeError(
        'invalid',
        `${path} is not empty, and a mount would hide what is there; choose an empty directory`,
      );
    case 'not-a-directory':
    case 'ENOTDIR':
      return new VolumeError('invalid', `${path} is not a directory`, { cause });
    case 'ENOTCONN':
    case 'ECONNABORTED':
      return new VolumeError('busy', `a dead mount is at ${path}; remove it: ${HELPER} -u -z ${path}`, { cause });
    case 'ENOENT':
      return new VolumeError('not-found', `there is no directory ${path}`, { cause });
    case 'EACCES':
    case 'EPERM':
      return new VolumeError('denied', `${path} may not be read by this user`, { cause });
    default:
      return new VolumeError('io', `cannot mount at ${path}: ${what}`, { cause });
  }
}

/** Why fusermount3 failed, judged by the facts first and by what it said (`said`) where they leave it open. */
export function mountFailure(
  facts: FuseFacts,
  failure: { said: string; allowOther: boolean; cause?: unknown },
): VolumeError {
  const { said } = failure;
  const error = (kind: 'unsupported' | 'denied', why: string, remedy: string): VolumeError =>
    new VolumeError(kind, `cannot mount: ${why}; ${remedy}${said === '' ? '' : ` (${said})`}`, {
      cause: failure.cause,
    });
  if (facts.helperPath === null) return error('unsupported', `${HELPER} is not here`, INSTALL);
  if (facts.device === 'absent') return error('unsupported', 'there is no /dev/fuse', deviceRemedy(facts));
  if (facts.device === 'closed') return error('unsupported', '/dev/fuse may not be opened', deviceRemedy(facts));
  if (failure.allowOther && !facts.isRoot && !facts.userAllowOther) {
    return error(
      'denied',
      'allowOther is for root only here',
      'add the line user_allow_other to /etc/fuse.conf, or mount without it',
    );
  }
  if (/no write access|bad mount point|not owned/i.test(said)) {
    return error('denied', 'this user may not mount there', 'choose a directory that you own and may write to');
  }
  if (/too many FUSE/i.test(said))
    return error('denied', 'this user has too many mounts', 'unmount some, or raise mount_max in /etc/fuse.conf');
  if (!facts.isRoot && facts.noNewPrivs)
    return error('unsupported', 'no_new_privs is set, so fusermount3 gets no rights', noNewPrivsRemedy());
  if (!facts.isRoot && !facts.helperIsSetuid) {
    return error('unsupported', `${HELPER} is not setuid root`, `as root: chmod u+s ${facts.helperPath}`);
  }
  // A device that is there, and that the rules for this container's devices keep closed even for root.
  if (/failed to open \/dev\/fuse/i.test(said)) return error('unsupported', '/dev/fuse may not be opened', CONTAINER);
  if (facts.isRoot && !facts.hasSysAdmin) return error('unsupported', 'CAP_SYS_ADMIN is missing', CONTAINER);
  if (facts.seccomp === SECCOMP_FILTER) {
    return error(
      'unsupported',
      'the mount was refused, probably by the seccomp filter',
      'allow mount(2) in it (docker: --security-opt seccomp=unconfined)',
    );
  }
  return error('denied', 'the system refused the mount', 'see what it said, and the system log (AppArmor, SELinux)');
}
