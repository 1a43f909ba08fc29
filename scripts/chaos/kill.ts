import { setTimeout as sleep } from 'node:timers/promises';
import type { ProgressEvent, ProgressWatch } from './progress-watch.ts';
import type { Kind, Target } from './targets.ts';

/** One kill, and what came after it. */
export interface Kill {
  readonly kind: Kind;
  /** When the process was gone, in milliseconds since the epoch. */
  readonly at: number;
  /** How many events had been seen by then. */
  readonly eventsBefore: number;
  /** Whether a later event shows that the run goes on, with what has replaced the killed process or without it. */
  readonly counts: (event: ProgressEvent) => boolean;
  /** There had been progress after the kill before. */
  readonly alone: boolean;
  /** Until such an event; undefined where another kill, or the end of the run, came first. */
  recoverySeconds: number | undefined;
}

/** For what a worker still has in hand when a model server dies. */
const IN_HAND_MILLISECONDS = 500;

/** Kills, and says what will count as progress afterwards: never what was in flight before. */
export async function kill(target: Target, watch: ProgressWatch, last: Kill | undefined): Promise<Kill> {
  await target.kill();
  const at = Date.now();
  // What was there before is not progress, though nobody had looked yet.
  watch.look();
  return {
    kind: target.kind,
    at,
    eventsBefore: watch.events.length,
    counts: whatCounts(target.kind, at, watch.known),
    alone: last === undefined || last.recoverySeconds !== undefined,
    recoverySeconds: undefined,
  };
}

function whatCounts(kind: Kind, at: number, known: ReadonlySet<string>): Kill['counts'] {
  switch (kind) {
    case 'worker':
    case 'trainer':
      return () => true;
    case 'model server':
      return (event) => event.at > at + IN_HAND_MILLISECONDS;
    case 'Temporal server':
      // A worker ends the shards that it has without Temporal; being given another one takes the server.
      return (event) => !belongsToOpenShard(event, known);
  }
}

function belongsToOpenShard({ kind, path }: ProgressEvent, known: ReadonlySet<string>): boolean {
  if (kind === 'record') return known.has(path);
  const work = path.replace(/\/manifest\.json$/, '.work/');
  return kind === 'artifact' && [...known].some((other) => other.startsWith(work));
}

/** Waits for progress after a kill; false when `isOver` comes true first. */
export async function awaitRecovery(
  killed: Kill,
  watch: ProgressWatch,
  isOver: () => boolean,
): Promise<boolean> {
  for (;;) {
    const event = watch.events.slice(killed.eventsBefore).find(killed.counts);
    if (event !== undefined) {
      killed.recoverySeconds = (event.at - killed.at) / 1000;
      return true;
    }
    if (isOver()) return false;
    await sleep(50);
  }
}
