import { FAILURES } from '../api/temporal-names.ts';
import { upsertMemo, workflowInfo } from '@temporalio/workflow';
import type { PinnedMachine, RunPlan } from '../api/activity-types.ts';
import type { IterationSummary, RunResult } from '../api/result.ts';
import { bestIteration } from '../method/model-selection.ts';
import { continueOnCurrentBuild } from './continue-as-new.ts';
import { hasFailureType } from './failure-causes.ts';
import { finalizeRun } from './finalize-run.ts';
import { type PreparedRun, prepareRun } from './prepare-run.ts';
import { PauseGate } from './pause.ts';
import type { PauseState } from '../api/signals.ts';
import { planRunOrFail, invalidConfiguration, runNameOf } from './planning.ts';
import { workflowActivities } from './activity-proxies.ts';
import { setRunHandlers } from './run-handlers.ts';
import type { BudgetProgress, RunProgress } from '../api/progress.ts';
import { ReportQueue } from './report-queue.ts';
import { RunBudget } from './run-budget.ts';
import { runIterations } from './run-iterations.ts';
import { ProgressTracker, type TrackerState } from './progress-tracker.ts';
import { withFinalization, tryWriteReport, writeRunReport, type ReportContext } from './run-report.ts';
import { RunStages, type RunControls } from './run-stages.ts';
import { showCurrentDetails } from './show-current-details.ts';
import { type Tasks, withTasks } from './tasks.ts';

/** The state of a run before its first stage. */
interface RunContext extends ReportContext {
  /** With every default filled in. */
  readonly configuration: unknown;
  /** How often the run has repeated its stages because an artifact was damaged. */
  readonly repairs: number;
}

/** The state that a run passes on when it continues as new: references, never data. */
interface CarriedState extends RunContext, PreparedRun, TrackerState {
  readonly warnings: readonly string[];
  readonly machine: PinnedMachine | undefined;
  readonly pause: PauseState;
  /** The requested number of iterations, and the iteration to stop after. */
  readonly iterations: number;
  readonly stopAfter?: number | undefined;
  readonly completed: readonly IterationSummary[];
  readonly budget?: BudgetProgress | undefined;
}

/**
 * Trains a judge without human labels (arXiv 2408.02666): makes response pairs whose better side is known by
 * construction, samples judgments of them from the current judge, keeps the judgments with the correct verdict, fine-tunes
 * the seed model on them (or the current judge, as the configuration says), evaluates the new judge, and repeats.
 *
 * The workflow orders the stages and passes references to their artifacts; the work of a stage is in its activity. It
 * continues as new between iterations when its history has grown, and when another build of the worker has become current:
 * an iteration ends on the build that it started on, and the next one starts on the new build.
 */
export async function selfTaughtEvaluator(configuration: unknown, state?: CarriedState): Promise<RunResult> {
  if (state !== undefined && workflowInfo().continuedFromExecutionRunId === undefined)
    throw invalidConfiguration([
      { path: 'input', message: 'a run takes one input, its configuration; found two' },
    ]);
  const tracker = new ProgressTracker(
    {
      runName: runNameOf(configuration),
      status: state === undefined ? 'planning' : 'running',
      paused: state?.pause.paused,
      budget: state?.budget,
      startedAt: state?.startedAt ?? workflowInfo().startTime.toISOString(),
      requestedIterations: state?.iterations ?? 0,
      stopAfter: state?.stopAfter,
      stages: [],
      counts: state?.pairCounts ?? {},
      completedIterations: state?.completed ?? [],
      best: state === undefined ? 0 : bestIteration(state.completed, state.plan.modelSelection),
      ...(state === undefined ? {} : expectationsOf(state.plan)),
      warnings: state?.warnings ?? [],
      ...(state === undefined ? {} : { report: state.reportUrl }),
    },
    state,
  );
  const gate = new PauseGate(state?.pause);
  let resolved = state?.configuration ?? configuration;
  let stages: RunStages | undefined;
  const show = (): void => (stages === undefined ? showCurrentDetails(tracker) : stages.publishStatus());
  const reports = new ReportQueue();
  const budget = new RunBudget(tracker, gate, reports, show);
  const controls = { tracker, gate, budget, reports };
  setRunHandlers({ ...controls, configuration: () => resolved, show });

  if (state !== undefined) {
    const continuedStages = createStages(controls, state, state.machine);
    stages = continuedStages;
    return withFinalization(tracker, state, continuedStages, () =>
      withDamageRepair(tracker, configuration, continuedStages, state, state),
    );
  }
  const planResult = await tracker.trackStage({ name: 'planRun', iteration: 0 }, () =>
    planRunOrFail(configuration),
  );
  if (planResult.kind === 'joined') {
    const { ownerWorkflowId: workflowId, ownerRunId: runId } = planResult;
    tracker.update({ status: 'joined' });
    return workflowActivities.awaitRun.executeWithOptions({ summary: `wait for ${workflowId}` }, [
      { workflowId, runId },
    ]);
  }
  const { plan, warnings, reportUrl } = planResult;
  resolved = planResult.configuration;
  const { startedAt } = tracker.current;
  const context = { plan, configuration: resolved, reportUrl, startedAt, repairs: 0 };
  upsertMemo({ runName: plan.run.runName, seedModel: plan.seedModel, report: reportUrl });
  tracker.update({
    ...{ status: 'running', requestedIterations: plan.iterations, warnings, budget: plan.budget },
    ...expectationsOf(plan),
  });
  const newStages = createStages(controls, context, undefined);
  stages = newStages;
  return withFinalization(tracker, context, newStages, () =>
    withDamageRepair(tracker, configuration, newStages, context),
  );
}

