/** The bench's table: as text for the terminal, as Markdown for README.md. */
export type Column = 'local' | 'null' | 'juicefs-sqlite' | 'juicefs-redis' | 'forkfs';

/** What fs_bench.py prints, and what bench.ts adds to it. */
export type Row = Partial<Record<Measure, number>>;

export interface BenchRun {
  commit: string;
  date: string;
  machine: string;
  files: number;
  mb: number;
  columns: Partial<Record<Column, Row>>;
}

const MEASURES = {
  create: 'create 100 B files /s',
  stat_cold: 'stat after dropping caches /s',
  stat_warm: 'stat again /s',
  readsmall: 'read small files /s',
  seqw_1M: 'write 1 MiB MB/s',
  seqw_4K: 'write 4 KiB MB/s',
  seqr: 'read back MB/s',
  randr_4K: 'random 4 KiB read /s',
  randw_4K: 'random 4 KiB write /s',
  rename: 'rename /s',
  unlink: 'unlink /s',
  threads4: '4 processes creating /s',
  peak_rss_mb: 'peak RSS of the server MB',
  commit_10k_s: 'commit of 10,000 new files s',
  commit_10k_objects: 'block objects of that commit',
} as const;
type Measure = keyof typeof MEASURES;

const COLUMNS: readonly Column[] = ['local', 'null', 'juicefs-sqlite', 'juicefs-redis', 'forkfs'];
/** Rows without a rate have no ratio. */
const NO_RATIO: ReadonlySet<Measure> = new Set<Measure>(['peak_rss_mb', 'commit_10k_s', 'commit_10k_objects']);

function cells(run: BenchRun, measure: Measure): string[] {
  const values = COLUMNS.map((column) => run.columns[column]?.[measure]);
  const [, ceiling, sqlite, redis, ours] = values;
  const peer = Math.max(sqlite ?? 0, redis ?? 0);
  const hasRatio = !NO_RATIO.has(measure) && ours !== undefined;
  const ratio = (of: number | undefined): string => (hasRatio && of ? (ours / of).toFixed(2) : '');
  return [MEASURES[measure], ...values.map((value) => value?.toLocaleString('en') ?? ''), ratio(ceiling), ratio(peer)];
}

function rows(run: BenchRun): string[][] {
  const head = [
    '',
    'local directory',
    'null FUSE',
    'JuiceFS sqlite',
    'JuiceFS redis',
    'forkfs',
    'forkfs / null',
    'forkfs / best JuiceFS',
  ];
  return [head, ...(Object.keys(MEASURES) as Measure[]).map((measure) => cells(run, measure))];
}

export function tableText(run: BenchRun): string {
  const all = rows(run);
  const widths = all[0]!.map((_, i) => Math.max(...all.map((row) => row[i]!.length)));
  return all
    .map((row) => row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  '))
    .join('\n');
}

const BEGIN = '<!-- bench: written by npm run bench -->';
const END = '<!-- end of bench -->';

/** README.md with the table between its two marks replaced. */
export function readmeTable(readme: string, run: BenchRun): string {
  const [begin, end] = [readme.indexOf(BEGIN), readme.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error('README.md has lost the marks of the bench table');
  const [head, ...body] = rows(run);
  const line = (row: string[]): string => `| ${row.join(' | ')} |`;
  const rule = line(head!.map((_, i) => (i === 0 ? '---' : '---:')));
  const caption = `One run at ${run.commit}, ${run.date}: ${run.files.toLocaleString('en')} small files, ${run.mb} MiB; ${run.machine}.`;
  return `${readme.slice(0, begin + BEGIN.length)}\n${[line(head!), rule, ...body.map(line)].join('\n')}\n\n${caption}\n${readme.slice(end)}`;
}
