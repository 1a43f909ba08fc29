import Table from 'cli-table3';
import type { JudgeEvaluationResult } from '../../api/result.ts';
import { formatPercent } from '../../platform/format-percent.ts';
import type { EvaluationSummary, IterationSummary, RunResult } from '../../client/index.ts';

/** The run's judges as a table of at most 80 columns: figures on the test benchmark, and the accuracy on the validation benchmark. */
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
      formatPercent(test?.accuracy),
      formatPercent(test?.positionConsistentAccuracy),
      formatPercent(test?.shareOfA),
      formatPercent(test?.unparsable),
      formatPercent(validation?.accuracy),
      row.trainingExamples ?? '',
    ]);
  }
  return table.toString();
}

/** The figures of an evaluated judge on each benchmark as a table. */
export function evaluationResultTable({ evaluations }: Pick<JudgeEvaluationResult, 'evaluations'>): string {
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
      formatPercent(evaluation.official?.value, evaluation.official?.decimals),
      formatPercent(evaluation.accuracy),
      formatPercent(evaluation.positionConsistentAccuracy),
      formatPercent(evaluation.shareOfA),
      formatPercent(evaluation.unparsable),
      evaluation.pairs,
    ]);
  return table.toString();
}

/** The result as an object for programs. Shares are between 0 and 1. */
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

/** The figures on the first benchmark with this purpose, else on the first benchmark. */
function evaluationFor(purpose: EvaluationSummary['purpose'], { evaluations }: IterationSummary) {
  return evaluations.find((evaluation) => evaluation.purpose === purpose) ?? evaluations[0];
}
