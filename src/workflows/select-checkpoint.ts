import type { SelectCheckpointInput } from '../activities/select-checkpoint.ts';
import type { TrainingCheckpoint } from '../api/activity-types.ts';
import type { IterationSummary } from '../api/result.ts';
import type { PreparedBenchmark } from '../datasets/benchmark-overlaps.ts';
import { figureOf, type ModelSelection } from '../method/model-selection.ts';
import { sumCounts } from '../platform/sum-counts.ts';
import type { EvaluateJudgeResult } from './evaluate-benchmarks.ts';
import type { RunStages } from './run-stages.ts';
import { childIdOf, shardsOf } from './stage-ids.ts';

/** The checkpoint of a training that became the judge, and those that it was chosen among. */
interface SelectedCheckpoint extends Pick<TrainingCheckpoint, 'model'> {
  readonly checkpoints: NonNullable<NonNullable<IterationSummary['training']>['checkpoints']>;
  /** The counts of the evaluations of those that were not chosen: that of the chosen one counts as the evaluation of the judge. */
  readonly counts: Readonly<Record<string, number>>;
}

interface CheckpointChoice extends Omit<SelectCheckpointInput, 'run' | 'checkpoints'> {
  /** All of the training, in the order of their steps. */
  readonly checkpoints: readonly TrainingCheckpoint[];
  /** Those that choose. */
  readonly benchmarks: readonly PreparedBenchmark[];
  readonly modelSelection: ModelSelection;
}

/**
 * Serves the checkpoints of a training one after the other, evaluates each on the benchmarks that choose, and makes the best one
 * M_i. No other model of the run may be in use: their servers are stopped. A single checkpoint is not evaluated.
 */
export function selectCheckpoint(stages: RunStages, choice: CheckpointChoice): Promise<SelectedCheckpoint> {
  const { checkpoints, benchmarks, modelSelection, ...from } = choice;
  const { iteration } = from;
  const stage = { name: 'selectCheckpoint', iteration } as const;
  const workflowId = childIdOf(stage);
  const candidates = checkpoints.length > 1 ? checkpoints : [];
  const total = candidates.length * shardsOf(benchmarks);
  return stages.trackStage({ ...stage, done: 0, total, unit: 'shards', workflowId }, async () => {
    const results = new Map<number, EvaluateJudgeResult>();
    for (const { step, model } of candidates) {
      const served = await stages.serveModel(model, iteration, 'seed', { replacesOthers: true, step });
      const child = `${workflowId}/step-${step}`;
      results.set(step, await stages.evaluate(served, stage, child, benchmarks, step));
    }
    const validated = checkpoints.map((checkpoint) => ({
      ...checkpoint,
      evaluations: results.get(checkpoint.step)?.evaluations ?? [],
    }));
    const chosen = await stages.chooseCheckpoint({ ...from, checkpoints: validated });
    const notChosen = [...results].filter(([step]) => step !== chosen.step);
    return {
      model: chosen.model,
      checkpoints: validated.map(({ step, evaluations }) => {
        const figure = figureOf(evaluations, modelSelection);
        return { step, ...(figure === undefined ? {} : { figure }), chosen: step === chosen.step };
      }),
      counts: {
        checkpoints: checkpoints.length,
        ...sumCounts(notChosen.flatMap(([, { counts }]) => Object.values(counts))),
      },
    };
  });
}
