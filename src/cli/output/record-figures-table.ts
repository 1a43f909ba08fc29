/** The figures of judged records of a task as a table for a terminal. */
import Table from 'cli-table3';
import type { RecordFigures } from '../../pair-judging/record-figures.ts';
import { formatCount, formatInterval } from '../../reporting/figure-text.ts';
import { formatPercent } from '../../platform/format-percent.ts';

export function recordFiguresTable(figures: RecordFigures): string {
  const { records, withoutVerdictRecords, failed, verdicts, meanScore, labelledRecords } = figures;
  const { agreement, accuracy, accuracyInterval, positionConsistency } = figures;
  const table = new Table({ style: { head: [], border: [] }, colAligns: ['left', 'right'] });
  const ofLabelled = labelledRecords === records ? '' : ` of ${formatCount(labelledRecords)} with a label`;
  const push = (name: string, value: string | null | undefined) => {
    if (value !== null && value !== undefined) table.push([name, value]);
  };
  const fixed = (value: number | null | undefined) => value?.toFixed(2);
  push('records', formatCount(records));
  if (verdicts !== undefined)
    push('correct, incorrect', [verdicts.correct, verdicts.incorrect].map(formatCount).join(', '));
  push('without a verdict', formatCount(withoutVerdictRecords));
  if (failed > 0) push('refused by the endpoint', formatCount(failed));
  push('mean score', fixed(meanScore));
  if (
    accuracy !== null &&
    accuracy !== undefined &&
    accuracyInterval !== null &&
    accuracyInterval !== undefined
  )
    push(`accuracy${ofLabelled}`, `${formatPercent(accuracy)} (${formatInterval(accuracyInterval)})`);
  if (agreement !== undefined && agreement.withinOnePoint !== null) {
    push(`within one point of the label${ofLabelled}`, formatPercent(agreement.withinOnePoint));
    push('mean error, in points', fixed(agreement.meanError));
    push("Spearman's correlation", fixed(agreement.spearman));
    push("Pearson's correlation", fixed(agreement.pearson));
  }
  if (positionConsistency !== null && positionConsistency !== undefined)
    push('same verdict in all places', formatPercent(positionConsistency));
  const { judgments, unparsableJudgments, withoutVerdict = {}, requests, tokens } = figures;
  push('judgments', `${formatCount(judgments)}, ${formatCount(unparsableJudgments)} without a verdict`);
  for (const [reason, count] of Object.entries(withoutVerdict)) push(`  ${reason}`, formatCount(count));
  push('requests', formatCount(requests));
  push('tokens, prompt and judgments', `${formatCount(tokens.prompt)}, ${formatCount(tokens.completion)}`);
  return table.toString();
}
