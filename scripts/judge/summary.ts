/** What the verdicts on a file come to, for people. */
import Table from 'cli-table3';
import type { JudgingFigures } from '../../src/contract/judging-result.ts';
import { count, percent, range } from '../../src/report/format.ts';

export function summaryTable(figures: JudgingFigures): string {
  const { pairs, verdicts, known, accuracy, accuracyInterval, orderAccuracy, positionConsistency, failed } =
    figures;
  const table = new Table({ style: { head: [], border: [] }, colAligns: ['left', 'right'] });
  table.push(
    ['pairs', count(pairs)],
    ['A, B, tie', [verdicts.A, verdicts.B, verdicts.tie].map(count).join(', ')],
    ['without a verdict', count(verdicts.none)],
    ...(failed === 0 ? [] : [['refused by the endpoint', count(failed)]]),
  );
  if (accuracy !== null && accuracyInterval !== null)
    table.push([
      known === pairs ? 'accuracy' : `accuracy of ${count(known)} with a label`,
      `${percent(accuracy)} (${range(accuracyInterval)})`,
    ]);
  if (orderAccuracy !== null && positionConsistency !== null)
    table.push(['accuracy of each order by itself', percent(orderAccuracy)]);
  if (positionConsistency !== null) table.push(['same verdict in both orders', percent(positionConsistency)]);
  const { judgments, withoutVerdict, calls, tokens } = figures;
  table.push(
    ['judgments', `${count(judgments)}, ${count(withoutVerdict)} without a verdict`],
    ['requests', count(calls)],
    ['tokens, prompt and judgments', `${count(tokens.prompt)}, ${count(tokens.completion)}`],
  );
  return table.toString();
}
