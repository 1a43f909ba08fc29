import type { BenchmarkScores, GroupScores } from '../benchmarks/benchmark.ts';
import { axisStart, lossChart, type Series, shareChart } from './charts.ts';
import { count, duration, judgeName, percent, range } from './format.ts';
import { benchmarkName, bestIteration, evaluationOf, mainBenchmark } from './headline.ts';
import { type Html, html } from './html.ts';
import type { ReportData, ReportEvaluation, ReportIteration } from './report-data.ts';
import { table } from './table.ts';

/** The table of iterations: what each judge is worth, and what it cost. */
export function iterationsSection(data: ReportData): Html {
  const main = mainBenchmark(data);
  const best = bestIteration(data);
  const scores = (iteration: ReportIteration) => evaluationOf(iteration, main)?.scores;
  const evaluated = (show: (scores: BenchmarkScores) => Html | string) => (iteration: ReportIteration) => {
    const found = scores(iteration);
    return found && show(found);
  };
  return html`<section>
    <h2>Iterations</h2>
    ${table(
      [
        { title: 'Judge', kind: 'text', cell: ({ iteration }) => judgeName(iteration) },
        {
          title: 'Accuracy',
          kind: 'number',
          cell: evaluated((s) => withInterval(s.accuracy, s.accuracyInterval)),
        },
        {
          title: 'Position-consistent',
          kind: 'number',
          cell: evaluated((s) =>
            withInterval(s.positionConsistentAccuracy, s.positionConsistentAccuracyInterval),
          ),
        },
        { title: 'Share of A', kind: 'number', cell: evaluated((s) => percent(s.shareOfA)) },
        { title: 'No verdict', kind: 'number', cell: evaluated((s) => percent(s.unparsable)) },
        {
          title: 'Training examples',
          kind: 'number',
          cell: ({ funnel }) => (funnel ? count(funnel.trainingExamples) : undefined),
        },
        {
          title: 'Time',
          kind: 'number',
          cell: ({ stageSeconds }) =>
            stageSeconds ? duration(total(Object.values(stageSeconds))) : undefined,
        },
      ],
      data.iterations,
      (row) => row.iteration === best?.iteration && data.iterations.length > 1,
    )}
    <p class="note">
      ${main && `Scores on ${benchmarkName(main)}. `}Each pair is judged in both orders; position-consistent
      is the share of pairs that are right in both. A judgment without a verdict counts as wrong. Small
      figures are 95% intervals.
    </p>
  </section>`;
}

function withInterval(share: number, interval: { low: number; high: number }): Html {
  return html`${percent(share)} <small class="interval">${range(interval)}</small>`;
}

/** Accuracy over the iterations for each benchmark, position bias, and the losses; a single judge has no curve. */
export async function chartsSection(data: ReportData): Promise<Html | undefined> {
  const main = mainBenchmark(data);
  if (!main || data.iterations.filter((iteration) => evaluationOf(iteration, main)).length < 2)
    return undefined;
  const accuracies = benchmarksOf(data).map((one) => ({
    caption: `Accuracy, ${benchmarkName(one)}`,
    series: [
      line('Accuracy', data, one, (s) => ({ value: s.accuracy, interval: s.accuracyInterval })),
      line('Position-consistent accuracy', data, one, (s) => ({
        value: s.positionConsistentAccuracy,
        interval: s.positionConsistentAccuracyInterval,
      })),
    ],
  }));
  // One scale for all benchmarks, so that their curves compare.
  const from = axisStart(accuracies.flatMap(({ series }) => series));
  const charts = [];
  for (const { caption, series } of accuracies) charts.push(await shareChart(caption, series, { from }));
  const byPosition = [
    line('Better response first', data, main, (s) => ({ value: s.betterFirstAccuracy })),
    line('Better response second', data, main, (s) => ({ value: s.worseFirstAccuracy })),
  ];
  const name = benchmarkName(main);
  charts.push(await shareChart(`Accuracy by position, ${name}`, byPosition, { from: axisStart(byPosition) }));
  const shareOfA = line('A among the verdicts; dashed: no bias', data, main, (s) =>
    s.shareOfA === null ? undefined : { value: s.shareOfA },
  );
  if (shareOfA.points.length > 0) {
    charts.push(await shareChart(`Share of A, ${name}`, [shareOfA], { from: 0, mark: 0.5 }));
  }
  const trained = data.iterations.flatMap(({ iteration, training }) =>
    training && training.losses.length > 1 ? [{ iteration, losses: training.losses }] : [],
  );
  if (trained.length > 0) charts.push(await lossChart(trained));
  return html`<section>
    <h2>How the judge changed</h2>
    <div class="charts">${charts}</div>
  </section>`;
}

