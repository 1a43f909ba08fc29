import type { ArtifactReference } from '../store/artifact.ts';
import type { Model, RunPlan, ServedModel, TrainingCheckpoint } from '../api/activity-types.ts';
import type { IterationSummary } from '../api/result.ts';
import { condition, workflowInfo } from '@temporalio/workflow';
import { lastIteration } from '../api/current-iteration.ts';
import { judgedIteration } from '../method/judged-iterations.ts';
import { bestIteration, selectingBenchmarks, shouldStopEarly } from '../method/model-selection.ts';
import { workflowActivities } from './activity-proxies.ts';
import { shouldContinueAsNew } from './continue-as-new.ts';
import type { EvaluateJudgeResult } from './evaluate-benchmarks.ts';
import { type JudgeUnderEvaluation, maySeedBeServedWith, type PreparedRun } from './prepare-run.ts';
import type { ProgressTracker } from './progress-tracker.ts';
import type { ReportContext } from './run-report.ts';
import type { RunStages } from './run-stages.ts';
import { selectCheckpoint } from './select-checkpoint.ts';
import { secondsSince } from './seconds-since.ts';
import type { Task, Tasks } from './tasks.ts';
import { verdictWarnings } from './yield-warnings.ts';

/** The stages of an iteration until its judge is trained. */
type TrainedJudge = Pick<IterationSummary, 'trainingExamples' | 'training' | 'counts' | 'seconds'> & {
  readonly model: Model;
};

/** What the iterations of a run work with. */
export interface IterationsContext {
  readonly report: ReportContext;
  readonly tracker: ProgressTracker;
  readonly stages: RunStages;
  readonly tasks: Tasks;
  readonly prepared: PreparedRun;
  /** Writes the report, and exports the outputs, of an iteration that is complete. */
  readonly publish: (iteration: number) => Promise<void>;
  readonly continueAsNew: () => Promise<never>;
}

/**
 * Steps 3 to 6 of the method, repeated: the next judge is trained on the judgments of the current one. While a judge is
 * evaluated, it already judges the pairs for the next one (docs/performance.md); if the evaluation ends the run, that is
 * dropped. At most one iteration is begun ahead.
 *
 * @param seed the seed model while it is evaluated; undefined if the run has continued as new, which it does between iterations
 */
export async function runIterations(context: IterationsContext, seed?: JudgeUnderEvaluation): Promise<void> {
  const { report, tracker, stages, tasks, prepared, publish } = context;
  const { modelSelection } = report.plan;
  const completed = () => tracker.current.completedIterations;
  const isOver = () =>
    completed().length > lastIteration(tracker.current) || shouldStopEarly(completed(), modelSelection);
  // A run that has just continued as new first does an iteration, so that it cannot continue as new for ever.
  let mayContinueAsNew = workflowInfo().continuedFromExecutionRunId === undefined;
  let evaluated = seed;
  for (;;) {
    let ahead: Task<TrainedJudge> | undefined;
    if (evaluated !== undefined) {
      const judge = evaluated;
      if (mayBeginAhead(context, judge.summary.iteration + 1))
        ahead = tasks.start(() => trainJudge(context, judge.summary.iteration + 1, judge));
      const summary = withEvaluation(judge.summary, await judge.evaluation.result);
      tracker.completeIteration(summary, bestIteration([...completed(), summary], modelSelection));
      tasks.startRequired(() => publish(summary.iteration));
    }
    if (isOver()) {
      await ahead?.drop();
      tracker.dropUnfinishedIteration();
      return;
    }
    if (ahead === undefined && mayContinueAsNew && shouldContinueAsNew()) {
      await tasks.requiredDone();
      await context.continueAsNew();
    }
    mayContinueAsNew = true;
    const iteration = completed().length;
    const trained = await (ahead?.result ?? trainJudge(context, iteration, evaluated));
    const servingBegan = Date.now();
    // Its server takes the GPUs of the server of the judge before, which was evaluated while this one was trained.
    if (report.plan.stopServersWhileTraining === 'ifTooFewGpus' && !stages.serversStopForTraining)
      await stages.stopServing();
    // The checkpoints were served until now, of which the judge is one.
    const replacing = trained.training?.checkpoints === undefined ? {} : ({ replacesOthers: true } as const);
    const served = await stages.serveModel(trained.model, iteration, 'seed', replacing);
    const serveModel = (trained.seconds['serveModel'] ?? 0) + secondsSince(servingBegan);
    evaluated = {
      served,
      evaluation: tasks.start(() => stages.evaluateJudge(served, iteration, prepared.benchmarks)),
      summary: { ...trained, iteration, seconds: { ...trained.seconds, serveModel } },
    };
  }
}

