import {
  CancellationScope,
  isCancellation,
  setCurrentDetails,
  setHandler,
  upsertMemo,
  workflowInfo,
} from '@temporalio/workflow';
import type { RunPlan } from '../activities/types.ts';
import type { RunPhase } from '../contract/progress.ts';
import { datedName } from '../format/dated-name.ts';
import { configurationQuery } from './messages.ts';
import { PauseGate } from './pause.ts';
import { runNameOf } from './plan.ts';
import { setProgressHandlers } from './run-handlers.ts';
import { RunBudget } from './run-budget.ts';
import { ProgressTracker } from './run-progress.ts';
import { RunStages } from './run-stages.ts';
import { showDetails } from './show-details.ts';

/** A plan for work without training, or the workflow of the same name and meaning that is under way. */
type Planned =
  | {
      readonly kind: 'planned';
      readonly plan: RunPlan;
      readonly configuration: unknown;
      readonly warnings: readonly string[];
    }
  | { readonly kind: 'joined'; readonly ownerWorkflowId: string; readonly ownerRunId: string };

/** What a workflow without training does, in the order in which it is done. */
export interface AloneWork<Plan extends Planned, Result> {
  /** The name of the stage that plans. */
  readonly planning: string;
  readonly plan: (configuration: unknown) => Promise<Plan>;
  readonly follow: (owner: { readonly workflowId: string; readonly runId: string }) => Promise<Result>;
  /** Sets what it can be told beside its queries. */
  readonly handle?: (tracker: ProgressTracker, gate: PauseGate) => void;
  /** What it is found by beside its name. */
  readonly memo: (planned: Extract<Plan, { kind: 'planned' }>) => Readonly<Record<string, unknown>>;
  readonly work: (
    tracker: ProgressTracker,
    stages: RunStages,
    planned: Extract<Plan, { kind: 'planned' }>,
  ) => Promise<Result>;
  /** What is shown at its end, as Markdown. */
  readonly details: (result: Result, planned: Extract<Plan, { kind: 'planned' }>) => string;
}

/** Work without training is a run without iterations, with its own plan and result. However it ends, its servers stop. */
export async function workAlone<Plan extends Planned, Result>(
  input: unknown,
  { planning, plan, follow, handle, memo, work, details }: AloneWork<Plan, Result>,
): Promise<Result> {
  const runName = datedName(runNameOf(input), workflowInfo().startTime);
  const configuration = isObject(input) && runName !== '' ? { ...input, runName } : input;
  const tracker = new ProgressTracker({
    runName,
    phase: 'planning',
    startedAt: workflowInfo().startTime.toISOString(),
    iterations: 0,
    stages: [],
    counts: {},
    completed: [],
    best: 0,
    warnings: [],
  });
  const gate = new PauseGate();
  let resolved = configuration;
  setProgressHandlers(tracker);
  setHandler(configurationQuery, () => resolved);
  handle?.(tracker, gate);

  const planned = await tracker.during({ name: planning, iteration: 0 }, () => plan(configuration));
  if (planned.kind === 'joined') {
    tracker.update({ phase: 'following' });
    return follow({ workflowId: planned.ownerWorkflowId, runId: planned.ownerRunId });
  }
  const own = planned as Extract<Plan, { kind: 'planned' }>;
  resolved = own.configuration;
  upsertMemo({ runName, ...memo(own) });
  tracker.update({ phase: 'working', warnings: own.warnings });
  const budget = new RunBudget(tracker, gate, () => showDetails(tracker));
  const stages = new RunStages({ tracker, gate, budget }, own.plan, undefined);
  const end = (phase: RunPhase): Promise<void> =>
    CancellationScope.nonCancellable(async () => {
      await stages.stopServing();
      tracker.update({ phase, paused: undefined, stages: [] });
    });
  try {
    const result = await work(tracker, stages, own);
    await end('completed');
    setCurrentDetails(`**${runName}**: completed\n\n${details(result, own)}`);
    return result;
  } catch (error) {
    await end(isCancellation(error) ? 'cancelled' : 'failed');
    showDetails(tracker);
    throw error;
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
