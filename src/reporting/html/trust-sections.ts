import type { BiasFigure } from '../../benchmarks/biases.ts';
import type { Disagreement, JudgeAgreement } from '../../benchmarks/judge-agreement.ts';
import type { Agreement } from '../../benchmarks/kappa.ts';
import { formatPercent } from '../../platform/format-percent.ts';
import { formatCount, formatInterval, formatPoints, formatPointsInterval } from '../figure-text.ts';
import type { ReportScores } from '../report-data.ts';
import { type Html, html } from './html.ts';
import { table } from './table.ts';

/** Number of disagreements that the report shows. */
const SHOWN = 10;

/** A judge with its scores on a benchmark. */
export interface ScoredJudge {
  readonly judge: string;
  readonly scores: ReportScores;
}

/** The agreement of every judge with the people who labelled the pairs, and the pairs to look at first. */
export function agreementSection(judges: readonly ScoredJudge[]): Html | undefined {
  const last = judges.at(-1);
  const agreement = last?.scores.agreement;
  if (last === undefined || agreement === undefined || agreement.judge === null) return undefined;
  const { raters, withoutMajority, pairs } = agreement;
  const isOfOne = raters.length === 1;
  return html`<h3>Agreement with people</h3>
    ${table<AgreementRow>(
      [
        { title: 'Compared with', kind: 'text', cell: ({ title }) => title },
        ...judges.map(({ judge, scores }) => ({
          title: judge,
          kind: 'number' as const,
          cell: ({ of }: AgreementRow) => agreementCell(scores.agreement && of(scores.agreement)),
        })),
      ],
      [
        {
          title: isOfOne ? 'the labels' : `most of ${raters.length} raters`,
          of: (found) => found.judge,
        },
        ...(isOfOne ? [] : raters.map(({ rater }) => raterRow(rater))),
        ...(isOfOne
          ? []
          : [
              { title: 'between raters (Fleiss’ κ)', of: (found: JudgeAgreement) => found.betweenPeople },
              {
                title: 'between raters and judge (Fleiss’ κ)',
                of: (found: JudgeAgreement) => found.betweenPeopleAndJudge,
              },
            ]),
      ],
    )}
    <p class="note">
      The share of pairs on which the judge’s verdict is the label, and κ: 1 for full agreement, 0 for as much
      as by chance (Cohen’s, unless it is named). A pair without a verdict is a disagreement. Small figures
      are 95% intervals.
      ${
        withoutMajority > 0 &&
        `Of ${formatCount(pairs)} pairs ${formatCount(withoutMajority)} have no label that most raters give.`
      }
      ${raterNote(agreement)}
    </p>
    ${disagreementTable(last.judge, agreement.disagreements)}`;
}

interface AgreementRow {
  readonly title: string;
  readonly of: (agreement: JudgeAgreement) => Agreement | null | undefined;
}

function raterRow(name: string): AgreementRow {
  return { title: name, of: ({ raters }) => raters.find(({ rater }) => rater === name) };
}

function agreementCell(found: Agreement | null | undefined): Html | undefined {
  if (found === null || found === undefined) return undefined;
  const { agreement, agreementInterval, kappa, kappaInterval } = found;
  return html`${formatPercent(agreement)}
    <small class="interval">${formatInterval(agreementInterval)}</small>
    ${
      kappa !== null &&
      kappaInterval !== null &&
      html`<br />κ ${formatKappa(kappa)}
        <small class="interval"
          >${formatKappa(kappaInterval.low)} to ${formatKappa(kappaInterval.high)}</small
        >`
    }`;
}

function formatKappa(kappa: number): string {
  return kappa.toFixed(2).replace('-', '\u2212');
}

/** Compares the judge's agreement with the other raters with that of each rater. */
function raterNote({ raters }: JudgeAgreement): string | undefined {
  const compared = raters.flatMap(({ rater, withOthers, judgeWithOthers }) =>
    withOthers === undefined || judgeWithOthers === undefined
      ? []
      : [
          `${rater} ${formatPercent(withOthers.agreement)} (the judge ${formatPercent(judgeWithOthers.agreement)})`,
        ],
  );
  return compared.length === 0
    ? undefined
    : `Agreement of each rater with the majority of the others: ${compared.join(', ')}.`;
}

function disagreementTable(judge: string, disagreements: readonly Disagreement[]): Html | undefined {
  if (disagreements.length === 0) return undefined;
  return html`<h4>The clearest disagreements of ${judge} with people: pairs to look at first</h4>
    ${table<Disagreement>(
      [
        { title: 'Pair', kind: 'text', cell: ({ id }) => id },
        { title: 'Subset', kind: 'text', cell: ({ category }) => category },
        { title: 'Judge', kind: 'text', cell: ({ verdict }) => verdictName(verdict) },
        { title: 'People', kind: 'text', cell: ({ label }) => verdictName(label) },
        {
          title: 'Share of people',
          kind: 'number',
          cell: ({ unanimity }) => formatPercent(unanimity),
        },
        {
          title: 'Share of judgments',
          kind: 'number',
          cell: ({ confidence }) => formatPercent(confidence),
        },
      ],
      disagreements.slice(0, SHOWN),
    )}`;
}

function verdictName(verdict: Disagreement['verdict']): string {
  return verdict === 'none' ? 'no verdict' : verdict;
}

const BIAS_TITLES: Readonly<Record<BiasFigure['bias'], string>> = {
  position: 'Position: for the response that is shown first',
  length: 'Length: for the longer response',
  'similar length': 'Length, among responses of similar length',
  'own family': 'Own family: for responses of its own family',
  verbosity: 'Verbosity: for its longer reasons',
};

/** The biases of every judge, and what those of the last one mean. */
export function biasSection(judges: readonly ScoredJudge[]): Html | undefined {
  const last = judges.at(-1);
  const figures = last?.scores.biases ?? [];
  if (last === undefined || figures.length === 0) return undefined;
  return html`<h3>Biases</h3>
    ${table<BiasFigure>(
      [
        { title: 'Bias', kind: 'text', cell: ({ bias }) => BIAS_TITLES[bias] },
        ...judges.map(({ judge, scores }) => ({
          title: judge,
          kind: 'number' as const,
          cell: ({ bias }: BiasFigure) => biasCell(scores.biases?.find((each) => each.bias === bias)),
        })),
      ],
      figures,
    )}
    <p class="note">
      In percentage points, with 95% intervals; 0 is no bias. For ${last.judge}:
      ${figures.map(({ bias, meaning }) => html`<br /><b>${BIAS_TITLES[bias].split(/[:,]/)[0]}.</b> ${meaning}`)}
    </p>`;
}

function biasCell(figure: BiasFigure | undefined): Html | undefined {
  if (figure === undefined) return undefined;
  return html`${formatPoints(figure.difference)}
    <small class="interval">${formatPointsInterval(figure.interval)}</small>`;
}
