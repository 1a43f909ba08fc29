import {
  allHandlersFinished,
  CancellationScope,
  CancelledFailure,
  condition,
  ContinueAsNew,
  isCancellation,
  upsertMemo,
  workflowInfo,
} from '@temporalio/workflow';
import type { ArtifactReference, Counts } from '../artifacts/reference.ts';
import type { IterationSummary, RunPlan, RunResult } from '../activities/types.ts';
import { bestIteration, stopsEarly } from './choosing.ts';
import { continueOnCurrentBuild, isTimeToContinueAsNew } from './continuing.ts';
import { failedWith, failureWords } from './failed-with.ts';
import { finishRun } from './finish-run.ts';
import { PauseGate, type PauseState } from './pause.ts';
import { planOrRefuse, refusal, runNameOf } from './plan.ts';
import { light } from './proxies.ts';
import { setRunHandlers } from './run-handlers.ts';
import type { RunPhase } from '../contract/progress.ts';
import { reportEnd, writeReport } from './report-run.ts';
import { lastIteration, ProgressTracker } from './run-progress.ts';
import { RunStages, type PreparedBenchmark, type RunModels } from './run-stages.ts';

/** What a run knows before its first stage. */
interface Beginning {
  readonly plan: RunPlan;
  /** With every default filled in. */
  readonly configuration: unknown;
  /** As a file:// address. */
  readonly reportAddress: string;
  /** ISO 8601. */
  readonly startedAt: string;
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
  setRunHandlers(tracker, gate, () => resolved);

  if (state !== undefined) {
    const stages = new RunStages(tracker, state.plan, gate, state.machineQueue);
    return closing(tracker, state, stages, () =>
      repairing(tracker, configuration, stages, state, () => Promise.resolve(state)),
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
  tracker.update({ phase: 'working', iterations: plan.iterations, warnings });
  const stages = new RunStages(tracker, plan, gate, undefined);
  return closing(tracker, beginning, stages, () =>
    repairing(tracker, configuration, stages, beginning, () => prepare(tracker, stages, beginning)),
  );
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
  const { run, ownModels, categorize, addHumanPairs } = beginning.plan;
  const models = await stages.identifyModels();
  const benchmarks = await stages.prepareBenchmarks();
  const pool = await stages.during({ name: 'preparePool', iteration: 0 }, () =>
    light.preparePool.executeWithOptions({ summary: 'read the instruction pool' }, [{ run, benchmarks }]),
  );
  const generator = await stages.serve(models.generator, 0, 'generator');
  const categories = categorize
    ? await stages.mapShards('categorizeInstructions', 0, generator, pool.artifact)
    : undefined;
  const selected = await stages.during({ name: 'selectInstructions', iteration: 0 }, () =>
    light.selectInstructions.executeWithOptions({ summary: 'select instructions' }, [
      { run, input: (categories ?? pool).artifact },
    ]),
  );
  const pairs = await stages.mapShards('generatePairs', 0, generator, selected.artifact);
  const withHuman = addHumanPairs
    ? await stages.during({ name: 'addHumanPairs', iteration: 0 }, () =>
        light.addHumanPairs.executeWithOptions({ summary: 'add human-labelled pairs' }, [
          { run, pairs: pairs.artifact },
        ]),
      )
    : undefined;
  if (ownModels.includes('generator')) await stages.stopServing();

  const seed = await stages.serve(models.seed, 0, 'seed');
  const evaluation = await stages.evaluate(seed, 0, benchmarks);
  const made = {
    preparePool: pool,
    ...(categories === undefined ? {} : { categorizeInstructions: categories }),
    selectInstructions: selected,
    generatePairs: pairs,
    ...(withHuman === undefined ? {} : { addHumanPairs: withHuman }),
  };
  const pairCounts = Object.fromEntries(Object.entries(made).map(([stage, { counts }]) => [stage, counts]));
  const seconds = Object.fromEntries(Object.entries(made).map(([stage, result]) => [stage, result.seconds]));
  await complete(tracker, stages, beginning, {
    iteration: 0,
    model: models.seed,
    evaluations: evaluation.evaluations,
    counts: { ...pairCounts, ...evaluation.counts },
    seconds: { ...seconds, evaluateJudge: evaluation.seconds },
  });
  return { models, benchmarks, pairs: (withHuman ?? pairs).artifact, pairCounts };
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
      await condition(allHandlersFinished);
      const { warnings, iterations, stopAfter } = tracker.current;
      const { machineQueue, pause } = stages;
      const made = { models, benchmarks, pairs, pairCounts };
      const now = { warnings, iterations, stopAfter, machineQueue, pause, completed: completed() };
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

/** However a run ends, its servers stop and its progress says how; what ends it early stands in the report. */
async function closing<T>(
  tracker: ProgressTracker,
  beginning: Beginning,
  stages: RunStages,
  work: () => Promise<T>,
): Promise<T> {
  const end = (phase: RunPhase, error?: unknown): Promise<void> =>
    CancellationScope.nonCancellable(async () => {
      await stages.stopServing();
      if (phase === 'cancelled') await reportEnd(tracker, beginning, phase);
      if (phase === 'failed') await reportEnd(tracker, beginning, phase, failureWords(error));
      await condition(allHandlersFinished);
      tracker.update({ phase, paused: undefined, stages: [] });
      stages.show();
    });
  try {
    const result = await work();
    await end('completed');
    return result;
  } catch (error) {
    if (error instanceof ContinueAsNew) throw error;
    // An attempt that fails on its way out, for whatever reason, hides that the run was cancelled.
    const isCancelled = isCancellation(error) || CancellationScope.current().consideredCancelled;
    await end(isCancelled ? 'cancelled' : 'failed', error);
    throw isCancelled && !isCancellation(error) ? new CancelledFailure('the run was cancelled') : error;
  }
}
