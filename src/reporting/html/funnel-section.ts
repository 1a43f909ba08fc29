import type { FilterStatistics, FilterStepName } from '../../method/filter-statistics.ts';
import { formatReasons } from '../../method/missing-verdict.ts';
import { GENERATED } from '../../method/mix-sources.ts';
import { distributionChart } from './charts.ts';
import { formatCount, judgeName } from '../figure-text.ts';
import { formatPercent } from '../../platform/format-percent.ts';
import type { TaskStatistics } from '../../method/select-task-judgments.ts';
import { type Html, html } from './html.ts';
import type { ReportData, ReportFunnel } from '../report-data.ts';
import { table, type Column } from './table.ts';

interface Row {
  readonly iteration: number;
  readonly funnel: ReportFunnel;
}

/** The column titles of the filtering steps, in the order of the steps. */
const STEP_TITLES: Readonly<Record<Exclude<FilterStepName, 'judged'>, string>> = {
  'with a majority': 'With a majority',
  'with a correct judgment': 'With a correct one',
  'with a reasoned judgment': 'With a reasoned one',
  'above the majority threshold': 'Above threshold',
  'position-consistent': 'Consistent',
  'within the pass rate': 'Within the pass rate',
  'after balancing': 'After balancing',
  'after mixing': 'After mixing',
};

/** Maximum number of intervals on the axis of the share of correct judgments. */
const HARDNESS_STEPS = 20;

/** The numbers of records from instructions to training examples, for each iteration. */
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
  const origin = rows.some(({ funnel }) => funnel.rows === undefined) ? 'instructions' : 'files of pairs';
  return html`<section>
    <h2>From ${origin} to training examples</h2>
    ${table<Row>(
      [
        { title: 'Trains', kind: 'text', cell: ({ iteration }) => judgeName(iteration) },
        column('Rows', ({ rows: read }) => (read === undefined ? undefined : formatCount(read))),
        column('Instructions', ({ instructions }) =>
          instructions === undefined ? undefined : formatCount(instructions),
        ),
        column('Selected', ({ selected, instructions }) =>
          selected === undefined || instructions === undefined
            ? undefined
            : withShare(selected, instructions),
        ),
        column('Pairs', ({ pairs, rows: read }) =>
          read === undefined ? html`${formatCount(pairs)}` : withShare(pairs, read),
        ),
        column('Human pairs', ({ humanPairs }) =>
          humanPairs === undefined ? undefined : formatCount(humanPairs),
        ),
        column('Plans', ({ plans }) => (plans === undefined ? undefined : formatCount(plans))),
        column('Judgments', ({ judgments }) => formatCount(judgments)),
        column('Per example', ({ statistics }) => statistics?.samples.perExample.toFixed(1)),
        column('Correct', ({ correct, judgments }) => withShare(correct, judgments)),
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
    ${tasksTable(rows)} ${rows.map(reusedNote)} ${rows.map(reasonedNote)} ${rows.map(missingVerdictsNote)}
    ${charts.length > 0 && html`<div class="charts">${charts}</div>`}
  </section>`;
}

/** The tasks beyond pairs that judges learn: from records to training examples, for each iteration. */
function tasksTable(rows: readonly Row[]): Html | undefined {
  const tasks = rows.flatMap(({ iteration, funnel: { statistics } }) =>
    (statistics?.tasks ?? []).map((each) => ({ iteration, each })),
  );
  if (tasks.length === 0) return undefined;
  const column = (
    title: string,
    figure: (each: TaskStatistics) => Html | string,
  ): Column<(typeof tasks)[number]> => ({ title, kind: 'number', cell: ({ each }) => figure(each) });
  return html`<h3>Tasks beyond pairs</h3>
    ${table(
      [
        { title: 'Trains', kind: 'text', cell: ({ iteration }) => judgeName(iteration) },
        { title: 'Task', kind: 'text', cell: ({ each }) => each.task },
        column('Records', ({ records }) => formatCount(records)),
        column('Examples', ({ examples }) => formatCount(examples)),
        column('Judgments', ({ judgments }) => formatCount(judgments)),
        column('Right', ({ correct, judgments }) => withShare(correct, judgments)),
        column('Without a verdict', ({ withoutVerdict, judgments }) => withShare(withoutVerdict, judgments)),
        column('With a right one', ({ kept, examples }) => withShare(kept, examples)),
        column('Training examples', ({ trained }) => formatCount(trained)),
      ],
      tasks,
    )}
    <p class="note">
      A score is right within half a point of its label. A group of responses is an example for each place
      that the best one takes.
    </p>`;
}

function withShare(value: number, of: number): Html {
  return html`${formatCount(value)} ${of > 0 && html`<small>${formatPercent(value / of)}</small>`}`;
}

/** The number of examples after a step, and their share of those before it. */
function afterStep(statistics: FilterStatistics | undefined, step: string): Html | undefined {
  const at = statistics?.steps.findIndex((filterStep) => filterStep.step === step) ?? -1;
  const [before, after] = [statistics?.steps[at - 1], statistics?.steps[at]];
  return before && after && withShare(after.examples, before.examples);
}

