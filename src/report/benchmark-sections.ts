import type { BenchmarkScores, GroupScores } from '../benchmarks/benchmark.ts';
import type { Difference } from '../benchmarks/compare.ts';
import { axisStart, shareChart } from './charts.ts';
import { count, judgeName, percent, range } from './format.ts';
import { benchmarkName, benchmarksOf, evaluationOf } from './headline.ts';
import { type Html, html } from './html.ts';
import type { ReportComparison, ReportData, ReportScores } from './report-data.ts';
import { table } from './table.ts';

/** For each benchmark: every figure of every judge, the official score, and the accuracy by subset. */
export function benchmarkSections(data: ReportData): Promise<Html[]> {
  const sections = benchmarksOf(data).map(async (one) => {
    const rows = data.iterations.flatMap((judge): Row[] => {
      const evaluation = evaluationOf(judge, one);
      const { iteration } = judge;
      return evaluation ? [{ iteration, judge: judgeName(iteration), scores: evaluation.scores }] : [];
    });
    const scores = rows[0]?.scores;
    return html`<section>
      <h2>Scores on ${benchmarkName(one)}</h2>
      ${table(
        [
          { title: 'Judge', kind: 'text', cell: ({ judge }) => judge },
          { title: 'Accuracy', kind: 'number', cell: ({ scores: s }) => percent(s.accuracy) },
          {
            title: 'Position-consistent',
            kind: 'number',
            cell: ({ scores: s }) => percent(s.positionConsistentAccuracy),
          },
          { title: 'Better first', kind: 'number', cell: ({ scores: s }) => percent(s.betterFirstAccuracy) },
          { title: 'Better second', kind: 'number', cell: ({ scores: s }) => percent(s.worseFirstAccuracy) },
          { title: 'No verdict', kind: 'number', cell: ({ scores: s }) => percent(s.unparsable) },
          { title: 'Rules differ', kind: 'number', cell: ({ scores: s }) => percent(s.rulesDiffer) },
          {
            title: 'Missing',
            kind: 'number',
            cell: ({ scores: s }) => (s.missingJudgments > 0 ? count(s.missingJudgments) : undefined),
          },
          {
            title: 'Requests',
            kind: 'number',
            cell: ({ scores: s }) => (s.requests === undefined ? undefined : count(s.requests)),
          },
          {
            title: 'Tokens',
            kind: 'number',
            cell: ({ scores: s }) => s.tokens && count(s.tokens.prompt + s.tokens.completion),
          },
        ],
        rows,
      )}
      <p class="note">
        ${count(scores?.pairs)} pairs, read as ${scores?.benchmark}. Rules differ: texts that the official
        rule and ours read differently.${scores?.leftOut && leftOutNote(scores.leftOut)}
      </p>
      ${(data.comparisons ?? []).filter((each) => isOn(each, one)).map(comparisonNote)} ${officialTable(rows)}
      ${await groupCharts(rows)} ${heatTable('Section', rows, (s) => s.sections)}
      ${heatTable('Subset', rows, (s) => s.subsets)}
    </section>`;
  });
  return Promise.all(sections);
}

interface Row {
  readonly iteration: number;
  readonly judge: string;
  readonly scores: ReportScores;
}

/** More groups than this are read better in their table. */
const MOST_CHARTS = 12;

/** The accuracy of each section over the iterations, or of each subset where there are no sections, on one scale. */
async function groupCharts(rows: readonly Row[]): Promise<Html | undefined> {
  const [first, second] = rows;
  if (first === undefined || second === undefined) return undefined;
  const kind = first.scores.sections.length > 0 ? 'sections' : 'subsets';
  const groups = first.scores[kind];
  if (groups.length === 0 || groups.length > MOST_CHARTS) return undefined;
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

/** Two judges item by item, in words. */
function comparisonNote({ from, to, comparison }: ReportComparison): Html {
  const { items, accuracy, consistent, mcNemar } = comparison;
  return html`<p>
    ${judgeName(to)} against ${judgeName(from)} on the same ${count(items)} pairs: accuracy
    ${points(accuracy)}, position-consistent accuracy ${points(consistent)}. Right in both orders by
    ${judgeName(to)} alone: ${count(mcNemar.onlySecond)}, by ${judgeName(from)} alone:
    ${count(mcNemar.onlyFirst)} (McNemar’s exact test: p ${probability(mcNemar.p)}).
  </p>`;
}

/** "+5.2 points (95% interval +1.0 to +9.4)". */
function points({ difference, interval }: Difference): string {
  const signed = (share: number) => {
    const value = (share * 100).toFixed(1);
    return share > 0 ? `+${value}` : value.replace('-', '\u2212');
  };
  return `${signed(difference)} points (95% interval ${signed(interval.low)} to ${signed(interval.high)})`;
}

function probability(p: number): string {
  return p < 0.001 ? '< 0.001' : `= ${p.toFixed(3)}`;
}

function leftOutNote(leftOut: Readonly<Record<string, number>>): string {
  const reasons = Object.entries(leftOut).map(([reason, rows]) => `${reason} (${count(rows)})`);
  return reasons.length === 0 ? '' : ` Rows left out by the benchmark’s rule: ${reasons.join(', ')}.`;
}

/** The figures by the benchmark's published rule, one line for each. */
function officialTable(rows: readonly Row[]): Html {
  const names = rows[0]?.scores.official.figures.map(({ name }) => name) ?? [];
  const figure = (scores: BenchmarkScores, name: string) =>
    scores.official.figures.find((one) => one.name === name)?.value;
  return table<string>(
    [
      { title: 'By the published rule', kind: 'text', cell: (name) => name },
      ...rows.map(({ judge, scores }) => ({
        title: judge,
        kind: 'number' as const,
        cell: (name: string) => percent(figure(scores, name)),
      })),
    ],
    names,
  );
}

/** Accuracy by group and judge, the cell tinted by it. */
function heatTable(
  title: string,
  rows: readonly Row[],
  groupsOf: (scores: BenchmarkScores) => GroupScores[],
): Html | undefined {
  const groups = rows[0] ? groupsOf(rows[0].scores) : [];
  if (groups.length === 0) return undefined;
  const cell = (scores: BenchmarkScores, name: string) => {
    const group = groupsOf(scores).find((one) => one.name === name);
    if (!group) return html`<td class="number">–</td>`;
    // From guessing (no tint) to perfect (full tint).
    const tint = Math.max(0, 2 * group.accuracy - 1) * 100;
    return html`<td class="number heat" style="--tint:${tint.toFixed(0)}%">
      ${percent(group.accuracy)}<small class="interval">${range(group.accuracyInterval)}</small>
    </td>`;
  };
  return html`<div class="scroll">
    <table class="heat-table">
      <thead>
        <tr>
          <th scope="col" class="text">${title}</th>
          <th scope="col" class="number">Pairs</th>
          ${rows.map(({ judge }) => html`<th scope="col" class="number">${judge}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${groups.map(
          ({ name, pairs }) =>
            html`<tr>
              <th scope="row" class="text">${name}</th>
              <td class="number">${count(pairs)}</td>
              ${rows.map(({ scores }) => cell(scores, name))}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}