/** Returns whether an iteration may begin while the judge before it is evaluated: not if the run may turn out to end there. */
function mayBeginAhead({ report: { plan }, tracker }: IterationsContext, iteration: number): boolean {
  const { current } = tracker;
  return (
    plan.overlaps &&
    current.budget === undefined &&
    iteration <= lastIteration(current) &&
    (iteration > 1 || maySeedBeServedWith(plan, 'firstJudge')) &&
    !shouldContinueAsNew()
  );
}

function withEvaluation(
  { counts, seconds, ...summary }: JudgeUnderEvaluation['summary'],
  evaluation: EvaluateJudgeResult,
): IterationSummary {
  return {
    ...summary,
    evaluations: evaluation.evaluations,
    counts: { ...counts, ...evaluation.counts },
    seconds: { ...seconds, evaluateJudge: evaluation.seconds },
  };
}

/**
 * Steps 3 to 5 of the method: judges the pairs, makes a training set of the judgments, and trains M_i. If the servers of the run
 * stop meanwhile, it first waits until the judge before is evaluated, and the run is known to go on.
 *
 * @param before M_i-1 while it is evaluated; undefined if it must be served first
 */
async function trainJudge(
  { report: { plan }, tracker, stages, prepared }: IterationsContext,
  iteration: number,
  before: JudgeUnderEvaluation | undefined,
): Promise<TrainedJudge> {
  const { models, pairs, pairCounts } = prepared;
  const { run } = plan;
  const goesOn = () => tracker.current.completedIterations.length >= iteration;
  // Warnings of an iteration that may still be dropped are shown when it no longer may.
  const warn = (warnings: readonly string[]): void => {
    condition(goesOn).then(
      () => tracker.addWarnings(warnings),
      () => undefined,
    );
  };
  const previous = before?.summary ?? tracker.current.completedIterations[iteration - 1];
  const judgedAt = judgedIteration(plan.reusedJudgments ?? [], iteration);
  const judgments = judgedAt === iteration ? await judgePairs() : await earlierJudgments(judgedAt);
  const trainingSet = await filterJudgments(judgments.artifact);
  if (stages.serversStopForTraining) {
    await condition(goesOn);
    await stages.stopServing();
  }
  const seed = { iteration: 0, model: models.seed };
  const base = (initFromOf(plan, iteration) === 'previous' ? previous : undefined) ?? seed;
  const fineTuneBegan = Date.now();
  const trained = await stages.fineTune(iteration, base, trainingSet.artifact);
  warn(trained.warnings ?? []);
  tracker.recordUsage(trained.usage);
  const fineTuneSeconds = secondsSince(fineTuneBegan);
  const selection =
    trained.checkpoints === undefined
      ? undefined
      : await chooseCheckpoint(trained.checkpoints, base.model, trainingSet.artifact);
  return {
    model: selection?.model ?? trained.model,
    trainingExamples: trainingSet.counts['trainingExamples'] ?? 0,
    training: {
      meanLoss: trained.meanLoss,
      seconds: trained.seconds,
      ...(selection === undefined ? {} : { checkpoints: selection.checkpoints }),
    },
    counts: {
      ...pairCounts,
      ...judgments.counts,
      filterJudgments: trainingSet.counts,
      fineTune: trained.counts,
      ...(selection === undefined ? {} : { selectCheckpoint: selection.counts }),
    },
    seconds: {
      ...judgments.seconds,
      filterJudgments: trainingSet.seconds,
      fineTune: fineTuneSeconds,
      ...(selection === undefined ? {} : { selectCheckpoint: selection.seconds }),
      ...judgments.serving,
    },
  };

  /** Judges the pairs with M_i-1, along plans if the run has them. */
  async function judgePairs() {
    const servingBegan = Date.now();
    const judge = await judgeOf();
    const serveModel = secondsSince(servingBegan);
    const plans =
      plan.plansJudgments === undefined
        ? undefined
        : await stages.mapShards('planJudgments', iteration, judge, pairs);
    const judged = await stages.mapShards('judgePairs', iteration, judge, pairs, plans?.artifact);
    warn(verdictWarnings(iteration, judged.counts));
    return {
      artifact: judged.artifact,
      counts: { ...(plans && { planJudgments: plans.counts }), judgePairs: judged.counts },
      seconds: { ...(plans && { planJudgments: plans.seconds }), judgePairs: judged.seconds },
      serving: { serveModel },
    };
  }

  /** The judgments of an iteration before, whose index is in the store. They have cost nothing in this one. */
  async function earlierJudgments(judgedAt: number) {
    const { artifact } = await workflowActivities.completeStage.executeWithOptions(
      { summary: `find the judgments of iteration ${judgedAt}` },
      [{ run, stage: 'judgePairs', iteration: judgedAt, shards: pairs.records }],
    );
    return { artifact, counts: {}, seconds: {}, serving: {} };
  }

  /** M_i-1, served; in the first iteration the first judge. */
  function judgeOf(): ServedModel | Promise<ServedModel> {
    if (iteration === 1) {
      const isSeed = !plan.rolesWithOwnModel.includes('firstJudge');
      // If the seed model's server leaves no room for another one, the seed model was evaluated before.
      const options = maySeedBeServedWith(plan, 'firstJudge') ? {} : ({ replacesOthers: true } as const);
      return (isSeed ? before?.served : undefined) ?? stages.serveRole(models, 'firstJudge', options);
    }
    return before?.served ?? stages.serveModel(previous?.model ?? models.seed, iteration - 1, 'seed');
  }

  /** Its servers take the place of that of the judge before, which must have been evaluated. */
  async function chooseCheckpoint(
    checkpoints: readonly TrainingCheckpoint[],
    from: Model,
    trainingSet: ArtifactReference,
  ) {
    await condition(goesOn);
    const began = Date.now();
    const selecting = new Set(
      selectingBenchmarks(plan.benchmarks, plan.modelSelection).map(({ name }) => name),
    );
    const selected = await selectCheckpoint(stages, {
      ...{ iteration, checkpoints, base: from, trainingSet, modelSelection: plan.modelSelection },
      benchmarks: prepared.benchmarks.filter(({ name }) => selecting.has(name)),
    });
    return { ...selected, seconds: secondsSince(began) };
  }

  function filterJudgments(judgmentsIndex: ArtifactReference) {
    return stages.trackStage({ name: 'filterJudgments', iteration }, () =>
      workflowActivities.filterJudgments.executeWithOptions(
        { summary: `filter judgments, iteration ${iteration}` },
        [{ run, iteration, pairs, judgments: judgmentsIndex }],
      ),
    );
  }
}

/** The model that the fine-tuning of an iteration starts from. */
function initFromOf({ initFrom }: RunPlan, iteration: number): 'seed' | 'previous' {
  return initFrom[Math.min(iteration, initFrom.length) - 1] ?? 'seed';
}
