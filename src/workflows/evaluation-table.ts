import type { EvaluationSummary } from '../api/result.ts';
import { formatPercent } from '../platform/format-percent.ts';

/** Formats a judge's figures on each benchmark as a Markdown table. */
export function evaluationTable(evaluations: readonly EvaluationSummary[]): string {
  const rows = evaluations.map(
    ({ benchmark, official, accuracy, positionConsistentAccuracy, shareOfA, unparsable, pairs, tokens }) => [
      benchmark,
      official === undefined ? '–' : `${formatPercent(official.value, official.decimals)} (${official.name})`,
      formatPercent(accuracy),
      formatPercent(positionConsistentAccuracy),
      formatPercent(shareOfA),
      formatPercent(unparsable),
      String(pairs),
      tokens === undefined ? '–' : String(tokens.prompt + tokens.completion),
    ],
  );
  return [
    '| benchmark | by the published rule | accuracy | position-consistent | share of A | unparsable | pairs | tokens |',
    '|---|---|---:|---:|---:|---:|---:|---:|',
    ...rows.map((cells) => `| ${cells.join(' | ')} |`),
  ].join('\n');
}
