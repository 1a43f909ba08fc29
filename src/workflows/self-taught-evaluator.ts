import { upsertMemo, workflowInfo } from '@temporalio/workflow';
import type { ArtifactReference, Counts } from '../artifacts/reference.ts';
import type { IterationSummary, RunPlan, RunResult } from '../activities/types.ts';
import { pairWarnings, verdictWarnings } from '../judge/yield-warnings.ts';
import { bestIteration, stopsEarly } from './choosing.ts';
import { continueOnCurrentBuild, isTimeToContinueAsNew } from './continuing.ts';
import { failedWith } from './failed-with.ts';
import { finishRun } from './finish-run.ts';
import { givenPairs, madePairs } from './prepare-pairs.ts';
import { PauseGate, type PauseState } from './pause.ts';
import { planOrRefuse, refusal, runNameOf } from './plan.ts';
import { light } from './proxies.ts';
import { setRunHandlers } from './run-handlers.ts';
import type { BudgetProgress } from '../contract/progress.ts';
import { RunBudget } from './run-budget.ts';
import { lastIteration, ProgressTracker } from './run-progress.ts';
import { closing, reportIfPossible, writeReport, type Reported } from './run-report.ts';
import { RunStages, type PreparedBenchmark, type RunModels, type Steered } from './run-stages.ts';
import { showDetails } from './show-details.ts';

/** What a run knows before its first stage. */
interface Beginning extends Reported {
  /** With every default filled in. */
  readonly configuration: unknown;
  /** How often it has begun again because an artifact was found damaged. */
  readonly repairs: number;
}

/** What the iterations work with: made once, the same for all of them. */
interface Prepared {
  readonly models: RunModels;
  readonly benchmarks: readonly PreparedBenchmark[];
  readonly pairs: ArtifactReference;
  /** From instructions to pairs, by stage. */
  readonly pairCounts: Readonly<Record<string, Counts>>;
}

/** What a run carries along when it continues as new: references, never data. */
interface LoopState extends Beginning, Prepared {
  readonly warnings: readonly string[];
  readonly machineQueue: string | undefined;
  readonly pause: PauseState;
  /** Iterations asked for by now, and the one to stop after. */
  readonly iterations: number;
  readonly stopAfter?: number | undefined;
  readonly completed: readonly IterationSummary[];
  readonly budget?: BudgetProgress | undefined;
}

/**
 * Trains a judge without human labels (arXiv 2408.02666): makes response pairs whose better side is known by
 * construction, lets the current judge argue about them, keeps the arguments that reach the right verdict, fine-tunes
 * the seed model on them (or the current judge, as the configuration says), evaluates the new judge, and repeats.
 *
 * The workflow knows the order of the stages and carries references to their artifacts; what a stage does stands in
 * its activity. It continues as new between iterations when its history has grown, and when another build of the
 * worker has become current: an iteration ends on the build that it began on, and the next one begins on the new.
 */