/** What the plan says about the order of the stages, on which the remaining time depends. */
function expectationsOf({
  overlaps,
  reusedJudgments,
}: RunPlan): Pick<RunProgress, 'overlaps' | 'reusedJudgments'> {
  return { ...(overlaps ? { overlaps: true } : {}), ...(reusedJudgments && { reusedJudgments }) };
}

/** The stages of a planned run; also connects its budget, which can be changed from then on, and its reports. */
function createStages(
  controls: RunControls,
  context: RunContext,
  machine: PinnedMachine | undefined,
): RunStages {
  const { tracker, budget, reports } = controls;
  const { plan } = context;
  budget.attach({ plan });
  reports.attach((status) => tryWriteReport(tracker, context, status));
  return new RunStages(controls, plan, machine);
}

/** How often a run repairs damage; more damage points to a broken disk. */
const MAX_REPAIRS = 3;

/**
 * Runs the stages of the run in their order. If a stage finds an earlier artifact damaged, all stages are repeated from the
 * first: an intact artifact takes one short activity, a damaged one is made again.
 * @param prepared by the run before it continued as new
 */
async function withDamageRepair(
  tracker: ProgressTracker,
  configuration: unknown,
  stages: RunStages,
  context: RunContext,
  prepared?: PreparedRun,
): Promise<RunResult> {
  try {
    await withTasks((tasks) => runStages(tracker, configuration, stages, context, tasks, prepared));
    return await finishRun(tracker, stages, context);
  } catch (error) {
    if (!hasFailureType(error, FAILURES.artifactDamaged) || context.repairs >= MAX_REPAIRS) throw error;
  }
  const { plan, repairs } = context;
  const repairedContext = { ...context, repairs: repairs + 1 };
  await stages.trackStage({ name: 'restoreConfiguration', iteration: 0 }, () =>
    workflowActivities.restoreConfiguration.executeWithOptions({ summary: 'restore the configuration' }, [
      { configuration, run: plan.run },
    ]),
  );
  tracker.restart();
  return withDamageRepair(tracker, configuration, stages, repairedContext);
}

/** Steps 1 to 6 of the method. */
async function runStages(
  tracker: ProgressTracker,
  configuration: unknown,
  stages: RunStages,
  context: RunContext,
  tasks: Tasks,
  preparedBefore: PreparedRun | undefined,
): Promise<void> {
  const { seed, ...prepared } =
    preparedBefore === undefined
      ? await prepareRun(context.plan, tracker, stages, tasks)
      : { ...pickPrepared(preparedBefore), seed: undefined };
  /** The last report and export that were begun. */
  let published: Promise<void> = Promise.resolve();
  const publish = (iteration: number): Promise<void> => {
    published = published.then(() => publishIteration(tracker, stages, context, iteration));
    return published;
  };
  const continueAsNew = async (): Promise<never> => {
    await stages.drained();
    const {
      warnings,
      requestedIterations: iterations,
      stopAfter,
      budget,
      completedIterations,
    } = tracker.current;
    const { machine, pause } = stages;
    const now = {
      warnings,
      iterations,
      stopAfter,
      machine,
      pause,
      completed: completedIterations,
      budget,
    };
    const state: CarriedState = { ...context, ...prepared, ...now, ...tracker.state };
    return continueOnCurrentBuild<typeof selfTaughtEvaluator>(configuration, state);
  };
  await runIterations({ report: context, tracker, stages, tasks, prepared, publish, continueAsNew }, seed);
}

/** The prepared parts of a carried state. */
function pickPrepared({ models, benchmarks, pairs, pairCounts }: PreparedRun): PreparedRun {
  return { models, benchmarks, pairs, pairCounts };
}

/** Rewrites the report, and exports the outputs, when an iteration is complete. The next stages don't wait for it. */
async function publishIteration(
  tracker: ProgressTracker,
  stages: RunStages,
  context: RunContext,
  iteration: number,
): Promise<void> {
  await stages.trackStage({ name: 'writeReport', iteration }, () =>
    stages.writeReport(() => writeRunReport(tracker, context, 'running')),
  );
  if (iteration > 0) await stages.exportOutputs(iteration);
}

async function finishRun(
  tracker: ProgressTracker,
  stages: RunStages,
  context: RunContext,
): Promise<RunResult> {
  const { plan } = context;
  tracker.update({ status: 'finishing' });
  await stages.drained();
  const report = await writeRunReport(tracker, context, 'completed');
  const { completedIterations, requestedIterations, warnings } = tracker.current;
  const result: RunResult = {
    runName: plan.run.runName,
    iterations: completedIterations,
    best: bestIteration(completedIterations, plan.modelSelection),
    report,
    stoppedEarly: completedIterations.length <= requestedIterations,
    warnings,
  };
  return finalizeRun(plan, result);
}
