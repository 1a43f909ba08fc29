/** The figures of a judging as a table for a terminal. */
import Table from 'cli-table3';
import type { PairsJudgingFigures } from '../../api/pairs-judging-result.ts';
import { formatCount, formatInterval } from '../../reporting/figure-text.ts';
import { formatPercent } from '../../platform/format-percent.ts';

export function judgingFiguresTable(figures: PairsJudgingFigures): string {
  const {
    pairs,
    verdicts,
    labelledPairs,
    accuracy,
    accuracyInterval,
    orderAccuracy,
    positionConsistency,
    failed,
  } = figures;
  const table = new Table({ style: { head: [], border: [] }, colAligns: ['left', 'right'] });
  table.push(
    ['pairs', formatCount(pairs)],
    ['A, B, tie', [verdicts.A, verdicts.B, verdicts.tie].map(formatCount).join(', ')],
    ['without a verdict', formatCount(verdicts.none)],
    ...(failed === 0 ? [] : [['refused by the endpoint', formatCount(failed)]]),
  );
  if (accuracy !== null && accuracyInterval !== null)
    table.push([
      labelledPairs === pairs ? 'accuracy' : `accuracy of ${formatCount(labelledPairs)} with a label`,
      `${formatPercent(accuracy)} (${formatInterval(accuracyInterval)})`,
    ]);
  if (orderAccuracy !== null && positionConsistency !== null)
    table.push(['accuracy of each order by itself', formatPercent(orderAccuracy)]);
  if (positionConsistency !== null)
    table.push(['same verdict in both orders', formatPercent(positionConsistency)]);
  const { judgments, unparsableJudgments, withoutVerdict = {}, requests, tokens } = figures;
  table.push(
    ['judgments', `${formatCount(judgments)}, ${formatCount(unparsableJudgments)} without a verdict`],
    ...Object.entries(withoutVerdict).map(([reason, count]) => [`  ${reason}`, formatCount(count)]),
    ['requests', formatCount(requests)],
    ['tokens, prompt and judgments', `${formatCount(tokens.prompt)}, ${formatCount(tokens.completion)}`],
  );
  return table.toString();
}