export async function selfTaughtEvaluator(configuration: unknown, state?: LoopState): Promise<RunResult> {
  if (state !== undefined && workflowInfo().continuedFromExecutionRunId === undefined)
    throw refusal([{ path: 'input', message: 'a run takes one input, its configuration; found two' }]);
  const tracker = new ProgressTracker({
    runName: runNameOf(configuration),
    phase: state === undefined ? 'planning' : 'working',
    paused: state?.pause.paused,
    budget: state?.budget,
    startedAt: state?.startedAt ?? workflowInfo().startTime.toISOString(),
    iterations: state?.iterations ?? 0,
    stopAfter: state?.stopAfter,
    stages: [],
    counts: state?.pairCounts ?? {},
    completed: state?.completed ?? [],
    best: state === undefined ? 0 : bestIteration(state.completed, state.plan.choosing),
    warnings: state?.warnings ?? [],
    ...(state === undefined ? {} : { report: state.reportAddress }),
  });
  const gate = new PauseGate(state?.pause);
  let resolved = state?.configuration ?? configuration;
  let stages: RunStages | undefined;
  const show = (): void => (stages === undefined ? showDetails(tracker) : stages.show());
  const budget = new RunBudget(tracker, gate, show);
  const steered = { tracker, gate, budget };
  setRunHandlers({ ...steered, configuration: () => resolved, show });

  if (state !== undefined) {
    const goingOn = stagesOf(steered, state, state.machineQueue);
    stages = goingOn;
    return closing(tracker, state, goingOn, () =>
      repairing(tracker, configuration, goingOn, state, () => Promise.resolve(state)),
    );
  }
  const planned = await tracker.during({ name: 'planRun', iteration: 0 }, () => planOrRefuse(configuration));
  if (planned.kind === 'joined') {
    const { ownerWorkflowId: workflowId, ownerRunId: runId } = planned;
    tracker.update({ phase: 'following' });
    return light.awaitRun.executeWithOptions({ summary: `follow ${workflowId}` }, [{ workflowId, runId }]);
  }
  const { plan, warnings, reportAddress } = planned;
  resolved = planned.configuration;
  const { startedAt } = tracker.current;
  const beginning = { plan, configuration: resolved, reportAddress, startedAt, repairs: 0 };
  upsertMemo({ runName: plan.run.runName, seedModel: plan.seedModel, report: reportAddress });
  tracker.update({ phase: 'working', iterations: plan.iterations, warnings, budget: plan.budget });
  const first = stagesOf(steered, beginning, undefined);
  stages = first;
  return closing(tracker, beginning, first, () =>
    repairing(tracker, configuration, first, beginning, () => prepare(tracker, first, beginning)),
  );
}

/** The stages of a run that is planned, and from here on its budget. */
function stagesOf(steered: Steered, beginning: Beginning, machineQueue: string | undefined): RunStages {
  const { tracker, budget } = steered;
  const { plan } = beginning;
  budget.known({ plan, report: (status) => reportIfPossible(tracker, beginning, status) });
  return new RunStages(steered, plan, machineQueue);
}

/** More damage than this within one run is no accident. */
const MOST_REPAIRS = 3;

/**
 * The run's stages in their order. Where one finds an artifact damaged that an earlier one has made, all are gone through
 * again from the first: what is whole costs a short activity each, what is damaged is made again.
 */
async function repairing(
  tracker: ProgressTracker,
  configuration: unknown,
  stages: RunStages,
  beginning: Beginning,
  begin: () => Promise<Prepared>,
): Promise<RunResult> {
  try {
    return await iterate(tracker, configuration, stages, beginning, await begin());
  } catch (error) {
    if (!failedWith(error, 'ArtifactDamaged') || beginning.repairs >= MOST_REPAIRS) throw error;
  }
  const { plan, repairs } = beginning;
  const again = { ...beginning, repairs: repairs + 1 };
  await stages.during({ name: 'restoreConfiguration', iteration: 0 }, () =>
    light.restoreConfiguration.executeWithOptions({ summary: 'make a damaged configuration again' }, [
      { configuration, run: plan.run },
    ]),
  );
  tracker.update({ completed: [], best: 0 });
  return repairing(tracker, configuration, stages, again, () => prepare(tracker, stages, again));
}

/** Steps 1 and 2, and the seed model's own figures: everything that comes before the first iteration. */
async function prepare(tracker: ProgressTracker, stages: RunStages, beginning: Beginning): Promise<Prepared> {
  const { plan } = beginning;
  const models = await stages.identifyModels();
  const benchmarks = await stages.prepareBenchmarks();
  const { pairs, made } = plan.givenPairs
    ? await givenPairs(plan, stages, benchmarks)
    : await madePairs(plan, stages, models, benchmarks);
  tracker.warn(pairWarnings(made['generatePairs']?.counts));

  const seed = await stages.serve(models.seed, 0, 'seed');
  const evaluation = await stages.evaluate(seed, 0, benchmarks);
  const pairCounts = Object.fromEntries(Object.entries(made).map(([stage, { counts }]) => [stage, counts]));
  const seconds = Object.fromEntries(Object.entries(made).map(([stage, result]) => [stage, result.seconds]));
  await complete(tracker, stages, beginning, {
    iteration: 0,
    model: models.seed,
    evaluations: evaluation.evaluations,
    counts: { ...pairCounts, ...evaluation.counts },
    seconds: { ...seconds, evaluateJudge: evaluation.seconds },
  });
  return { models, benchmarks, pairs, pairCounts };
}

