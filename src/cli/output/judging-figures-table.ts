/** The figures of a judging as a table and sentences for a terminal. */
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
  const { judgments, unparsableJudgments, withoutVerdict = {}, direct, requests, tokens } = figures;
  table.push(
    ['judgments', `${formatCount(judgments)}, ${formatCount(unparsableJudgments)} without a verdict`],
    ...Object.entries(withoutVerdict).map(([reason, count]) => [`  ${reason}`, formatCount(count)]),
    ...(direct === undefined ? [] : [['answered directly', directShare(direct, pairs)]]),
    ['requests', formatCount(requests)],
    ['tokens, prompt and judgments', `${formatCount(tokens.prompt)}, ${formatCount(tokens.completion)}`],
  );
  return table.toString();
}

type DirectFigures = NonNullable<PairsJudgingFigures['direct']>;

function directShare({ pairs, accuracy }: DirectFigures, all: number): string {
  const correct = accuracy === null ? '' : `, ${formatPercent(accuracy)} correct`;
  return `${formatCount(pairs)} (${formatPercent(all === 0 ? 0 : pairs / all)})${correct}`;
}

/** Says what direct verdicts saved, and what to do if the judge can't give them. */
export function directSentences({ pairs, direct, tokens }: PairsJudgingFigures): string[] {
  if (direct === undefined) return [];
  const { pairs: decided, withoutLetter, tokens: spent, savedTokens } = direct;
  const asked = `${formatCount(decided)} of ${formatCount(pairs)} pairs were answered directly`;
  const reasoned = tokens.completion - spent;
  const worth =
    savedTokens === null
      ? `, in ${formatCount(spent)} tokens. No pair was judged with reasoning, so what this saved can't be estimated.`
      : `. The direct answers took ${formatCount(spent)} tokens, those with reasoning ${formatCount(reasoned)} for the other ` +
        `${formatCount(pairs - decided)}: ` +
        (savedTokens >= 0
          ? `about ${formatCount(Math.round(savedTokens))} tokens were saved`
          : `about ${formatCount(Math.round(-savedTokens))} tokens were spent more than saved`) +
        ' (estimated as if all pairs needed as many as those).';
  return [
    asked + worth,
    ...(withoutLetter === 0
      ? []
      : [
          `On ${formatCount(withoutLetter)} pairs the direct answer named no response in at least one order: a judge must know the prompt for ` +
            'verdicts alone (--direct-prompt), and must not think first.',
        ]),
  ];
}
