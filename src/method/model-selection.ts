/** How the best checkpoint is selected: `modelSelection` and `earlyStopping` of the configuration. */
export interface ModelSelection {
  /** The benchmark that decides; undefined for the mean of all validation benchmarks. */
  readonly benchmark?: string | undefined;
  readonly metric: 'accuracy' | 'positionConsistentAccuracy';
  /** Undefined if the run never stops early. */
  readonly earlyStopping?: { readonly patience: number; readonly minDelta: number } | undefined;
}

/** A checkpoint of a training with its figures on the benchmarks that choose. */
interface EvaluatedCheckpoint {
  readonly step: number;
  readonly evaluations: readonly EvaluatedBenchmark[];
}

/** An iteration's judge with its figures on each benchmark. */
export interface EvaluatedIteration {
  readonly iteration: number;
  readonly evaluations: readonly EvaluatedBenchmark[];
}

interface EvaluatedBenchmark {
  readonly benchmark: string;
  readonly purpose: 'validation' | 'test';
  readonly accuracy: number;
  readonly positionConsistentAccuracy: number;
}

/**
 * The iteration with the best score (method, step 6), and of several equal ones the earliest. Without a validation
 * benchmark the test benchmarks decide; the run has a warning then.
 */
export function bestIteration(completed: readonly EvaluatedIteration[], plan: ModelSelection): number {
  let best = 0;
  for (const { iteration } of completed) {
    if (scoreOf(completed, iteration, plan) > scoreOf(completed, best, plan)) best = iteration;
  }
  return best;
}

/**
 * Returns whether the last `patience` iterations brought no gain; always false without early stopping. An iteration is a gain if
 * its score is more than `minDelta` above that of the last gain, so that several small steps together count as one gain.
 */
export function shouldStopEarly(completed: readonly EvaluatedIteration[], plan: ModelSelection): boolean {
  if (plan.earlyStopping === undefined) return false;
  const { patience, minDelta } = plan.earlyStopping;
  let lastGain = 0;
  for (const { iteration } of completed) {
    const gain = scoreOf(completed, iteration, plan) - scoreOf(completed, lastGain, plan);
    if (gain > minDelta) lastGain = iteration;
  }
  return (completed.at(-1)?.iteration ?? 0) - lastGain >= patience;
}

function scoreOf(
  completed: readonly EvaluatedIteration[],
  iteration: number,
  { benchmark, metric }: ModelSelection,
): number {
  const evaluations = completed.find((summary) => summary.iteration === iteration)?.evaluations ?? [];
  return figureOf(evaluations, { benchmark, metric }) ?? -1;
}

/** The figure that `modelSelection` names: a mean over benchmarks; undefined without an evaluation on any of them. */
export function figureOf(
  evaluations: readonly EvaluatedBenchmark[],
  { benchmark, metric }: ModelSelection,
): number | undefined {
  const deciding = decidingEvaluations(evaluations, benchmark);
  if (deciding.length === 0) return undefined;
  return deciding.reduce((sum, evaluation) => sum + evaluation[metric], 0) / deciding.length;
}

/** The checkpoint of a training with the best figure, and of several equal ones the earliest; undefined if there are none. */
export function bestCheckpoint<Checkpoint extends EvaluatedCheckpoint>(
  checkpoints: readonly Checkpoint[],
  plan: ModelSelection,
): Checkpoint | undefined {
  const earliestFirst = checkpoints.toSorted((a, b) => a.step - b.step);
  const figure = ({ evaluations }: Checkpoint) => figureOf(evaluations, plan) ?? -1;
  return earliestFirst.reduce<Checkpoint | undefined>(
    (best, checkpoint) => (best === undefined || figure(checkpoint) > figure(best) ? checkpoint : best),
    undefined,
  );
}

/** The benchmarks that choose among the checkpoints of a training; none without a validation benchmark. */
export function selectingBenchmarks<
  Named extends Pick<EvaluatedBenchmark, 'purpose'> & { readonly name: string },
>(benchmarks: readonly Named[], { benchmark }: Pick<ModelSelection, 'benchmark'>): readonly Named[] {
  return benchmarks.filter(
    ({ name, purpose }) => purpose === 'validation' && (benchmark === undefined || name === benchmark),
  );
}

function decidingEvaluations(
  evaluations: readonly EvaluatedBenchmark[],
  benchmark: string | undefined,
): readonly EvaluatedBenchmark[] {
  if (benchmark !== undefined) return evaluations.filter((evaluation) => evaluation.benchmark === benchmark);
  const validation = evaluations.filter(({ purpose }) => purpose === 'validation');
  return validation.length > 0 ? validation : evaluations;
}
