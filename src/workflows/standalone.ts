import {
  CancellationScope,
  isCancellation,
  setCurrentDetails,
  setHandler,
  upsertMemo,
  workflowInfo,
} from '@temporalio/workflow';
import type { StageName } from '../api/stages.ts';
import type { RunPlan } from '../api/activity-types.ts';
import type { EndStatus } from '../api/run-status.ts';
import { expandDateName } from '../platform/dated-name.ts';
import { configurationQuery } from './messages.ts';
import { PauseGate } from './pause.ts';
import { runNameOf } from './planning.ts';
import { setProgressHandlers } from './run-handlers.ts';
import { ReportQueue } from './report-queue.ts';
import { RunBudget } from './run-budget.ts';
import { ProgressTracker } from './progress-tracker.ts';
import { RunStages } from './run-stages.ts';
import { showCurrentDetails } from './show-current-details.ts';

/** A plan for work without training, or the running workflow with the same name and the same configuration. */
type StandalonePlan =
  | {
      readonly kind: 'planned';
      readonly plan: RunPlan;
      readonly configuration: unknown;
      readonly warnings: readonly string[];
    }
  | { readonly kind: 'joined'; readonly ownerWorkflowId: string; readonly ownerRunId: string };

/** The parts of a workflow without training, in their order. */
export interface StandaloneWork<Plan extends StandalonePlan, Result> {
  /** The name of the stage that plans. */
  readonly planStage: StageName;
  readonly plan: (configuration: unknown) => Promise<Plan>;
  readonly awaitOwner: (owner: { readonly workflowId: string; readonly runId: string }) => Promise<Result>;
  /** Sets handlers for updates. */
  readonly setHandlers?: (tracker: ProgressTracker, gate: PauseGate) => void;
  /** Memo fields beside the name. */
  readonly memo: (planResult: Extract<Plan, { kind: 'planned' }>) => Readonly<Record<string, unknown>>;
  readonly work: (
    tracker: ProgressTracker,
    stages: RunStages,
    planResult: Extract<Plan, { kind: 'planned' }>,
  ) => Promise<Result>;
  /** The text that the Web UI shows at the end, as Markdown. */
  readonly details: (result: Result, planResult: Extract<Plan, { kind: 'planned' }>) => string;
}

/** Runs work without training: a run without iterations, with its own plan and result. Its servers are stopped however it ends. */
export async function runStandalone<Plan extends StandalonePlan, Result>(
  input: unknown,
  { planStage, plan, awaitOwner, setHandlers, memo, work, details }: StandaloneWork<Plan, Result>,
): Promise<Result> {
  const runName = expandDateName(runNameOf(input), workflowInfo().startTime);
  const configuration = isObject(input) && runName !== '' ? { ...input, runName } : input;
  const tracker = new ProgressTracker({
    runName,
    status: 'planning',
    startedAt: workflowInfo().startTime.toISOString(),
    requestedIterations: 0,
    stages: [],
    counts: {},
    completedIterations: [],
    best: 0,
    warnings: [],
  });
  const gate = new PauseGate();
  // Stays without a report: work without training writes one at its end only.
  const reports = new ReportQueue();
  let resolved = configuration;
  setProgressHandlers(tracker, reports);
  setHandler(configurationQuery, () => resolved);
  setHandlers?.(tracker, gate);

  const planResult = await tracker.trackStage({ name: planStage, iteration: 0 }, () => plan(configuration));
  if (planResult.kind === 'joined') {
    tracker.update({ status: 'joined' });
    return awaitOwner({ workflowId: planResult.ownerWorkflowId, runId: planResult.ownerRunId });
  }
  const plannedWork = planResult as Extract<Plan, { kind: 'planned' }>;
  resolved = plannedWork.configuration;
  upsertMemo({ runName, ...memo(plannedWork) });
  tracker.update({ status: 'running', warnings: plannedWork.warnings });
  const budget = new RunBudget(tracker, gate, reports, () => showCurrentDetails(tracker));
  const stages = new RunStages({ tracker, gate, budget, reports }, plannedWork.plan, undefined);
  const end = (status: EndStatus): Promise<void> =>
    CancellationScope.nonCancellable(async () => {
      await stages.stopServing();
      tracker.update({ status, paused: undefined, stages: [], waits: undefined });
    });
  try {
    const result = await work(tracker, stages, plannedWork);
    await end('completed');
    setCurrentDetails(`**${runName}**: completed\n\n${details(result, plannedWork)}`);
    return result;
  } catch (error) {
    await end(isCancellation(error) ? 'cancelled' : 'failed');
    showCurrentDetails(tracker);
    throw error;
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
