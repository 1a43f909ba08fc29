import type { BenchmarkScores } from '../../benchmarks/benchmark.ts';
import { REWARD_BENCH_ROWS } from '../../benchmarks/reward-bench.ts';
import { axisStart, type Series, shareChart, type StepFigures, stepsChart } from './charts.ts';
import { formatCount, judgeName, formatInterval } from '../figure-text.ts';
import { formatPercent } from '../../platform/format-percent.ts';
import { benchmarkName, benchmarksOf, headlineIteration, evaluationOf, mainBenchmark } from './headline.ts';
import { type Html, html } from './html.ts';
import type { ReportData, ReportEvaluation, ReportIteration, ReportTraining } from '../report-data.ts';
import { table } from './table.ts';
import { formatDuration } from '../../platform/format-duration.ts';

/** The table of iterations, with the scores, training examples and time of each judge. */
export function iterationsSection(data: ReportData): Html {
  const main = mainBenchmark(data);
  const best = headlineIteration(data);
  const scores = (iteration: ReportIteration) => evaluationOf(iteration, main)?.scores;
  const evaluated = (show: (scores: BenchmarkScores) => Html | string) => (iteration: ReportIteration) => {
    const iterationScores = scores(iteration);
    return iterationScores && show(iterationScores);
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
        { title: 'Share of A', kind: 'number', cell: evaluated((s) => formatPercent(s.shareOfA)) },
        { title: 'No verdict', kind: 'number', cell: evaluated((s) => formatPercent(s.unparsable)) },
        {
          title: 'Training examples',
          kind: 'number',
          cell: ({ funnel }) => (funnel ? formatCount(funnel.trainingExamples) : undefined),
        },
        {
          title: 'Time',
          kind: 'number',
          cell: ({ usage }) => usage && formatDuration(total(usage.map(({ seconds = 0 }) => seconds))),
        },
      ],
      data.iterations,
      (row) => row.iteration === best?.iteration && data.iterations.length > 1,
    )}
    <p class="note">
      ${main && `Scores on ${benchmarkName(main)}. `}Each pair is judged in both orders; position-consistent
      is the share of pairs that are judged correctly in both. A judgment without a verdict counts as
      incorrect. Small figures are 95% intervals.
    </p>
  </section>`;
}

function withInterval(share: number, interval: { low: number; high: number }): Html {
  return html`${formatPercent(share)} <small class="interval">${formatInterval(interval)}</small>`;
}

/** Charts of accuracy on each benchmark, position bias and losses over the iterations; undefined for a single judge. */
export async function chartsSection(data: ReportData): Promise<Html | undefined> {
  const main = mainBenchmark(data);
  if (!main || data.iterations.filter((iteration) => evaluationOf(iteration, main)).length < 2)
    return undefined;
  const accuracies = benchmarksOf(data).map((benchmark) => ({
    benchmark,
    caption: `Accuracy, ${benchmarkName(benchmark)}`,
    series: [
      line('Accuracy', data, benchmark, (s) => ({ value: s.accuracy, interval: s.accuracyInterval })),
      line('Position-consistent accuracy', data, benchmark, (s) => ({
        value: s.positionConsistentAccuracy,
        interval: s.positionConsistentAccuracyInterval,
      })),
    ],
  }));
  // All benchmarks have the same scale, so that their curves can be compared.
  const from = axisStart([PAPERS_CURVE, ...accuracies.flatMap(({ series }) => series)]);
  const charts = [];
  const comparedWithPaper = benchmarksOf(data).find((each) => isRewardBench(data, each)) ?? main;
  for (const { benchmark, caption, series } of accuracies) {
    const isCompared =
      evaluationOf(data.iterations[0], benchmark) === evaluationOf(data.iterations[0], comparedWithPaper);
    const paper = isCompared ? { reference: PAPERS_CURVE, note: papersNote(data, benchmark) } : {};
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
  const shareOfA = line('Share of A among the verdicts; dashed: no bias', data, main, (s) =>
    pointOf(s.shareOfA),
  );
  if (shareOfA.points.length > 0) {
    charts.push(await shareChart(`Share of A, ${name}`, [shareOfA], { from: 0, mark: 0.5 }));
  }
  charts.push(...(await trainingCharts(data)));
  return html`<section>
    <h2>How the judge changed</h2>
    <div class="charts">${charts}</div>
  </section>`;
}

/** The loss by step and, of GRPO, what the judgments that it sampled were rewarded with. */
async function trainingCharts(data: ReportData): Promise<Html[]> {
  const chart = async (
    caption: string,
    isShare: boolean,
    stepsOf: (training: ReportTraining) => StepFigures['steps'],
  ) => {
    const trainings = data.iterations.flatMap(({ iteration, training }) => {
      const steps = training === undefined ? [] : stepsOf(training);
      return steps.length > 1 ? [{ iteration, steps }] : [];
    });
    return trainings.length === 0 ? [] : [await stepsChart(caption, trainings, isShare)];
  };
  return [
    ...(await chart('Mean reward of the sampled judgments by step', true, ({ rewards = [] }) =>
      rewards.map(({ step, reward }) => ({ step, value: reward })),
    )),
    ...(await chart(
      'Prompts whose judgments all have one reward, and teach nothing',
      true,
      ({ rewards = [] }) =>
        rewards.map(({ step, zeroVarianceShare }) => ({ step, value: zeroVarianceShare })),
    )),
    ...(await chart('Training loss by step', false, ({ losses }) =>
      losses.map(({ step, loss }) => ({ step, value: loss })),
    )),
  ];
}

type Named = Pick<ReportEvaluation, 'benchmark' | 'purpose'>;

/** The paper's scores (arXiv 2408.02666) on RewardBench by iteration. */
const PAPERS_CURVE: Series = {
  name: 'The paper’s Llama-3-70B on RewardBench',
  points: [0.754, 0.839, 0.86, 0.875, 0.877, 0.883].map((value, iteration) => ({ iteration, value })),
};

/** Returns whether the benchmark is RewardBench itself, according to its number of rows, and not another file of the same format. */
function isRewardBench(data: ReportData, benchmark: Named): boolean {
  const scores = evaluationOf(data.iterations[0], benchmark)?.scores;
  return scores?.benchmark === 'reward-bench' && scores.pairs === REWARD_BENCH_ROWS;
}

/** Explains how the paper's curve can be compared. */
function papersNote(data: ReportData, benchmark: Named): Html {
  const figures = PAPERS_CURVE.points.map(({ value }) => (100 * value).toFixed(1)).join(', ');
  return html`<p class="note">
    Thin line: the paper’s scores of Llama-3-70B on RewardBench, ${figures}. The first one, of the seed model,
    is not fully comparable with the others.
    ${
      isRewardBench(data, benchmark)
        ? 'They are means of four sections, while the accuracy here is over all judgments; see the official score below.'
        : html`<b>${benchmarkName(benchmark)} is not RewardBench:</b> only the shapes of the curves can be
            compared.`
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
