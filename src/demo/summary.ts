import { bytesText } from '../cli/terminal.js';
import type { MountStatus } from '../mount/spec.js';
import { lineage } from '../volume/lineage.js';
import type { ROVolume } from '../volume/volume.js';
import type { Stage } from './stage.js';

export interface Summary {
  versions: readonly { name: string; version: ROVolume }[];
  /** The newest version of each volume. */
  heads: readonly ROVolume[];
  kernels: readonly MountStatus['kernels'][];
  /** Objects and bytes that are in the store at the end. */
  stored: { objects: number; bytes: number };
}

/** What was made, where it comes from, and what it cost. */
export async function showSummary(stage: Stage, summary: Summary): Promise<void> {
  stage.line();
  stage.line('Lineage');
  for (const head of summary.heads) {
    const ancestry: string[] = [];
    for await (const entry of lineage(head.locator)) ancestry.unshift(`${entry.volume} v${entry.version}`);
    stage.line(`  ${ancestry.join(' -> ')}`);
  }
  stage.line();
  stage.line('Versions');
  for (const { name, version } of summary.versions) {
    const { stats } = version;
    const cost = stats === null ? '' : `${stats.objects} objects, ${bytesText(stats.bytes)} written to publish it`;
    const files = `${version.inodeCount ?? 0} inodes, ${bytesText(version.usedBytes ?? 0)}`;
    stage.line(`  ${name.padEnd(24)} ${files.padEnd(30)} ${cost}`);
    stage.line(`  ${''.padEnd(24)} ${version.locator}`);
  }
  stage.line();
  stage.line(`Store      ${summary.stored.objects} objects, ${bytesText(summary.stored.bytes)}`);
  for (const [kernel, jobs, bytes] of kernelTotals(summary.kernels)) {
    stage.line(`WASM       ${kernel.padEnd(14)} ${String(jobs).padStart(7)} jobs, ${bytesText(bytes)}`);
  }
  const seconds = stage.times.reduce((sum, { seconds }) => sum + seconds, 0);
  stage.line(`Time       ${seconds.toFixed(1)} s in ${stage.times.length} steps`);
}

function kernelTotals(all: Summary['kernels']): [string, number, number][] {
  const totals = new Map<string, [number, number]>();
  for (const { jobs, bytes } of all) {
    for (const kernel of new Set([...Object.keys(jobs), ...Object.keys(bytes)])) {
      const [j, b] = totals.get(kernel) ?? [0, 0];
      totals.set(kernel, [j + (jobs[kernel] ?? 0), b + (bytes[kernel] ?? 0)]);
    }
  }
  return [...totals].map(([kernel, [jobs, bytes]]) => [kernel, jobs, bytes]);
}

/** Did the kernels do anything? A demo in which they did not would show the wrong thing. */
export function kernelJobs(all: Summary['kernels']): number {
  return kernelTotals(all).reduce((sum, [, jobs]) => sum + jobs, 0);
}
