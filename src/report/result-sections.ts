import type { BenchmarkScores } from '../benchmarks/benchmark.ts';
import { REWARD_BENCH_ROWS } from '../benchmarks/reward-bench.ts';
import { axisStart, lossChart, type Series, shareChart } from './charts.ts';
import { count, duration, judgeName, percent, range } from './format.ts';
import { benchmarkName, benchmarksOf, bestIteration, evaluationOf, mainBenchmark } from './headline.ts';
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
          cell: ({ usage }) => usage && duration(total(usage.map(({ seconds = 0 }) => seconds))),
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
    one,
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
  const from = axisStart([PAPERS_CURVE, ...accuracies.flatMap(({ series }) => series)]);
  const charts = [];
  const besidePaper = benchmarksOf(data).find((one) => isRewardBench(data, one)) ?? main;
  for (const { one, caption, series } of accuracies) {
    const isBeside = evaluationOf(data.iterations[0], one) === evaluationOf(data.iterations[0], besidePaper);
    const paper = isBeside ? { reference: PAPERS_CURVE, note: papersNote(data, one) } : {};
    charts.push(await shareChart(caption, series, { from, ...paper }));
  }
  const byPosition = [
    line('Better response first', data, main, (s) => pointOf(s.betterFirstAccuracy)),
    line('Better response second', data, main, (s) => pointOf(s.worseFirstAccuracy)),
  ].filter(({ points }) => points.length > 0);
  const name = benchmarkName(main);
  if (byPosition.length > 0) {
    charts.push(
      await shareChart(`Accuracy by position, ${name}`, byPosition, { from: axisStart(byPosition) }),
    );
  }
  const shareOfA = line('A among the verdicts; dashed: no bias', data, main, (s) => pointOf(s.shareOfA));
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

type Named = Pick<ReportEvaluation, 'benchmark' | 'purpose'>;

/** Of the paper (arXiv 2408.02666): RewardBench by iteration. */
const PAPERS_CURVE: Series = {
  name: 'The paper’s Llama-3-70B on RewardBench',
  points: [0.754, 0.839, 0.86, 0.875, 0.877, 0.883].map((value, iteration) => ({ iteration, value })),
};

/** By its rows: a file of the same layout is not RewardBench. */
function isRewardBench(data: ReportData, one: Named): boolean {
  const scores = evaluationOf(data.iterations[0], one)?.scores;
  return scores?.benchmark === 'reward-bench' && scores.pairs === REWARD_BENCH_ROWS;
}

/** What the paper's curve may be compared with. */
function papersNote(data: ReportData, one: Named): Html {
  const figures = PAPERS_CURVE.points.map(({ value }) => (100 * value).toFixed(1)).join(', ');
  return html`<p class="note">
    Thin line: what the paper reports for Llama-3-70B on RewardBench, ${figures}; the first one, of the seed
    model, is not quite comparable with the others.
    ${
      isRewardBench(data, one)
        ? 'They are means of four sections, the accuracy here is over all judgments: see the official score below.'
        : html`<b>${benchmarkName(one)} is not RewardBench:</b> compare the shapes, not the heights.`
    }
  </p>`;
}

function pointOf(value: number | null): { value: number } | undefined {
  return value === null ? undefined : { value };
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

function total(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
