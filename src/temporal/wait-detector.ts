/** Decides from successive looks at the pending activities of a run which of them wait. */
import type { ActivityWait } from '../api/signals.ts';
import type { PendingActivity } from './pending-activities.ts';

/** An activity waits if it has failed so often in a row, or has waited for so many milliseconds since the first look that saw it. */
const MIN_FAILURES = 3;
const MIN_WAIT_MS = 20_000;
/** The same for what an activity itself says that it waits for. */
const MIN_REPORTED_WAIT_MS = 8_000;
/** After one failure an attempt that has lasted so long is taken to work. */
const WORKING_MS = 30_000;
/** After several it must have lasted longer than the failed one before it by this much, or have made progress. */
const LOOK_SLACK_MS = 15_000;

/** A wait, or work that no worker takes: the reason is then to be found at its task queue. */
export type DetectedWait = Omit<ActivityWait, 'reason'> &
  ({ readonly reason: string } | { readonly untakenOn: string });

/** The observations of an activity. Times are those of the observations, in milliseconds. */
interface Seen {
  attempt: number;
  state: PendingActivity['state'];
  /** Since when it is in this state of this attempt. */
  stateAt: number;
  /** The duration of the last attempt that was seen running. */
  lastAttemptMs: number;
  /** The last progress that it reported, in whichever attempt. */
  progress: string;
  /** The first failure since an attempt worked. */
  failing?: { readonly at: number; readonly since: string };
  /** The number of attempts before that. */
  attemptsBefore: number;
  reportedAt?: number | undefined;
}

/**
 * Remembers the activities of one run. Thresholds are measured by the clock of this process, because the server and other workers
 * have clocks of their own; only the start that is shown is theirs.
 */
export class WaitDetector {
  #seen: ReadonlyMap<string, Seen> | undefined;

  /** @param now milliseconds of a monotonic clock */
  look(activities: readonly PendingActivity[], now: number): DetectedWait[] {
    const before = this.#seen;
    const seen = new Map(
      activities.map((activity) => [activity.key, observe(activity, before?.get(activity.key), before, now)]),
    );
    this.#seen = seen;
    const working = new Set<string>();
    const waits = new Map<string, DetectedWait>();
    for (const activity of activities) {
      const { workflowId, type } = activity;
      const group = `${workflowId}/${type}`;
      const wait = waitOf(activity, seen.get(activity.key) as Seen, now);
      if (wait === undefined && activity.state === 'started') working.add(group);
      const other = waits.get(group);
      if (wait !== undefined && (other === undefined || isMoreImportant(wait, other)))
        waits.set(group, { workflowId, activity: type, ...wait });
    }
    // Further shards of a stage wait while its workers are busy with others.
    return [...waits].flatMap(([group, wait]) => ('untakenOn' in wait && working.has(group) ? [] : [wait]));
  }
}

function observe(
  { attempt, state, failure, failedAt, progress, wait }: PendingActivity,
  known: Seen | undefined,
  before: ReadonlyMap<string, Seen> | undefined,
  now: number,
): Seen {
  const seen: Seen =
    known === undefined
      ? // An activity that has failed before the very first look may have worked for days between its failures.
        {
          ...{ attempt, state, stateAt: now, lastAttemptMs: 0, progress },
          attemptsBefore: before === undefined ? attempt - 1 : 0,
        }
      : { ...known };
  if (seen.attempt !== attempt || seen.state !== state) {
    if (seen.state === 'started') seen.lastAttemptMs = now - seen.stateAt;
    Object.assign(seen, { attempt, state, stateAt: now });
  }
  seen.reportedAt = wait === undefined ? undefined : (seen.reportedAt ?? now);
  const hasProgress = progress !== '' && progress !== seen.progress;
  if (hasProgress) seen.progress = progress;
  const hasLasted = now - seen.stateAt > Math.max(WORKING_MS, seen.lastAttemptMs + LOOK_SLACK_MS);
  if (state === 'started' && (hasProgress || hasLasted)) {
    seen.attemptsBefore = attempt - 1;
    delete seen.failing;
  } else if (failure !== undefined && attempt > 1)
    seen.failing ??= { at: now, since: (failedAt ?? new Date()).toISOString() };
  return seen;
}

type Reason = Pick<ActivityWait, 'since'> & ({ readonly reason: string } | { readonly untakenOn: string });

function waitOf(
  { workflowId, key, state, scheduledAt, taskQueue, attempt, failure, wait }: PendingActivity,
  { stateAt, failing, attemptsBefore, reportedAt }: Seen,
  now: number,
): Reason | undefined {
  const inState = now - stateAt;
  if (wait !== undefined && reportedAt !== undefined && now - reportedAt >= MIN_REPORTED_WAIT_MS) return wait;
  if (state === 'paused') {
    const id = key.slice(key.indexOf('/') + 1);
    return {
      since: scheduledAt.toISOString(),
      reason: `the activity was paused; it continues after "temporal activity unpause --workflow-id ${workflowId} --activity-id ${id}"`,
    };
  }
  const isDue = scheduledAt.getTime() <= Date.now();
  if (state === 'scheduled' && isDue && inState >= MIN_WAIT_MS)
    return { since: scheduledAt.toISOString(), untakenOn: taskQueue };
  if (failure === undefined || failing === undefined) return undefined;
  const failures = attempt - 1 - attemptsBefore;
  if (failures < MIN_FAILURES && now - failing.at < MIN_WAIT_MS) return undefined;
  if (failures < 2 && state === 'started' && inState > WORKING_MS) return undefined;
  return { since: failing.since, reason: failure };
}

/** Prefers a failing activity to one that no worker takes; of two of a kind, the one that has waited longer. */
function isMoreImportant(a: Reason, b: Reason): boolean {
  if ('untakenOn' in a !== 'untakenOn' in b) return 'untakenOn' in b;
  return a.since < b.since;
}
