import { withoutSetId } from '../vfs/ops/attr.js';
import type { AttrChange } from '../vfs/types.js';
import { SetattrFlag } from './protocol/constants.js';
import type { Request } from './protocol/request.js';
import { setattrIn } from './protocol/structs.js';

/** What a SETATTR request asks for. `modeNow`: the permission bits at present. */
export function attrChange(request: Request, modeNow: number): AttrChange {
  const valid = request.u32(setattrIn.valid);
  const has = (flag: number): boolean => (valid & flag) !== 0;
  const change: AttrChange = {};
  if (has(SetattrFlag.MODE)) change.mode = request.u32(setattrIn.mode) & 0o7777;
  if (has(SetattrFlag.UID)) change.uid = request.u32(setattrIn.uid);
  if (has(SetattrFlag.GID)) change.gid = request.u32(setattrIn.gid);
  if (has(SetattrFlag.SIZE)) change.size = request.u64(setattrIn.size, 'EFBIG');
  if (has(SetattrFlag.ATIME_NOW)) change.atime = 'now';
  else if (has(SetattrFlag.ATIME)) change.atime = timeOf(request, setattrIn.atime, setattrIn.atimensec);
  if (has(SetattrFlag.MTIME_NOW)) change.mtime = 'now';
  else if (has(SetattrFlag.MTIME)) change.mtime = timeOf(request, setattrIn.mtime, setattrIn.mtimensec);
  if (has(SetattrFlag.CTIME)) change.ctime = timeOf(request, setattrIn.ctime, setattrIn.ctimensec);
  if (has(SetattrFlag.KILL_SUIDGID)) {
    const mode = change.mode ?? modeNow;
    if (withoutSetId(mode) !== mode) change.mode = withoutSetId(mode);
  }
  return change;
}

/** The handle that the change goes through, when there is one. */
export function setattrHandle(request: Request): number | undefined {
  return (request.u32(setattrIn.valid) & SetattrFlag.FH) === 0 ? undefined : request.u64(setattrIn.fh);
}

function timeOf(request: Request, secField: number, nsecField: number): { sec: number; nsec: number } {
  return { sec: request.i64(secField), nsec: Math.min(request.u32(nsecField), 999_999_999) };
}
