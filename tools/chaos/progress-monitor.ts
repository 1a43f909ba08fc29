import { globSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';

const SCAN_MILLISECONDS = 100;

/** Polls the folder of a run for new records, training steps and artifacts. */
export class ProgressMonitor {
  /** When progress was seen, in milliseconds since the epoch. */
  readonly times: number[] = [];
  readonly #folder: string;
  #sizes = new Map<string, number>();
  readonly #timer: NodeJS.Timeout;

  constructor(folder: string) {
    this.#folder = folder;
    this.#timer = setInterval(() => this.scan(), SCAN_MILLISECONDS);
  }

  /** Whether a shard has a record. */
  get hasRecords(): boolean {
    return [...this.#sizes.keys()].some((path) => path.includes('segment-'));
  }

  /** How many stages have begun a shard that they have not published. */
  get stagesUnderWay(): number {
    const stages = [...this.#sizes.keys()].flatMap((path) => {
      const [shard, ...rest] = path.split('.journal/');
      const isPublished = this.#sizes.has(join(shard ?? '', 'manifest.json'));
      return rest.length === 0 || shard === undefined || isPublished ? [] : [dirname(shard)];
    });
    return new Set(stages).size;
  }

  scan(): void {
    const sizes = sizesIn(this.#folder);
    const hasProgress = [...sizes].some(([path, size]) => size > (this.#sizes.get(path) ?? 0));
    if (hasProgress) this.times.push(Date.now());
    this.#sizes = sizes;
  }

  close(): void {
    clearInterval(this.#timer);
    this.scan();
  }

  /** The longest time without progress, in seconds. */
  longestPauseSeconds(): number {
    const pauses = this.times.map((time, index) => time - (this.times[index - 1] ?? time));
    return Math.max(0, ...pauses) / 1000;
  }
}

function sizesIn(folder: string): Map<string, number> {
  try {
    const paths = globSync(
      '**/{segment-*.jsonl,segment-*.jsonl/*,progress.jsonl,manifest.json,result.json}',
      { cwd: folder },
    );
    const sizes = paths
      .filter((path) => !path.includes('.tmp-'))
      .map((path) => [path, statSync(join(folder, path), { throwIfNoEntry: false })?.size ?? 0] as const);
    return new Map(sizes.filter(([, size]) => size > 0));
  } catch {
    // A folder was deleted while it was read: the next scan is soon.
    return new Map();
  }
}
