import type { EvaluationSummary } from '../activities/types.ts';
import { percent } from './run-details.ts';

/** A judge's figures on each benchmark as a Markdown table. */
export function evaluationTable(evaluations: readonly EvaluationSummary[]): string {
  const rows = evaluations.map(
    ({ benchmark, official, accuracy, positionConsistentAccuracy, shareOfA, unparsable, pairs, tokens }) => [
      benchmark,
      official === undefined ? '-' : `${percent(official.value)} (${official.name})`,
      percent(accuracy),
      percent(positionConsistentAccuracy),
      percent(shareOfA),
      percent(unparsable),
      String(pairs),
      tokens === undefined ? '-' : String(tokens.prompt + tokens.completion),
    ],
  );
  return [
    '| benchmark | by the published rule | accuracy | position-consistent | share of A | unparsable | pairs | tokens |',
    '|---|---|---:|---:|---:|---:|---:|---:|',
    ...rows.map((cells) => `| ${cells.join(' | ')} |`),
  ].join('\n');
}
