/** A run's progress as Markdown, for the current details of Temporal's Web UI. */
import { BUDGET_UNITS, formatUsage } from '../api/budget.ts';
import { escapeMarkdown } from '../platform/escape-markdown.ts';
import { formatDuration } from '../platform/format-duration.ts';
import { formatPercent } from '../platform/format-percent.ts';
import type { Counts } from '../store/artifact.ts';
import type { EvaluationSummary, IterationSummary } from '../api/result.ts';
import { remainingSeconds, stageRemainingSeconds } from './remaining-time.ts';
import type { RunProgress, StageProgress } from '../api/progress.ts';
import { currentIteration, lastIteration } from '../api/current-iteration.ts';

/** @param now milliseconds since the epoch */
export function currentDetails(progress: RunProgress, now: number): string {
  const { warnings, report } = progress;
  return [
    headline(progress, now),
    budgetLine(progress),
    improvementSentence(progress),
    report === undefined ? '' : `Report: \`${report.replaceAll('`', '')}\``,
    ...warnings.map((warning) => `Warning: ${escapeMarkdown(warning)}`),
    ...(progress.waits ?? []).map(
      ({ stage, iteration, since, reason }) =>
        `**Waiting** since ${since}: ${stage}, iteration ${iteration}: ${escapeMarkdown(reason)}`,
    ),
    stagesTable(progress, now),
    judgesTable(progress),
    funnelTable(progress),
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

function headline(progress: RunProgress, now: number): string {
  const { runName, status, paused, requestedIterations: iterations, stopAfter, startedAt } = progress;
  const parts = [`**${escapeMarkdown(runName)}**: ${status}`];
  if (iterations > 0) parts.push(`iteration ${currentIteration(progress)} of ${lastIteration(progress)}`);
  if (stopAfter !== undefined) parts.push(`stops after iteration ${stopAfter}`);
  parts.push(`${formatDuration((now - Date.parse(startedAt)) / 1000)} so far`);
  const remaining = remainingSeconds(progress, now);
  if (remaining !== undefined) parts.push(`about ${formatDuration(remaining)} left`);
  const line = parts.join(', ');
  return paused === undefined
    ? line
    : `${line}\n\n**Paused** since ${paused.since}: ${escapeMarkdown(paused.reason)}`;
}

/** The usage of each limited unit; also the reason of an exhausted budget if a person has paused the run too. */
function budgetLine({ budget, paused }: RunProgress): string {
  if (budget === undefined) return '';
  const { limits, usage: spent, exhausted: reached } = budget;
  const shares = BUDGET_UNITS.flatMap((name) => {
    const limit = limits[name];
    return limit === undefined ? [] : [`${formatUsage(name, spent[name])} of ${formatUsage(name, limit)}`];
  });
  const also =
    reached === undefined || paused?.by === 'budget' ? '' : `\n\n${escapeMarkdown(reached.reason)}`;
  return `Budget: ${shares.join(', ')}${also}`;
}

/** One sentence on the best judge so far, compared with the seed model. */
function improvementSentence({ completedIterations, best }: RunProgress): string {
  const [seed] = completedIterations;
  const bestJudge = completedIterations.find(({ iteration }) => iteration === best);
  if (seed === undefined || bestJudge === undefined || completedIterations.length < 2) return '';
  const from = headlineEvaluation(seed.evaluations);
  const to = bestJudge.evaluations.find(({ benchmark }) => benchmark === from?.benchmark);
  if (from === undefined || to === undefined) return '';
  if (best === 0)
    return `No judge is better than the seed model yet (${formatPercent(from.accuracy)} on ${escapeMarkdown(from.benchmark)}).`;
  return (
    `**The judge improved**: on ${escapeMarkdown(from.benchmark)} from ${formatPercent(from.accuracy)} (M_0) to ` +
    `${formatPercent(to.accuracy)} (M_${best}), in both orders from ${formatPercent(from.positionConsistentAccuracy)} to ` +
    `${formatPercent(to.positionConsistentAccuracy)}.`
  );
}

/** The evaluation that is shown first: a test benchmark if there is one. */
function headlineEvaluation(evaluations: readonly EvaluationSummary[]): EvaluationSummary | undefined {
  return evaluations.find(({ purpose }) => purpose === 'test') ?? evaluations[0];
}

function stagesTable(progress: RunProgress, now: number): string {
  const { stages } = progress;
  if (stages.length === 0) return '';
  return markdownTable(
    ['stage', 'progress', '', 'time left'],
    ['', '', '', '-'],
    stages.map((stage) => {
      const remaining = stageRemainingSeconds(stage, progress, now);
      return [
        `${stage.name}, iteration ${stage.iteration}`,
        bar(stage),
        share(stage),
        remaining === undefined ? '' : formatDuration(remaining),
      ];
    }),
  );
}

function bar({ done = 0, total: of }: StageProgress): string {
  if (of === undefined || of === 0) return '';
  const full = Math.round((20 * Math.min(done, of)) / of);
  return '█'.repeat(full) + '░'.repeat(20 - full);
}

function share({ done = 0, total: of, unit, loss, stalls }: StageProgress): string {
  const parts = [
    ...(of === undefined ? [] : [`${done} of ${of} ${unit ?? ''}`]),
    ...(loss === undefined ? [] : [`loss ${loss.toFixed(3)}`]),
    ...(stalls === undefined ? [] : [`stalled ${stalls}x`]),
  ];
  return parts.join(', ');
}

function judgesTable({ completedIterations, best }: RunProgress): string {
  const rows = completedIterations.flatMap((row) =>
    row.evaluations.map((evaluation) => {
      const { benchmark, purpose, accuracy, positionConsistentAccuracy, shareOfA, unparsable } = evaluation;
      return [
        `M_${row.iteration}${row.iteration === best ? ' (best)' : ''}`,
        `${escapeMarkdown(benchmark)} (${purpose})`,
        ...[accuracy, positionConsistentAccuracy, shareOfA, unparsable].map((share) => formatPercent(share)),
      ];
    }),
  );
  const head = ['judge', 'benchmark', 'accuracy', 'in both orders', 'share of A', 'no verdict'];
  return rows.length === 0
    ? ''
    : `Judges so far:\n\n${markdownTable(head, ['', '', '-', '-', '-', '-'], rows)}`;
}

/** The counts from instructions to training examples: one line for the pairs, then a row for each iteration. */
function funnelTable({ completedIterations, stages, endedStages = [], counts }: RunProgress): string {
  const countsOf = (shown: readonly { readonly name: string; readonly counts?: Counts }[]) =>
    Object.fromEntries(shown.flatMap((stage) => (stage.counts ? [[stage.name, stage.counts]] : [])));
  const pairs = merge({ ...counts, ...countsOf(stages) });
  if (pairs['instructions'] === undefined) return '';
  const pairsLine =
    `From ${formatNumber(pairs['instructions'])} instructions → ${formatNumber(pairs['selected'])} selected → ` +
    `${formatNumber(pairs['pairs'])} pairs`;
  const rows = completedIterations.filter(({ iteration }) => iteration > 0).map(iterationRow);
  const unfinished = Map.groupBy([...endedStages, ...stages], ({ iteration }) => iteration);
  for (const [iteration, ofIteration] of [...unfinished].toSorted(([a], [b]) => a - b)) {
    const { judgePairs, filterJudgments } = countsOf(ofIteration);
    if (judgePairs !== undefined)
      rows.push(funnelRow(iteration, { ...filterJudgments, ...judgePairs }, undefined));
  }
  const head = ['iteration', 'judgments', 'correct', 'training examples', 'mean loss'];
  const table =
    rows.length === 0 ? '' : `, then by iteration:\n\n${markdownTable(head, ['', '-', '-', '-', '-'], rows)}`;
  return pairsLine + table;
}

function iterationRow({ iteration, counts, training }: IterationSummary): string[] {
  return funnelRow(iteration, { ...counts['filterJudgments'], ...counts['judgePairs'] }, training?.meanLoss);
}

function funnelRow(iteration: number, counts: Counts, loss: number | undefined): string[] {
  // A round that reuses the judgments of the iteration before has none of its own.
  const { judgments, correctJudgments, trainingExamples } = counts;
  const correctShare =
    correctJudgments === undefined || judgments === undefined || judgments === 0
      ? ''
      : ` (${formatPercent(correctJudgments / judgments)})`;
  return [
    String(iteration),
    formatNumber(judgments),
    `${formatNumber(correctJudgments)}${correctShare}`,
    formatNumber(trainingExamples),
    loss?.toFixed(3) ?? '',
  ];
}

function merge(counts: Readonly<Record<string, Counts>>): Counts {
  return Object.assign({}, ...Object.values(counts)) as Counts;
}

/** @param aligned '-' right-aligns a column */
function markdownTable(
  head: readonly string[],
  aligned: readonly string[],
  rows: readonly string[][],
): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(aligned.map((side) => (side === '-' ? '---:' : '---'))), ...rows.map(line)].join(
    '\n',
  );
}

function formatNumber(value: number | undefined): string {
  return value === undefined ? '' : value.toLocaleString('en-US');
}
