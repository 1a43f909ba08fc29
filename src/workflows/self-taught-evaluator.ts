import { FAILURES } from '../api/temporal-names.ts';
import { upsertMemo, workflowInfo } from '@temporalio/workflow';
import type { ArtifactReference, Counts } from '../store/artifact.ts';
import type { RunPlan } from '../api/activity-types.ts';
import type { IterationSummary, RunResult } from '../api/result.ts';
import { pairYieldWarnings, verdictWarnings } from './yield-warnings.ts';
import { bestIteration, shouldStopEarly } from '../method/model-selection.ts';
import { continueOnCurrentBuild, shouldContinueAsNew } from './continue-as-new.ts';
import { hasFailureType } from './failure-causes.ts';
import { finalizeRun } from './finalize-run.ts';
import { prepareProvidedPairs, prepareGeneratedPairs } from './prepare-pairs.ts';
import { PauseGate } from './pause.ts';
import type { PauseState } from '../api/signals.ts';
import { planRunOrFail, invalidConfiguration, runNameOf } from './planning.ts';
import { workflowActivities } from './activity-proxies.ts';
import { setRunHandlers } from './run-handlers.ts';
import type { BudgetProgress } from '../api/progress.ts';
import type { ReportedWait } from '../api/activity-types.ts';
import { ReportQueue } from './report-queue.ts';
import { RunBudget } from './run-budget.ts';
import { ProgressTracker } from './progress-tracker.ts';
import { lastIteration } from '../api/current-iteration.ts';
import { withFinalization, tryWriteReport, writeRunReport, type ReportContext } from './run-report.ts';
import type { PreparedBenchmark } from '../datasets/benchmark-overlaps.ts';
import { RunStages, type RunModels, type RunControls } from './run-stages.ts';
import { showCurrentDetails } from './show-current-details.ts';

/** The state of a run before its first stage. */
interface RunContext extends ReportContext {
  /** With every default filled in. */
  readonly configuration: unknown;
  /** How often the run has repeated its stages because an artifact was damaged. */
  readonly repairs: number;
}

/** The input of all iterations, prepared once. */
interface PreparedRun {
  readonly models: RunModels;
  readonly benchmarks: readonly PreparedBenchmark[];
  readonly pairs: ArtifactReference;
  /** The counts of the preparation stages. */
  readonly pairCounts: Readonly<Record<string, Counts>>;
}

/** The state that a run passes on when it continues as new: references, never data. */
interface CarriedState extends RunContext, PreparedRun {
  readonly warnings: readonly string[];
  readonly machineQueue: string | undefined;
  readonly pause: PauseState;
  /** The requested number of iterations, and the iteration to stop after. */
  readonly iterations: number;
  readonly stopAfter?: number | undefined;
  readonly completed: readonly IterationSummary[];
  readonly budget?: BudgetProgress | undefined;
  /** The waits that are over. */
  readonly endedWaits?: readonly ReportedWait[];
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
      warnings: state?.warnings ?? [],
      ...(state === undefined ? {} : { report: state.reportUrl }),
    },
    state?.endedWaits,
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
    const continuedStages = createStages(controls, state, state.machineQueue);
    stages = continuedStages;
    return withFinalization(tracker, state, continuedStages, () =>
      withDamageRepair(tracker, configuration, continuedStages, state, () => Promise.resolve(state)),
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
  tracker.update({ status: 'running', requestedIterations: plan.iterations, warnings, budget: plan.budget });
  const newStages = createStages(controls, context, undefined);
  stages = newStages;
  return withFinalization(tracker, context, newStages, () =>
    withDamageRepair(tracker, configuration, newStages, context, () =>
      prepareRun(tracker, newStages, context),
    ),
  );
}

