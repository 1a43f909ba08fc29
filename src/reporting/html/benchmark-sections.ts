import type { BenchmarkScores, GroupScores } from '../../benchmarks/benchmark.ts';
import type { JudgeCalibration } from '../../benchmarks/judge-calibration.ts';
import type { ShareDifference } from '../../benchmarks/compare-judges.ts';
import { calibrationSection } from './calibration-section.ts';
import { axisStart, shareChart } from './charts.ts';
import {
  formatCount,
  formatInterval,
  formatPoints,
  formatPointsInterval,
  itemsOf,
  judgeName,
} from '../figure-text.ts';
import { formatReasons } from '../../method/missing-verdict.ts';
import { formatPercent } from '../../platform/format-percent.ts';
import { formatProbability } from '../../platform/format-probability.ts';
import { benchmarkName, benchmarksOf, evaluationOf } from './headline.ts';
import { type Html, html } from './html.ts';
import type { ReportComparison, ReportData, ReportScores } from '../report-data.ts';
import { table } from './table.ts';
import { agreementSection, biasSection } from './trust-sections.ts';

/** A section for each benchmark: all scores of every judge, the official scores, and the accuracy by subset. */
export function benchmarkSections(data: ReportData): Promise<Html[]> {
  const sections = benchmarksOf(data).map(async (benchmark) => {
    const rows = data.iterations.flatMap((judge): Row[] => {
      const evaluation = evaluationOf(judge, benchmark);
      const { iteration } = judge;
      const { calibration } = judge;
      return evaluation
        ? [{ iteration, judge: judgeName(iteration), scores: evaluation.scores, calibration }]
        : [];
    });
    const scores = rows[0]?.scores;
    const items = scores === undefined ? 'pairs' : itemsOf(scores);
    return html`<section>
      <h2>Scores on ${benchmarkName(benchmark)}</h2>
      ${table(
        [
          { title: 'Judge', kind: 'text', cell: ({ judge }) => judge },
          { title: 'Accuracy', kind: 'number', cell: ({ scores: s }) => formatPercent(s.accuracy) },
          {
            title: 'Position-consistent',
            kind: 'number',
            cell: ({ scores: s }) => formatPercent(s.positionConsistentAccuracy),
          },
          {
            title: 'Better first',
            kind: 'number',
            cell: ({ scores: s }) => formatPercent(s.betterFirstAccuracy),
          },
          {
            title: 'Better second',
            kind: 'number',
            cell: ({ scores: s }) => formatPercent(s.worseFirstAccuracy),
          },
          { title: 'No verdict', kind: 'number', cell: ({ scores: s }) => formatPercent(s.unparsable) },
          {
            title: 'Parsers disagree',
            kind: 'number',
            cell: ({ scores: s }) => formatPercent(s.parserDisagreement),
          },
          {
            title: 'Missing',
            kind: 'number',
            cell: ({ scores: s }) => (s.missingJudgments > 0 ? formatCount(s.missingJudgments) : undefined),
          },
          {
            title: 'Requests',
            kind: 'number',
            cell: ({ scores: s }) => (s.requests === undefined ? undefined : formatCount(s.requests)),
          },
          {
            title: 'Tokens',
            kind: 'number',
            cell: ({ scores: s }) => s.tokens && formatCount(s.tokens.prompt + s.tokens.completion),
          },
        ],
        rows,
      )}
      <p class="note">
        ${formatCount(scores?.pairs)} ${items}, scored as ${scores?.benchmark}. Parsers disagree: the share of
        texts for which the official parser and the strict one give different
        verdicts.${scores?.excluded && excludedNote(scores.excluded)}
      </p>
      ${scores && promptsNote(scores)} ${rows.map(missingVerdictsNote)}
      ${(data.comparisons ?? []).filter((each) => isOn(each, benchmark)).map((each) => comparisonNote(each, items))}
      ${officialTable(rows)} ${agreementSection(rows)} ${biasSection(rows)}
      ${await calibrationSection(rows, benchmark.benchmark)} ${await groupCharts(rows)}
      ${heatTable('Section', rows, (s) => s.sections)} ${heatTable('Subset', rows, (s) => s.subsets)}
    </section>`;
  });
  return Promise.all(sections);
}

/** Which prompts the figures have, and how the answers were sampled. */
function promptsNote({ prompts = {}, sampling }: ReportScores): Html | undefined {
  const names = Object.entries(prompts);
  if (names.length === 0) return undefined;
  return html`<p class="note">
    ${names.length === 1 ? 'Prompt' : 'Prompts'}:
    ${names.map(([name, source]) => (names.length === 1 ? source : `${name}: ${source}`)).join('; ')}.
    ${sampling === undefined ? '' : `Sampled at ${sampling}.`}
  </p>`;
}

/** Why texts of a judge have no verdict, by reason. */
function missingVerdictsNote({ judge, scores }: Row): Html | undefined {
  if (scores.withoutVerdict === undefined) return undefined;
  return html`<p class="note">
    Texts of ${judge} without a verdict: ${formatReasons(scores.withoutVerdict)}.
  </p>`;
}

interface Row {
  readonly iteration: number;
  readonly judge: string;
  readonly scores: ReportScores;
  readonly calibration?: JudgeCalibration | undefined;
}

