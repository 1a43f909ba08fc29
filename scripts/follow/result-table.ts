import Table from 'cli-table3';
import type { JudgeEvaluationResult } from '../../src/activities/types.ts';
import type { EvaluationSummary, IterationSummary, RunResult } from '../../src/client.ts';

/** The run's judges as a table that fits into 80 columns: figures of the test benchmark, and the accuracy that the checkpoint was chosen by. */
export function resultTable({ iterations, best }: RunResult): string {
  const table = new Table({
    head: [
      'judge',
      'accuracy',
      'in both\norders',
      'share\nof A',
      'no\nverdict',
      'validation',
      'training\nexamples',
    ],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [] },
  });
  for (const row of iterations) {
    const test = evaluationFor('test', row);
    const validation = evaluationFor('validation', row);
    table.push([
      `M_${row.iteration}${row.iteration === best ? ' (best)' : ''}`,
      percent(test?.accuracy),
      percent(test?.positionConsistentAccuracy),
      percent(test?.shareOfA),
      percent(test?.unparsable),
      percent(validation?.accuracy),
      row.trainingExamples ?? '',
    ]);
  }
  return table.toString();
}

/** An evaluated judge's figures on each benchmark as a table. */
export function evaluationResultTable({ evaluations }: JudgeEvaluationResult): string {
  const table = new Table({
    head: [
      'benchmark',
      'by its\nown rule',
      'accuracy',
      'in both\norders',
      'share\nof A',
      'no\nverdict',
      'pairs',
    ],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [] },
  });
  for (const evaluation of evaluations)
    table.push([
      evaluation.benchmark,
      percent(evaluation.official?.value),
      percent(evaluation.accuracy),
      percent(evaluation.positionConsistentAccuracy),
      percent(evaluation.shareOfA),
      percent(evaluation.unparsable),
      evaluation.pairs,
    ]);
  return table.toString();
}

/** The result as one object, for programs. Shares are between 0 and 1. */
export function resultJson({ runName, iterations, best }: RunResult, report: string) {
  return {
    runName,
    best,
    iterations: iterations.map((row) => {
      const { accuracy, positionConsistentAccuracy, shareOfA, unparsable } = evaluationFor('test', row) ?? {};
      return {
        iteration: row.iteration,
        accuracy,
        positionConsistentAccuracy,
        shareOfA,
        unparsable,
        validationAccuracy: evaluationFor('validation', row)?.accuracy,
        trainingExamples: row.trainingExamples ?? 0,
        checkpoint: row.model.checkpoint,
      };
    }),
    report,
  };
}

/** The figures on the first benchmark of a purpose; of another one where a run has none of it. */
function evaluationFor(purpose: EvaluationSummary['purpose'], { evaluations }: IterationSummary) {
  return evaluations.find((evaluation) => evaluation.purpose === purpose) ?? evaluations[0];
}

function percent(share: number | null | undefined): string {
  return share === null || share === undefined ? '-' : `${(100 * share).toFixed(1)}%`;
}