/** Steps 3 to 6, again and again: each judge's arguments teach the seed model, or itself, to become the next judge. */
async function iterate(
  tracker: ProgressTracker,
  configuration: unknown,
  stages: RunStages,
  beginning: Beginning,
  { models, benchmarks, pairs, pairCounts }: Prepared,
): Promise<RunResult> {
  const { plan } = beginning;
  const { run } = plan;
  const completed = () => tracker.current.completed;
  const isDone = () => completed().length > lastIteration(tracker.current);
  // A run that has just continued as new does an iteration first: whatever suggests it still, it can't go in circles.
  let mayContinueAsNew = workflowInfo().continuedFromExecutionRunId === undefined;
  while (!isDone() && !stopsEarly(completed(), plan.choosing)) {
    const iteration = completed().length;
    if (mayContinueAsNew && isTimeToContinueAsNew()) {
      await stages.settled();
      const { warnings, iterations, stopAfter, budget } = tracker.current;
      const { machineQueue, pause } = stages;
      const made = { models, benchmarks, pairs, pairCounts };
      const now = { warnings, iterations, stopAfter, machineQueue, pause, completed: completed(), budget };
      const state: LoopState = { ...beginning, ...made, ...now };
      await continueOnCurrentBuild<typeof selfTaughtEvaluator>(configuration, state);
    }
    mayContinueAsNew = true;
    const previous = completed()[iteration - 1];
    const judge =
      iteration === 1 || previous === undefined
        ? await stages.serve(models.firstJudge, 0, 'firstJudge')
        : await stages.serve(previous.model, iteration - 1, 'seed');
    const judgments = await stages.mapShards('judgePairs', iteration, judge, pairs);
    tracker.warn(verdictWarnings(iteration, judgments.counts));
    const trainingSet = await stages.during({ name: 'filterJudgments', iteration }, () =>
      light.filterJudgments.executeWithOptions({ summary: `filter judgments, iteration ${iteration}` }, [
        { run, iteration, pairs, judgments: judgments.artifact },
      ]),
    );
    if (plan.stopServersWhileTraining) await stages.stopServing();
    const seed = { iteration: 0, model: models.seed };
    const base = (startOf(plan, iteration) === 'previous' ? previous : undefined) ?? seed;
    const fineTuneBegan = Date.now();
    const trained = await stages.fineTune(iteration, base, trainingSet.artifact);
    tracker.warn(trained.warnings ?? []);
    tracker.spent(trained.spent);
    const fineTuneSeconds = (Date.now() - fineTuneBegan) / 1000;
    const newJudge = await stages.serve(trained.model, iteration, 'seed');
    const evaluation = await stages.evaluate(newJudge, iteration, benchmarks);
    await complete(tracker, stages, beginning, {
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
        evaluateJudge: evaluation.seconds,
      },
    });
  }
  tracker.update({ phase: 'finishing' });
  await stages.settled();
  const report = await writeReport(tracker, beginning, 'completed');
  const result: RunResult = {
    runName: run.runName,
    iterations: completed(),
    best: bestIteration(completed(), plan.choosing),
    report,
    stoppedEarly: completed().length <= tracker.current.iterations,
    warnings: tracker.current.warnings,
  };
  return finishRun(plan, result);
}

/** Where an iteration's fine-tuning starts. */
function startOf({ startFrom }: RunPlan, iteration: number): 'seed' | 'previous' {
  return startFrom[Math.min(iteration, startFrom.length) - 1] ?? 'seed';
}

/** Adds a judge to the run's table, rewrites the report, and makes what the run leaves for use elsewhere. */
async function complete(
  tracker: ProgressTracker,
  stages: RunStages,
  beginning: Beginning,
  summary: IterationSummary,
): Promise<void> {
  const completed = [...tracker.current.completed, summary];
  tracker.update({ completed, best: bestIteration(completed, beginning.plan.choosing) });
  await stages.during({ name: 'writeReport', iteration: summary.iteration }, () =>
    writeReport(tracker, beginning, 'running'),
  );
  const { iteration } = summary;
  if (iteration > 0) await stages.exportOutputs(iteration);
}