/** The stages of a planned run; also connects its budget, which can be changed from then on, and its reports. */
function createStages(
  controls: RunControls,
  context: RunContext,
  machineQueue: string | undefined,
): RunStages {
  const { tracker, budget, reports } = controls;
  const { plan } = context;
  budget.attach({ plan });
  reports.attach((status) => tryWriteReport(tracker, context, status));
  return new RunStages(controls, plan, machineQueue);
}

/** How often a run repairs damage; more damage points to a broken disk. */
const MAX_REPAIRS = 3;

/**
 * Runs the stages of the run in their order. If a stage finds an earlier artifact damaged, all stages are repeated from the
 * first: an intact artifact takes one short activity, a damaged one is made again.
 */
async function withDamageRepair(
  tracker: ProgressTracker,
  configuration: unknown,
  stages: RunStages,
  context: RunContext,
  prepare: () => Promise<PreparedRun>,
): Promise<RunResult> {
  try {
    return await runIterations(tracker, configuration, stages, context, await prepare());
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
  tracker.update({ completedIterations: [], best: 0 });
  return withDamageRepair(tracker, configuration, stages, repairedContext, () =>
    prepareRun(tracker, stages, repairedContext),
  );
}

/** Steps 1 and 2 of the method, and the evaluation of the seed model: everything before the first iteration. */
async function prepareRun(
  tracker: ProgressTracker,
  stages: RunStages,
  context: RunContext,
): Promise<PreparedRun> {
  const { plan } = context;
  const models = await stages.resolveModels();
  const benchmarks = await stages.prepareBenchmarks();
  const { pairs, stageResults: preparedStages } = plan.usesProvidedPairs
    ? await prepareProvidedPairs(plan, stages, benchmarks)
    : await prepareGeneratedPairs(plan, stages, models, benchmarks);
  tracker.addWarnings(pairYieldWarnings(preparedStages['generatePairs']?.counts));

  const servingBegan = Date.now();
  const seed = await stages.serveModel(models.seed, 0, 'seed');
  const serveModel = secondsSince(servingBegan);
  const evaluation = await stages.evaluateJudge(seed, 0, benchmarks);
  const pairCounts = Object.fromEntries(
    Object.entries(preparedStages).map(([stage, { counts }]) => [stage, counts]),
  );
  const seconds = Object.fromEntries(
    Object.entries(preparedStages).map(([stage, result]) => [stage, result.seconds]),
  );
  await completeIteration(tracker, stages, context, {
    iteration: 0,
    model: models.seed,
    evaluations: evaluation.evaluations,
    counts: { ...pairCounts, ...evaluation.counts },
    seconds: { ...seconds, serveModel, evaluateJudge: evaluation.seconds },
  });
  return { models, benchmarks, pairs, pairCounts };
}

/** Steps 3 to 6 of the method, repeated: the next judge is trained on the judgments of the current one. */
async function runIterations(
  tracker: ProgressTracker,
  configuration: unknown,
  stages: RunStages,
  context: RunContext,
  { models, benchmarks, pairs, pairCounts }: PreparedRun,
): Promise<RunResult> {
  const { plan } = context;
  const { run } = plan;
  const completed = () => tracker.current.completedIterations;
  const isDone = () => completed().length > lastIteration(tracker.current);
  // A run that has just continued as new first does an iteration, so that it cannot continue as new for ever.
  let mayContinueAsNew = workflowInfo().continuedFromExecutionRunId === undefined;
  while (!isDone() && !shouldStopEarly(completed(), plan.modelSelection)) {
    const iteration = completed().length;
    if (mayContinueAsNew && shouldContinueAsNew()) {
      await stages.drained();
      const { warnings, requestedIterations: iterations, stopAfter, budget } = tracker.current;
      const { machineQueue, pause } = stages;
      const preparedStages = { models, benchmarks, pairs, pairCounts };
      const now = { warnings, iterations, stopAfter, machineQueue, pause, completed: completed(), budget };
      const { endedWaits } = tracker;
      const state: CarriedState = { ...context, ...preparedStages, ...now, endedWaits };
      await continueOnCurrentBuild<typeof selfTaughtEvaluator>(configuration, state);
    }
    mayContinueAsNew = true;
    const previous = completed()[iteration - 1];
    const servingBegan = Date.now();
    const judge =
      iteration === 1 || previous === undefined
        ? await stages.serveModel(models.firstJudge, 0, 'firstJudge')
        : await stages.serveModel(previous.model, iteration - 1, 'seed');
    const judgeServed = secondsSince(servingBegan);
    const judgments = await stages.mapShards('judgePairs', iteration, judge, pairs);
    tracker.addWarnings(verdictWarnings(iteration, judgments.counts));
    const trainingSet = await stages.trackStage({ name: 'filterJudgments', iteration }, () =>
      workflowActivities.filterJudgments.executeWithOptions(
        { summary: `filter judgments, iteration ${iteration}` },
        [{ run, iteration, pairs, judgments: judgments.artifact }],
      ),
    );
    if (plan.stopServersWhileTraining) await stages.stopServing();
    const seed = { iteration: 0, model: models.seed };
    const base = (initFromOf(plan, iteration) === 'previous' ? previous : undefined) ?? seed;
    const fineTuneBegan = Date.now();
    const trained = await stages.fineTune(iteration, base, trainingSet.artifact);
    tracker.addWarnings(trained.warnings ?? []);
    tracker.recordUsage(trained.usage);
    const fineTuneSeconds = secondsSince(fineTuneBegan);
    const servingAgainBegan = Date.now();
    const newJudge = await stages.serveModel(trained.model, iteration, 'seed');
    const serveModel = judgeServed + secondsSince(servingAgainBegan);
    const evaluation = await stages.evaluateJudge(newJudge, iteration, benchmarks);
    await completeIteration(tracker, stages, context, {
      iteration,
      model: trained.model,
      evaluations: evaluation.evaluations,
      trainingExamples: trainingSet.counts['trainingExamples'] ?? 0,
      training: { meanLoss: trained.meanLoss, seconds: trained.seconds },
      counts: {
        ...pairCounts,
        judgePairs: judgments.counts,
        filterJudgments: trainingSet.counts,
        fineTune: trained.counts,
        ...evaluation.counts,
      },
      seconds: {
        judgePairs: judgments.seconds,
        filterJudgments: trainingSet.seconds,
        fineTune: fineTuneSeconds,
        serveModel,
        evaluateJudge: evaluation.seconds,
      },
    });
  }
  tracker.update({ status: 'finishing' });
  await stages.drained();
  const report = await writeRunReport(tracker, context, 'completed');
  const result: RunResult = {
    runName: run.runName,
    iterations: completed(),
    best: bestIteration(completed(), plan.modelSelection),
    report,
    stoppedEarly: completed().length <= tracker.current.requestedIterations,
    warnings: tracker.current.warnings,
  };
  return finalizeRun(plan, result);
}

function secondsSince(began: number): number {
  return (Date.now() - began) / 1000;
}

/** The model that the fine-tuning of an iteration starts from. */
function initFromOf({ initFrom }: RunPlan, iteration: number): 'seed' | 'previous' {
  return initFrom[Math.min(iteration, initFrom.length) - 1] ?? 'seed';
}

/** Adds a judge to the run's table, rewrites the report, and exports the outputs. */
async function completeIteration(
  tracker: ProgressTracker,
  stages: RunStages,
  context: RunContext,
  summary: IterationSummary,
): Promise<void> {
  const completed = [...tracker.current.completedIterations, summary];
  tracker.update({
    completedIterations: completed,
    best: bestIteration(completed, context.plan.modelSelection),
  });
  await stages.trackStage({ name: 'writeReport', iteration: summary.iteration }, () =>
    writeRunReport(tracker, context, 'running'),
  );
  const { iteration } = summary;
  if (iteration > 0) await stages.exportOutputs(iteration);
}
