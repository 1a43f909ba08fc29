import type { FilterStatistics, FilterStepName } from '../judge/filter-statistics.ts';
import { GENERATED } from '../judge/mix-sources.ts';
import { distributionChart } from './charts.ts';
import { count, judgeName, percent } from './format.ts';
import { type Html, html } from './html.ts';
import type { ReportData, ReportFunnel } from './report-data.ts';
import { table, type Column } from './table.ts';

interface Row {
  readonly iteration: number;
  readonly funnel: ReportFunnel;
}

/** What stands above the examples that each step leaves, in the order of the steps. */
const STEP_TITLES: Readonly<Record<Exclude<FilterStepName, 'are judged'>, string>> = {
  'have a majority': 'With a majority',
  'have a right judgment': 'With a right one',
  'reach the majority threshold': 'Above threshold',
  'are position-consistent': 'Consistent',
  'are left after balance': 'After balance',
  'are left after mixing': 'After mixing',
};

/** More values of the share of right judgments than this are drawn together. */
const HARDNESS_STEPS = 20;

/** From instructions to training examples, iteration by iteration. */
export async function funnelSection(data: ReportData): Promise<Html | undefined> {
  const rows = data.iterations.flatMap(({ iteration, funnel }) => (funnel ? [{ iteration, funnel }] : []));
  if (rows.length === 0) return undefined;
  const column = (
    title: string,
    figure: (funnel: ReportFunnel) => Html | string | undefined,
  ): Column<Row> => ({
    title,
    kind: 'number',
    cell: ({ funnel }) => figure(funnel),
  });
  const charts = [await hardnessChart(rows), await samplesChart(rows)].filter((chart) => chart !== undefined);
  const origin = rows.some(({ funnel }) => funnel.rows === undefined) ? 'instructions' : 'given pairs';
  return html`<section>
    <h2>From ${origin} to training examples</h2>
    ${table<Row>(
      [
        { title: 'Trains', kind: 'text', cell: ({ iteration }) => judgeName(iteration) },
        column('Rows', ({ rows: read }) => (read === undefined ? undefined : count(read))),
        column('Instructions', ({ instructions }) =>
          instructions === undefined ? undefined : count(instructions),
        ),
        column('Selected', ({ selected, instructions }) =>
          selected === undefined || instructions === undefined
            ? undefined
            : withShare(selected, instructions),
        ),
        column('Pairs', ({ pairs, rows: read }) =>
          read === undefined ? html`${count(pairs)}` : withShare(pairs, read),
        ),
        column('Human pairs', ({ humanPairs }) => (humanPairs === undefined ? undefined : count(humanPairs))),
        column('Judgments', ({ judgments }) => count(judgments)),
        column('Per example', ({ statistics }) => statistics?.samples.perExample.toFixed(1)),
        column('Right', ({ right, judgments }) => withShare(right, judgments)),
        ...Object.entries(STEP_TITLES).map(([step, title]) =>
          column(title, ({ statistics }) => afterStep(statistics, step)),
        ),
        column('Human', ({ humanPairs, statistics }) =>
          humanPairs === undefined ? undefined : humanExamples(statistics?.sources),
        ),
        column('Training examples', trainingExamples),
      ],
      rows,
    )}
    <p class="note">${note(rows)}</p>
    ${charts.length > 0 && html`<div class="charts">${charts}</div>`}
  </section>`;
}

function withShare(value: number, of: number): Html {
  return html`${count(value)} ${of > 0 && html`<small>${percent(value / of)}</small>`}`;
}

/** The examples that a step leaves, and their share of those before it. */
function afterStep(statistics: FilterStatistics | undefined, step: string): Html | undefined {
  const at = statistics?.steps.findIndex((one) => one.step === step) ?? -1;
  const [before, after] = [statistics?.steps[at - 1], statistics?.steps[at]];
  return before && after && withShare(after.examples, before.examples);
}

/** The rows of the training set, where they are more than its examples, or filtering left no statistics. */
function trainingExamples({ trainingExamples: rows, statistics }: ReportFunnel): string | undefined {
  return statistics?.steps.at(-1)?.examples === rows ? undefined : count(rows);
}

/** Training examples whose better side a person has named. */
function humanExamples(sources: Readonly<Record<string, number>> = {}): string {
  const { [GENERATED]: _generated, ...human } = sources;
  return count(Object.values(human).reduce((sum, examples) => sum + examples, 0));
}

function note(rows: readonly Row[]): string {
  const example = 'An example is a pair in one order, so there are two for each pair.';
  const early = rows.some(
    ({ funnel: { statistics } }) => statistics && statistics.examplesByRight === undefined,
  );
  return early
    ? `${example} Judgments of it were drawn until the first right one, so their share of right ones is not the judge's accuracy.`
    : `${example} Small figures are shares: of the judgments, or of the examples that the step before has left.`;
}

/** How often the judge was right about an example, where all its N judgments were drawn. */
async function hardnessChart(rows: readonly Row[]): Promise<Html | undefined> {
  const runs = rows.flatMap(({ iteration, funnel: { statistics } }) =>
    statistics?.examplesByRight ? [{ iteration, points: hardness(statistics.examplesByRight) }] : [],
  );
  if (runs.length === 0) return undefined;
  const x = { title: 'right judgments of an example', format: '.0%' };
  return distributionChart('Hardness: share of the examples', runs, x);
}

/** From k right ones of N to shares, N + 1 of them or, of a large N, fewer. */
function hardness(examplesByRight: readonly number[]): { x: number; y: number }[] {
  const samples = examplesByRight.length - 1;
  const steps = Math.min(samples, HARDNESS_STEPS);
  const points = Array.from({ length: steps + 1 }, (_, step) => ({ x: step / steps, y: 0 }));
  const all = examplesByRight.reduce((sum, examples) => sum + examples, 0);
  for (const [right, examples] of examplesByRight.entries()) {
    const point = points[Math.round((right / samples) * steps)];
    if (point) point.y += examples / all;
  }
  return points;
}

/** How many judgments an example took, where sampling ended early. */
async function samplesChart(rows: readonly Row[]): Promise<Html | undefined> {
  const runs = rows.flatMap(({ iteration, funnel: { statistics } }) => {
    if (!statistics || statistics.examplesByRight) return [];
    const counts = Object.entries(statistics.examplesBySamples);
    const all = counts.reduce((sum, [, examples]) => sum + examples, 0);
    return [{ iteration, points: counts.map(([samples, n]) => ({ x: Number(samples), y: n / all })) }];
  });
  if (runs.length === 0) return undefined;
  const x = { title: 'judgments drawn of an example', format: 'd' };
  return distributionChart('Judgments drawn: share of the examples', runs, x);
}
