import { judgeName, formatInterval } from '../figure-text.ts';
import { formatPercent } from '../../platform/format-percent.ts';
import { type Html, html } from './html.ts';
import type { ReportData, ReportEvaluation, ReportIteration } from '../report-data.ts';

/** The benchmark of the headline: the first test set, or the first benchmark if there is no test set. */
export function mainBenchmark(
  data: ReportData,
): { benchmark: string; purpose: 'validation' | 'test' } | undefined {
  const evaluations = data.iterations.flatMap(({ evaluations }) => evaluations);
  return evaluations.find(({ purpose }) => purpose === 'test') ?? evaluations[0];
}

export function evaluationOf(
  iteration: ReportIteration | undefined,
  wanted: { benchmark: string; purpose: string } | undefined,
): ReportEvaluation | undefined {
  return iteration?.evaluations.find(
    (evaluation) => evaluation.benchmark === wanted?.benchmark && evaluation.purpose === wanted.purpose,
  );
}

/** The selected iteration, or the latest evaluated one. */
export function headlineIteration(data: ReportData): ReportIteration | undefined {
  const main = mainBenchmark(data);
  const evaluated = data.iterations.filter((iteration) => evaluationOf(iteration, main));
  return evaluated.find(({ iteration }) => iteration === data.bestIteration) ?? evaluated.at(-1);
}

/** Summarizes the result of the run in a sentence. It also says plainly if there was no gain. */
export function headline(data: ReportData): Html {
  const main = mainBenchmark(data);
  const best = headlineIteration(data);
  const before = evaluationOf(
    data.iterations.find(({ iteration }) => iteration === 0),
    main,
  )?.scores;
  const after = evaluationOf(best, main)?.scores;
  if (!best || !before || !after) {
    return html`<p class="headline">No judge has been evaluated yet.</p>`;
  }
  if (best.iteration === 0) {
    const wasSelected = data.bestIteration === 0 && data.iterations.some(({ iteration }) => iteration > 0);
    const subject = wasSelected
      ? 'No iteration was better than the seed judge: its'
      : `${data.judge ?? 'The seed judge'}’s`;
    return html`<p class="headline">
        ${subject} accuracy is <b>${formatPercent(before.accuracy)}</b>, its position-consistent accuracy
        <b>${formatPercent(before.positionConsistentAccuracy)}</b>.
      </p>
      <p class="subline">
        ${judgeName(0)} on ${main && benchmarkName(main)}. 95% interval of the accuracy:
        ${formatInterval(before.accuracyInterval)}%.
        ${data.iterations.length === 1 && data.status === 'running' && 'No judge has been trained yet.'}
      </p>`;
  }
  const [verb, secondVerb] = [
    changeVerb(before.accuracy, after.accuracy),
    changeVerb(before.positionConsistentAccuracy, after.positionConsistentAccuracy),
  ];
  return html`<p class="headline">
      Accuracy ${verb} from <b>${formatPercent(before.accuracy)}</b> to
      <b>${formatPercent(after.accuracy)}</b>, position-consistent accuracy
      ${verb !== secondVerb && `${secondVerb} `}from
      <b>${formatPercent(before.positionConsistentAccuracy)}</b> to
      <b>${formatPercent(after.positionConsistentAccuracy)}</b>.
    </p>
    <p class="subline">
      ${judgeName(0)} to ${judgeName(best.iteration)},
      ${best.iteration === data.bestIteration ? 'the best iteration' : 'the latest iteration'}, on
      ${main && benchmarkName(main)}. 95% intervals of the accuracy:
      ${formatInterval(before.accuracyInterval)}% and ${formatInterval(after.accuracyInterval)}%.
    </p>`;
}

function changeVerb(before: number, after: number): string {
  if (after > before) return 'rose';
  return after < before ? 'fell' : 'went';
}

/** The title of a benchmark in the report: "held-out (test)". */
export function benchmarkName({ benchmark, purpose }: { benchmark: string; purpose: string }): string {
  return benchmark === purpose ? benchmark : `${benchmark} (${purpose})`;
}

/** All benchmarks with their purposes, test sets first. */
export function benchmarksOf(data: ReportData): Pick<ReportEvaluation, 'benchmark' | 'purpose'>[] {
  const all = new Map<string, ReportEvaluation>();
  for (const evaluation of data.iterations.flatMap(({ evaluations }) => evaluations)) {
    const key = `${evaluation.purpose}/${evaluation.benchmark}`;
    if (!all.has(key)) all.set(key, evaluation);
  }
  return [...all.values()].sort((a, b) => Number(b.purpose === 'test') - Number(a.purpose === 'test'));
}
