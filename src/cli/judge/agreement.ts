/** The command `agreement`: compares the verdicts on a file of pairs with people's labels. */
import Table from 'cli-table3';
import { type JudgeAgreement, judgeAgreement } from '../../benchmarks/judge-agreement.ts';
import type { Agreement } from '../../benchmarks/kappa.ts';
import { formatPercent } from '../../platform/format-percent.ts';
import { oneLine } from '../../platform/shown-text.ts';
import { formatCount, formatInterval } from '../../reporting/figure-text.ts';
import { CommandError } from '../core/command-error.ts';
import { printResult } from '../core/output.ts';
import { type JudgedFiles, type KnownPair, readJudgedPairs } from './read-judged-pairs.ts';

export interface AgreementOptions extends JudgedFiles {
  readonly show: number;
  readonly json: boolean;
}

/** @throws CommandError */
export async function agreement({ show, json, ...files }: AgreementOptions): Promise<void> {
  if (!Number.isInteger(show) || show < 0)
    throw new CommandError('usage', `--show is ${show}, but must be a whole number of 0 or more.`);
  const pairs = await readJudgedPairs(files);
  const found = judgeAgreement(pairs.map(labelledVerdict), show);
  if (found.pairs === 0)
    throw new CommandError(
      'usage',
      `${files.labels ?? files.verdicts}: no pair has a label. Give people's labels with --labels, or judge a file of pairs with ` +
        '"label", or with "raters" and give it with --pairs.',
    );
  const questions =
    files.pairs === undefined ? null : new Set(pairs.map(({ details }) => details?.cluster)).size;
  printResult(json, { verdicts: pairs.length, questions, ...found }, () =>
    agreementText(found, pairs.length, questions),
  );
}

function labelledVerdict({ verdict: { row, id, verdict, confidence }, details, labels }: KnownPair) {
  const cluster = details?.cluster ?? String(row);
  return { id, cluster, category: details?.category, verdict, confidence, labels };
}

function agreementText(found: JudgeAgreement, verdicts: number, questions: number | null): string {
  const { raters, judge, betweenPeople, betweenPeopleAndJudge, categories, disagreements } = found;
  const isOfOne = raters.length === 1;
  const rows: [string, Agreement | null][] = [
    [isOfOne ? 'the labels' : `most of ${raters.length} raters`, judge],
    ...(isOfOne ? [] : raters.map((each): [string, Agreement] => [oneLine(each.rater), each])),
    ...(betweenPeople === null
      ? []
      : [
          ['between raters (Fleiss)', betweenPeople] as [string, Agreement],
          ['between raters and judge (Fleiss)', betweenPeopleAndJudge] as [string, Agreement | null],
        ]),
  ];
  return [
    `${formatCount(found.pairs)} of ${formatCount(verdicts)} pairs have a label` +
      (found.withoutMajority === 0
        ? '.'
        : `; ${formatCount(found.withoutMajority)} of them have none that most raters give.`),
    agreementTable('agreement of the judge with', rows),
    'Agreement: the share of pairs on which the verdict is the label; a pair without a verdict is a disagreement. Kappa: 1 for full\n' +
      'agreement, 0 for as much as by chance. With 95% intervals.',
    questions === null
      ? 'The intervals take all pairs as independent: --pairs counts those with the same prompt as one question.'
      : `The intervals take the ${formatCount(questions)} questions as independent: pairs with the same prompt are one.`,
    ...raterLines(found),
    ...(categories.length === 0
      ? []
      : [
          agreementTable(
            'category',
            categories.map((each): [string, Agreement] => [oneLine(each.name), each]),
          ),
        ]),
    ...(disagreements.length === 0
      ? []
      : [
          `Pairs to look at first: the judge against people, the clearest first\n${disagreementTable(found)}`,
        ]),
  ].join('\n\n');
}

function agreementTable(title: string, rows: readonly [string, Agreement | null][]): string {
  const table = new Table({
    head: [title, 'pairs', 'agreement', 'kappa'],
    colAligns: ['left', 'right', 'right', 'right'],
    style: { head: [], border: [] },
  });
  for (const [name, found] of rows)
    table.push(
      found === null
        ? [name, '0', '–', '–']
        : [
            name,
            formatCount(found.items),
            `${formatPercent(found.agreement)} (${formatInterval(found.agreementInterval)})`,
            kappaText(found),
          ],
    );
  return table.toString();
}

function kappaText({ kappa, kappaInterval }: Agreement): string {
  if (kappa === null || kappaInterval === null) return 'all labels are the same';
  return `${kappa.toFixed(2)} (${kappaInterval.low.toFixed(2)} to ${kappaInterval.high.toFixed(2)})`;
}

/** Compares the judge's agreement with the other raters with that of each rater. */
function raterLines({ raters }: JudgeAgreement): string[] {
  const lines = raters.flatMap(({ rater, withOthers, judgeWithOthers }) =>
    withOthers === undefined || judgeWithOthers === undefined
      ? []
      : [
          `  ${oneLine(rater)} ${formatPercent(withOthers.agreement)}, the judge on the same ${formatCount(withOthers.items)} pairs ` +
            formatPercent(judgeWithOthers.agreement),
        ],
  );
  return lines.length === 0 ? [] : [`Agreement with most of the other raters:\n${lines.join('\n')}`];
}

function disagreementTable({ disagreements }: JudgeAgreement): string {
  const table = new Table({
    head: ['pair', 'category', 'judge', 'people', 'share of people', 'share of judgments'],
    colAligns: ['left', 'left', 'left', 'left', 'right', 'right'],
    style: { head: [], border: [] },
  });
  for (const { id, category = '', verdict, label, unanimity, confidence } of disagreements)
    table.push([
      oneLine(id),
      oneLine(category),
      verdict === 'none' ? 'no verdict' : verdict,
      label,
      formatPercent(unanimity),
      formatPercent(confidence),
    ]);
  return table.toString();
}
