import { judgeName, percent, range } from './format.ts';
import { type Html, html } from './html.ts';
import type { ReportData, ReportEvaluation, ReportIteration } from './report-data.ts';

/** The benchmark that the headline is about: the first test set, or the first of all when there is no test set. */
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
    (one) => one.benchmark === wanted?.benchmark && one.purpose === wanted.purpose,
  );
}

/** The chosen iteration, or the latest that was evaluated. */
export function bestIteration(data: ReportData): ReportIteration | undefined {
  const main = mainBenchmark(data);
  const evaluated = data.iterations.filter((iteration) => evaluationOf(iteration, main));
  return evaluated.find(({ iteration }) => iteration === data.bestIteration) ?? evaluated.at(-1);
}

/** What the run came to, in a sentence that doesn't flatter: no gain is called no gain. */
export function headline(data: ReportData): Html {
  const main = mainBenchmark(data);
  const best = bestIteration(data);
  const before = evaluationOf(
    data.iterations.find(({ iteration }) => iteration === 0),
    main,
  )?.scores;
  const after = evaluationOf(best, main)?.scores;
  if (!best || !before || !after) {
    return html`<p class="headline">No judge has been evaluated yet.</p>`;
  }
  if (best.iteration === 0) {
    const wasChosen = data.bestIteration === 0 && data.iterations.some(({ iteration }) => iteration > 0);
    const subject = wasChosen
      ? 'No iteration was chosen over the seed judge: its'
      : `${data.judge ?? 'The seed judge'}’s`;
    return html`<p class="headline">
        ${subject} accuracy is <b>${percent(before.accuracy)}</b>, its position-consistent accuracy
        <b>${percent(before.positionConsistentAccuracy)}</b>.
      </p>
      <p class="subline">
        ${judgeName(0)} on ${main && benchmarkName(main)}. 95% interval of the accuracy:
        ${range(before.accuracyInterval)}%.
        ${data.iterations.length === 1 && data.status === 'running' && 'No judge has been trained yet.'}
      </p>`;
  }
  const [verb, secondVerb] = [
    changeVerb(before.accuracy, after.accuracy),
    changeVerb(before.positionConsistentAccuracy, after.positionConsistentAccuracy),
  ];
  return html`<p class="headline">
      Accuracy ${verb} from <b>${percent(before.accuracy)}</b> to <b>${percent(after.accuracy)}</b>,
      position-consistent accuracy ${verb !== secondVerb && `${secondVerb} `}from
      <b>${percent(before.positionConsistentAccuracy)}</b> to
      <b>${percent(after.positionConsistentAccuracy)}</b>.
    </p>
    <p class="subline">
      ${judgeName(0)} to ${judgeName(best.iteration)},
      ${best.iteration === data.bestIteration ? 'the iteration that was chosen' : 'the latest one'}, on
      ${main && benchmarkName(main)}. 95% intervals of the accuracy: ${range(before.accuracyInterval)}% and
      ${range(after.accuracyInterval)}%.
    </p>`;
}

function changeVerb(before: number, after: number): string {
  if (after > before) return 'rose';
  return after < before ? 'fell' : 'went';
}

/** A benchmark as the report calls it: "held-out (test)". */
export function benchmarkName({ benchmark, purpose }: { benchmark: string; purpose: string }): string {
  return benchmark === purpose ? benchmark : `${benchmark} (${purpose})`;
}

/** Each benchmark with its purpose once, test sets first. */
export function benchmarksOf(data: ReportData): Pick<ReportEvaluation, 'benchmark' | 'purpose'>[] {
  const all = new Map<string, ReportEvaluation>();
  for (const one of data.iterations.flatMap(({ evaluations }) => evaluations)) {
    const key = `${one.purpose}/${one.benchmark}`;
    if (!all.has(key)) all.set(key, one);
  }
  return [...all.values()].sort((a, b) => Number(b.purpose === 'test') - Number(a.purpose === 'test'));
}
