import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Something that a run has got done, as its folder shows it. */
export interface ProgressEvent {
  /** Milliseconds since the epoch, when it was seen. */
  readonly at: number;
  /** A record in a segment, a training step, or an artifact put in place. */
  readonly kind: 'record' | 'step' | 'artifact';
  /** Relative to the run's folder. */
  readonly path: string;
}

const LOOK_MILLISECONDS = 100;

/** Looks at a run's folder again and again and notes what has been added. */
export class ProgressWatch {
  readonly events: ProgressEvent[] = [];
  readonly #folder: string;
  #sizes = new Map<string, number>();
  readonly #timer: NodeJS.Timeout;

  constructor(folder: string) {
    this.#folder = folder;
    this.#timer = setInterval(() => this.look(), LOOK_MILLISECONDS);
  }

  /** The files that show progress, as far as they have been seen. */
  get known(): ReadonlySet<string> {
    return new Set(this.#sizes.keys());
  }

  look(): void {
    const sizes = sizesIn(this.#folder);
    const at = Date.now();
    for (const [path, size] of sizes) {
      if (size > (this.#sizes.get(path) ?? 0)) this.events.push({ at, kind: kindOf(path), path });
    }
    this.#sizes = sizes;
  }

  close(): void {
    clearInterval(this.#timer);
    this.look();
  }

  /** The longest time between two events, in seconds. */
  longestPauseSeconds(): number {
    const pauses = this.events.map(({ at }, index) => at - (this.events[index - 1]?.at ?? at));
    return Math.max(0, ...pauses) / 1000;
  }
}

function kindOf(path: string): ProgressEvent['kind'] {
  if (path.endsWith('progress.jsonl')) return 'step';
  return path.endsWith('.jsonl') ? 'record' : 'artifact';
}

function sizesIn(folder: string): Map<string, number> {
  const sizes = new Map<string, number>();
  for (const path of pathsIn(folder)) {
    if (!/(^|\/)(segment-[^/]*\.jsonl|progress\.jsonl|manifest\.json|result\.json)$/.test(path)) continue;
    if (path.includes('.draft-')) continue;
    const size = statSync(join(folder, path), { throwIfNoEntry: false })?.size ?? 0;
    if (size > 0) sizes.set(path, size);
  }
  return sizes;
}

function pathsIn(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, encoding: 'utf8' });
  } catch {
    // A folder was removed while it was read, or the run has none yet: the next look is soon.
    return [];
  }
}
