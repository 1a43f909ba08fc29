/**
 * Nothing that a run waits for stays silent: a worker with the role `workflow` looks at the pending activities of all open runs of
 * its task queue, and reports to a run what its activities wait for whenever that changes. It works outside of workflows, because
 * a workflow does not see the attempts of its activities.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { QUERIES, SIGNALS, WORKFLOW_TYPES } from '../api/temporal-names.ts';
import type { RunProgress } from '../api/progress.ts';
import { STAGES } from '../api/stages.ts';
import type { ActivityWait, WaitsReport } from '../api/signals.ts';
import { untakenReason } from '../temporal/missing-worker.ts';
import { readPendingActivities } from '../temporal/pending-activities.ts';
import { type DetectedWait, WaitDetector } from '../temporal/wait-detector.ts';
import type { WorkerMetrics } from '../observability/worker-metrics.ts';
import { WaitReporter } from './wait-reporter.ts';

const LOOK_INTERVAL_MS = 10_000;
/** With many runs the looks are rarer: at most ten calls a second on average. */
const CALL_INTERVAL_MS = 100;
/** A worker that has just started does not know yet what has waited before. */
const SETTLING_MS = 25_000;
const ANSWER_MS = 5_000;

export interface WaitWatchOptions {
  readonly temporal: Client;
  readonly taskQueue: string;
  readonly warn: (message: string) => void;
  readonly metrics: Pick<WorkerMetrics, 'waits'>;
}

interface WatchedRun {
  readonly detector: WaitDetector;
  readonly reporter: WaitReporter;
  /** The waits at the last look. */
  waits: readonly ActivityWait[];
}

/** Watches until the signal aborts. A run that can't be looked at does not keep the others from being watched. */
export async function watchWaits(options: WaitWatchOptions, signal: AbortSignal): Promise<void> {
  const { temporal, taskQueue, warn } = options;
  const settledAt = performance.now() + SETTLING_MS;
  const problems = new ProblemLog(warn);
  const countWaits = createWaitCounter(options.metrics);
  let watched: ReadonlyMap<string, WatchedRun> = new Map();
  while (!signal.aborted) {
    let calls = 1;
    const ids = await problems.log('the open runs', () => openRuns(temporal, taskQueue));
    if (ids !== undefined) {
      const before = watched;
      watched = new Map(ids.map((id) => [id, before.get(id) ?? newWatchedRun(temporal, id)]));
    }
    for (const [workflowId, run] of watched) {
      if (signal.aborted) return;
      const look = () => lookAt(workflowId, run, options, settledAt);
      calls += (await problems.log(workflowId, look)) ?? 1;
    }
    countWaits([...watched.values()].flatMap(({ waits }) => waits));
    const pause = Math.max(LOOK_INTERVAL_MS, calls * CALL_INTERVAL_MS);
    await sleep(pause, undefined, { ref: false, signal }).catch(() => undefined);
  }
}

/** Looks at a run once, and reports what has changed. Returns the number of calls to the server. */
async function lookAt(
  workflowId: string,
  run: WatchedRun,
  options: WaitWatchOptions,
  settledAt: number,
): Promise<number> {
  const { activities, calls } = await readPendingActivities(options.temporal, workflowId);
  const now = performance.now();
  const detected = run.detector.look(activities, now);
  if (now < settledAt) return calls;
  run.waits = await Promise.all(detected.map((wait) => withReason(wait, options)));
  await run.reporter.report(run.waits, now);
  return calls;
}

/** Logs each problem once, until the same call succeeds or fails in another way. */
class ProblemLog {
  readonly #warn: (message: string) => void;
  readonly #known = new Map<string, string>();

  constructor(warn: (message: string) => void) {
    this.#warn = warn;
  }

  async log<T>(subject: string, call: () => Promise<T>): Promise<T | undefined> {
    try {
      const result = await call();
      this.#known.delete(subject);
      return result;
    } catch (error) {
      // A run, or one of its children, may end between two calls.
      if (error instanceof WorkflowNotFoundError) return undefined;
      const problem = error instanceof Error ? error.message : String(error);
      if (this.#known.get(subject) !== problem)
        this.#warn(`can't see what the activities of ${subject} wait for, and tries again: ${problem}`);
      this.#known.set(subject, problem);
      return undefined;
    }
  }
}

function newWatchedRun(temporal: Client, workflowId: string): WatchedRun {
  const handle = temporal.workflow.getHandle(workflowId);
  const reporter = new WaitReporter({
    async known() {
      const query = () => handle.query<RunProgress>(QUERIES.progress);
      return (await temporal.withDeadline(Date.now() + ANSWER_MS, query)).waits ?? [];
    },
    send: (report: WaitsReport) => handle.signal(SIGNALS.waitsChanged, report),
  });
  return { detector: new WaitDetector(), reporter, waits: [] };
}

/** Publishes how many waits each stage has; a stage that no longer waits has 0. */
function createWaitCounter(metrics: WaitWatchOptions['metrics']): (waits: readonly ActivityWait[]) => void {
  const stages = new Set<string>(STAGES);
  return (waits) => {
    for (const { activity } of waits) stages.add(activity);
    for (const stage of stages)
      metrics.waits(waits.filter(({ activity }) => activity === stage).length, { stage });
  };
}

/** The open runs, evaluations and judgings of a task queue; not the evaluations that a run has started, which are a part of it. */
async function openRuns(temporal: Client, taskQueue: string): Promise<string[]> {
  const types = Object.values(WORKFLOW_TYPES)
    .map((type) => `WorkflowType = "${type}"`)
    .join(' OR ');
  const query = `(${types}) AND ExecutionStatus = "Running" AND TaskQueue = "${taskQueue}"`;
  const found: string[] = [];
  for await (const { workflowId, parentExecution } of temporal.workflow.list({ query }))
    if (!parentExecution?.workflowId) found.push(workflowId);
  return found;
}

async function withReason(
  wait: DetectedWait,
  { temporal, taskQueue }: WaitWatchOptions,
): Promise<ActivityWait> {
  if (!('untakenOn' in wait)) return wait;
  const { untakenOn, ...rest } = wait;
  return { ...rest, reason: await untakenReason(temporal, untakenOn, taskQueue) };
}