function line(
  name: string,
  data: ReportData,
  benchmark: { benchmark: string; purpose: string },
  figure: (scores: BenchmarkScores) => Omit<Series['points'][number], 'iteration'> | undefined,
): Series {
  const points = data.iterations.flatMap((iteration) => {
    const evaluation = evaluationOf(iteration, benchmark);
    const point = evaluation && figure(evaluation.scores);
    return point ? [{ iteration: iteration.iteration, ...point }] : [];
  });
  return { name, points };
}

/** For each benchmark: every figure of every judge, the official score, and the accuracy by subset. */
export function benchmarkSections(data: ReportData): Html[] {
  return benchmarksOf(data).map((one) => {
    const rows = data.iterations.flatMap((iteration) => {
      const evaluation = evaluationOf(iteration, one);
      return evaluation ? [{ judge: judgeName(iteration.iteration), scores: evaluation.scores }] : [];
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
            title: 'Official, one order',
            kind: 'number',
            cell: ({ scores: s }) => percent(s.official.singleOrder.total),
          },
          {
            title: 'Official, both',
            kind: 'number',
            cell: ({ scores: s }) => percent(s.official.bothOrders.total),
          },
          {
            title: 'Missing',
            kind: 'number',
            cell: ({ scores: s }) => (s.missingJudgments > 0 ? count(s.missingJudgments) : undefined),
          },
        ],
        rows,
      )}
      <p class="note">
        ${count(scores?.pairs)} pairs, read as ${scores?.benchmark}. Official: the benchmark’s published rule,
        where no verdict is half a point; one order is drawn for each pair by seed ${scores?.official.seed}.
        Rules differ: texts that the official rule and ours read differently.
      </p>
      ${heatTable('Section', rows, (s) => s.sections)} ${heatTable('Subset', rows, (s) => s.subsets)}
    </section>`;
  });
}

/** Accuracy by group and judge, the cell tinted by it. */
function heatTable(
  title: string,
  rows: { judge: string; scores: BenchmarkScores }[],
  groupsOf: (scores: BenchmarkScores) => GroupScores[],
): Html | undefined {
  const groups = rows[0] ? groupsOf(rows[0].scores) : [];
  if (groups.length === 0) return undefined;
  const cell = (scores: BenchmarkScores, name: string) => {
    const group = groupsOf(scores).find((one) => one.name === name);
    if (!group) return html`<td class="number">–</td>`;
    // From guessing (no tint) to perfect (full tint).
    const tint = Math.max(0, 2 * group.accuracy - 1) * 100;
    return html`<td class="number heat" style="--tint:${tint.toFixed(0)}%">${percent(group.accuracy)}</td>`;
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

/** Each benchmark with its purpose once, test sets first. */
function benchmarksOf(data: ReportData): Pick<ReportEvaluation, 'benchmark' | 'purpose'>[] {
  const all = new Map<string, ReportEvaluation>();
  for (const one of data.iterations.flatMap(({ evaluations }) => evaluations)) {
    const key = `${one.purpose}/${one.benchmark}`;
    if (!all.has(key)) all.set(key, one);
  }
  return [...all.values()].sort((a, b) => Number(b.purpose === 'test') - Number(a.purpose === 'test'));
}

function total(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