function hasStep(statistics: FilterStatistics | undefined, name: FilterStepName): boolean {
  return statistics?.steps.some(({ step }) => step === name) ?? false;
}

/** The number of rows of the training set if it differs from the number of examples, or there are no statistics. */
function trainingExamples({ trainingExamples: rows, statistics }: ReportFunnel): string | undefined {
  return statistics?.steps.at(-1)?.examples === rows ? undefined : formatCount(rows);
}

/** The number of training examples with a human label. */
function humanExamples(sources: Readonly<Record<string, number>> = {}): string {
  const { [GENERATED]: _generated, ...human } = sources;
  return formatCount(Object.values(human).reduce((sum, examples) => sum + examples, 0));
}

/** Whose judgments a judge was trained on, if not on new ones. */
function reusedNote({ iteration, funnel: { judgedIn } }: Row): Html | undefined {
  if (judgedIn === undefined) return undefined;
  return html`<p class="note">
    ${judgeName(iteration)} is trained on the judgments of iteration ${judgedIn}, which were sampled once.
  </p>`;
}

/** How many judgments give reasons before their verdict; the others are guesses. */
function reasonedNote({ iteration, funnel: { statistics } }: Row): Html | undefined {
  const { reasoned } = statistics ?? {};
  if (reasoned === undefined || reasoned.trained.judgments === 0) return undefined;
  const { words, correct, trained } = reasoned;
  return html`<p class="note">
    Judgments with reasoning for ${judgeName(iteration)} (at least ${words} words before the verdict):
    ${withShare(trained.reasoned, trained.judgments)} of the ${formatCount(trained.judgments)} that are
    learned, ${withShare(correct.reasoned, correct.judgments)} of the ${formatCount(correct.judgments)}
    correct ones.
  </p>`;
}

/** Why judgments have no verdict, so that the prompt can be changed. */
function missingVerdictsNote({ iteration, funnel: { withoutVerdict } }: Row): Html | undefined {
  if (withoutVerdict === undefined) return undefined;
  return html`<p class="note">
    Judgments for ${judgeName(iteration)} without a verdict: ${formatReasons(withoutVerdict)}.
  </p>`;
}

function note(rows: readonly Row[]): string {
  const sampled = rows
    .filter(({ funnel: { statistics } }) => hasStep(statistics, 'within the pass rate'))
    .map(({ iteration }) => judgeName(iteration));
  const prompts =
    sampled.length === 0
      ? ''
      : ` Those of ${sampled.join(', ')} are prompts: GRPO samples its own judgments of them, and learns from none of those counted here.`;
  const example = `An example is a pair in one order, so there are two for each pair.${prompts}`;
  const endedEarly = rows.some(
    ({ funnel: { statistics } }) => statistics && statistics.examplesByCorrect === undefined,
  );
  const found = rows.some(({ funnel: { statistics } }) => hasStep(statistics, 'with a reasoned judgment'))
    ? 'the first correct judgment with reasoning'
    : 'the first correct judgment';
  return endedEarly
    ? `${example} Sampling of an example ended with ${found}, so the share of correct judgments is not the judge's accuracy.`
    : `${example} Small figures are shares of the judgments, or of the examples after the previous step.`;
}

/** A chart of the examples' shares of correct judgments, if all N judgments were sampled. */
async function hardnessChart(rows: readonly Row[]): Promise<Html | undefined> {
  const runs = rows.flatMap(({ iteration, funnel: { statistics } }) =>
    statistics?.examplesByCorrect ? [{ iteration, points: hardness(statistics.examplesByCorrect) }] : [],
  );
  if (runs.length === 0) return undefined;
  const x = { title: 'correct judgments of an example', format: '.0%' };
  return distributionChart('Hardness: share of the examples', runs, x);
}

/** Converts counts of k correct judgments of N to at most `HARDNESS_STEPS` + 1 points of the chart. */
function hardness(examplesByCorrect: readonly number[]): { x: number; y: number }[] {
  const samples = examplesByCorrect.length - 1;
  const steps = Math.min(samples, HARDNESS_STEPS);
  const points = Array.from({ length: steps + 1 }, (_, step) => ({ x: step / steps, y: 0 }));
  const all = examplesByCorrect.reduce((sum, examples) => sum + examples, 0);
  for (const [correct, examples] of examplesByCorrect.entries()) {
    const point = points[Math.round((correct / samples) * steps)];
    if (point) point.y += examples / all;
  }
  return points;
}

/** A chart of the number of sampled judgments of an example, if sampling ended early. */
async function samplesChart(rows: readonly Row[]): Promise<Html | undefined> {
  const runs = rows.flatMap(({ iteration, funnel: { statistics } }) => {
    if (!statistics || statistics.examplesByCorrect) return [];
    const counts = Object.entries(statistics.examplesBySamples);
    const all = counts.reduce((sum, [, examples]) => sum + examples, 0);
    return [{ iteration, points: counts.map(([samples, n]) => ({ x: Number(samples), y: n / all })) }];
  });
  if (runs.length === 0) return undefined;
  const x = { title: 'sampled judgments of an example', format: 'd' };
  return distributionChart('Sampled judgments: share of the examples', runs, x);
}