/** Maximum number of groups with charts. More groups are easier to read in their table. */
const MAX_CHARTS = 12;

/** Charts of the accuracy of each section over the iterations, or of each subset if there are no sections, on one scale. */
async function groupCharts(rows: readonly Row[]): Promise<Html | undefined> {
  const [first, second] = rows;
  if (first === undefined || second === undefined) return undefined;
  const kind = first.scores.sections.length > 0 ? 'sections' : 'subsets';
  const groups = first.scores[kind];
  if (groups.length === 0 || groups.length > MAX_CHARTS) return undefined;
  const series = groups.map(({ name }) => ({
    name,
    points: rows.flatMap(({ iteration, scores }) => {
      const group = scores[kind].find((one) => one.name === name);
      return group ? [{ iteration, value: group.accuracy, interval: group.accuracyInterval }] : [];
    }),
  }));
  const from = axisStart(series);
  const charts = [];
  for (const one of series) charts.push(await shareChart(one.name, [one], { from, size: 'small' }));
  return html`<h3>Accuracy by ${kind === 'sections' ? 'section' : 'subset'}</h3>
    <div class="charts small">${charts}</div>`;
}

function isOn(
  comparison: ReportComparison,
  { benchmark, purpose }: { benchmark: string; purpose: string },
): boolean {
  return comparison.benchmark === benchmark && comparison.purpose === purpose;
}

/** Describes the comparison of two judges. */
function comparisonNote({ from, to, comparison }: ReportComparison, noun: string): Html {
  const { items, accuracy, consistent, mcNemar } = comparison;
  return html`<p>
    ${judgeName(to)} compared with ${judgeName(from)} on the same ${formatCount(items)} ${noun}: accuracy
    ${points(accuracy)}, position-consistent accuracy ${points(consistent)}. Correct in both orders only by
    ${judgeName(to)}: ${formatCount(mcNemar.onlySecond)}, only by ${judgeName(from)}:
    ${formatCount(mcNemar.onlyFirst)}
    (${
      mcNemar.clusters === items
        ? 'McNemar’s exact test'
        : `exact test over ${formatCount(mcNemar.clusters)} questions, because ${noun} share them`
    }:
    p ${formatProbability(mcNemar.pValue)}).
  </p>`;
}

/** "+5.2 points (95% interval +1.0 to +9.4)". */
function points({ difference, interval }: ShareDifference): string {
  return `${formatPoints(difference)} points (95% interval ${formatPointsInterval(interval)})`;
}

function excludedNote(excluded: Readonly<Record<string, number>>): string {
  const reasons = Object.entries(excluded).map(([reason, rows]) => `${reason} (${formatCount(rows)})`);
  return reasons.length === 0 ? '' : ` Rows excluded by the benchmark’s rule: ${reasons.join(', ')}.`;
}

/** The scores by the benchmark's published rule, one row for each. */
function officialTable(rows: readonly Row[]): Html {
  const names = rows[0]?.scores.official.figures.map(({ name }) => name) ?? [];
  const figure = (scores: BenchmarkScores, name: string) => {
    const found = scores.official.figures.find((official) => official.name === name);
    return (
      found &&
      html`${formatPercent(found.value, scores.official.decimals)}
      ${found.interval && html`<small class="interval">${formatInterval(found.interval)}</small>`}`
    );
  };
  return table<string>(
    [
      { title: 'By the published rule', kind: 'text', cell: (name) => name },
      ...rows.map(({ judge, scores }) => ({
        title: judge,
        kind: 'number' as const,
        cell: (name: string) => figure(scores, name),
      })),
    ],
    names,
  );
}

/** A table of accuracy by group and judge, with cells tinted by accuracy. */
function heatTable(
  title: string,
  rows: readonly Row[],
  groupsOf: (scores: BenchmarkScores) => GroupScores[],
): Html | undefined {
  const first = rows[0]?.scores;
  const groups = first === undefined ? [] : groupsOf(first);
  if (first === undefined || groups.length === 0) return undefined;
  const cell = (scores: BenchmarkScores, name: string) => {
    const group = groupsOf(scores).find((one) => one.name === name);
    if (!group) return html`<td class="number">–</td>`;
    // No tint at 50%, full tint at 100%.
    const tint = Math.max(0, 2 * group.accuracy - 1) * 100;
    return html`<td class="number heat" style="--tint:${tint.toFixed(0)}%">
      ${formatPercent(group.accuracy)}<small class="interval"
        >${formatInterval(group.accuracyInterval)}</small
      >
    </td>`;
  };
  return html`<div class="scroll">
    <table class="heat-table">
      <thead>
        <tr>
          <th scope="col" class="text">${title}</th>
          <th scope="col" class="number">${itemsOf(first) === 'pairs' ? 'Pairs' : 'Records'}</th>
          ${rows.map(({ judge }) => html`<th scope="col" class="number">${judge}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${groups.map(
          ({ name, pairs }) =>
            html`<tr>
              <th scope="row" class="text">${name}</th>
              <td class="number">${formatCount(pairs)}</td>
              ${rows.map(({ scores }) => cell(scores, name))}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}
