import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';

export interface CgroupPlaces {
  /** Where control groups are mounted. */
  root?: string;
  /** The list of this process's groups. */
  self?: string;
}

/** What limits the processor time of this process. */
export interface CpuLimits {
  /** Processors that it may keep busy: the machine's, or the smallest quota above it. */
  cpus: number;
  /** Files that count how often a quota stopped it. */
  statFiles: string[];
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined;
  }
}

/** A group's folder and those above it, down to the root of the hierarchy. */
function upwards(root: string, path: string): string[] {
  const folders: string[] = [];
  for (let at = path; ; at = dirname(at)) {
    folders.push(join(root, at));
    if (at === '/' || at === '.') return folders;
  }
}

/** Quota of one group in processors; undefined = none. */
function quotaOf(folder: string): number | undefined {
  const v2 = readText(join(folder, 'cpu.max'))?.trim().split(' ');
  const quota = Number(v2?.[0] ?? readText(join(folder, 'cpu.cfs_quota_us')));
  const period = Number(v2?.[1] ?? readText(join(folder, 'cpu.cfs_period_us')));
  return quota > 0 && period > 0 ? quota / period : undefined;
}

export function cpuLimits(places: CgroupPlaces = {}): CpuLimits {
  const root = places.root ?? '/sys/fs/cgroup';
  const folders = new Set<string>();
  for (const line of readText(places.self ?? '/proc/self/cgroup')?.split('\n') ?? []) {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === undefined || path === undefined) continue;
    const mounts =
      controllers === '' ? ['', 'unified'] : controllers.split(',').includes('cpu') ? [controllers, 'cpu'] : [];
    for (const mount of mounts) for (const folder of upwards(join(root, mount), path)) folders.add(folder);
  }
  let cpus = availableParallelism();
  const statFiles: string[] = [];
  for (const folder of folders) {
    const quota = quotaOf(folder);
    if (quota === undefined) continue;
    cpus = Math.min(cpus, quota);
    statFiles.push(join(folder, 'cpu.stat'));
  }
  return { cpus, statFiles };
}

/** How often quotas stopped this process so far. */
export function throttledCount(limits: CpuLimits): number {
  let count = 0;
  for (const file of limits.statFiles) count += Number(/^nr_throttled (\d+)/m.exec(readText(file) ?? '')?.[1] ?? 0);
  return count;
}
