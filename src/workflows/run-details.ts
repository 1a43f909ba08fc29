/** A run's progress as Markdown, for the Web UI's current details: where it is, and whether it goes well. */
import { AMOUNTS, amountText } from '../format/amounts.ts';
import { duration } from '../format/duration.ts';
import type { Counts } from '../artifacts/reference.ts';
import type { EvaluationSummary, IterationSummary } from '../activities/types.ts';
import { secondsLeft, stageSecondsLeft } from './remaining-time.ts';
import type { RunProgress, StageProgress } from '../contract/progress.ts';
import { currentIteration, lastIteration } from './run-progress.ts';

/** @param now milliseconds since the epoch */
export function runDetails(progress: RunProgress, now: number): string {
  const { warnings, report } = progress;
  return [
    headline(progress, now),
    budgetLine(progress),
    verdict(progress),
    report === undefined ? '' : `Report: \`${report}\``,
    ...warnings.map((warning) => `Warning: ${warning}`),
    ...progress.stages.flatMap(({ waits }) => (waits === undefined ? [] : [`**Waits**: ${waits}`])),
    stagesTable(progress, now),
    judgesTable(progress),
    funnelTable(progress),
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

function headline(progress: RunProgress, now: number): string {
  const { runName, phase, paused, iterations, stopAfter, startedAt } = progress;
  const parts = [`**${runName}**: ${paused === undefined ? phase : 'paused'}`];
  if (iterations > 0) parts.push(`iteration ${currentIteration(progress)} of ${lastIteration(progress)}`);
  if (stopAfter !== undefined) parts.push(`stops after iteration ${stopAfter}`);
  parts.push(`${duration((now - Date.parse(startedAt)) / 1000)} so far`);
  const left = secondsLeft(progress, now);
  if (left !== undefined) parts.push(`about ${duration(left)} left`);
  const line = parts.join(', ');
  return paused === undefined ? line : `${line}\n\n**Paused** since ${paused.since}: ${paused.reason}`;
}

/** What is spent of what may be; why it waits, where a person has paused it too. */
function budgetLine({ budget, paused }: RunProgress): string {
  if (budget === undefined) return '';
  const { limits, spent, reached } = budget;
  const shares = AMOUNTS.flatMap((name) => {
    const limit = limits[name];
    return limit === undefined ? [] : [`${amountText(name, spent[name])} of ${amountText(name, limit)}`];
  });
  const also = reached === undefined || paused?.by === 'budget' ? '' : `\n\n${reached.reason}`;
  return `Budget: ${shares.join(', ')}${also}`;
}

/** Whether it goes well, in one sentence: the best judge so far against the seed model. */
function verdict({ completed, best }: RunProgress): string {
  const [seed] = completed;
  const bestJudge = completed.find(({ iteration }) => iteration === best);
  if (seed === undefined || bestJudge === undefined || completed.length < 2) return '';
  const from = quoted(seed.evaluations);
  const to = bestJudge.evaluations.find(({ benchmark }) => benchmark === from?.benchmark);
  if (from === undefined || to === undefined) return '';
  if (best === 0)
    return `No judge is better than the seed model so far (${percent(from.accuracy)} on ${from.benchmark}).`;
  return (
    `**The judge got better**: on ${from.benchmark} from ${percent(from.accuracy)} (M_0) to ` +
    `${percent(to.accuracy)} (M_${best}), in both orders from ${percent(from.positionConsistentAccuracy)} to ` +
    `${percent(to.positionConsistentAccuracy)}.`
  );
}

/** The evaluation that is quoted first: a test where there is one. */
function quoted(evaluations: readonly EvaluationSummary[]): EvaluationSummary | undefined {
  return evaluations.find(({ purpose }) => purpose === 'test') ?? evaluations[0];
}

function stagesTable({ stages, completed }: RunProgress, now: number): string {
  if (stages.length === 0) return '';
  return markdownTable(
    ['under way', 'progress', '', 'time left'],
    ['', '', '', '-'],
    stages.map((stage) => {
      const left = stageSecondsLeft(stage, completed, now);
      return [
        `${stage.name}, iteration ${stage.iteration}`,
        bar(stage),
        share(stage),
        left === undefined ? '' : duration(left),
      ];
    }),
  );
}

function bar({ done = 0, of }: StageProgress): string {
  if (of === undefined || of === 0) return '';
  const full = Math.round((20 * Math.min(done, of)) / of);
  return '█'.repeat(full) + '░'.repeat(20 - full);
}

function share({ done = 0, of, unit, loss, stalls }: StageProgress): string {
  const parts = [
    ...(of === undefined ? [] : [`${done} of ${of} ${unit ?? ''}`]),
    ...(loss === undefined ? [] : [`loss ${loss.toFixed(3)}`]),
    ...(stalls === undefined ? [] : [`stood still ${stalls}x`]),
  ];
  return parts.join(', ');
}

function judgesTable({ completed, best }: RunProgress): string {
  const rows = completed.flatMap((row) =>
    row.evaluations.map((evaluation) => {
      const { benchmark, purpose, accuracy, positionConsistentAccuracy, shareOfA, unparsable } = evaluation;
      return [
        `M_${row.iteration}${row.iteration === best ? ' (best)' : ''}`,
        `${benchmark} (${purpose})`,
        ...[accuracy, positionConsistentAccuracy, shareOfA, unparsable].map(percent),
      ];
    }),
  );
  const head = ['judge', 'benchmark', 'accuracy', 'in both orders', 'share of A', 'no verdict'];
  return rows.length === 0
    ? ''
    : `Judges so far:\n\n${markdownTable(head, ['', '', '-', '-', '-', '-'], rows)}`;
}

/** From instructions to training examples: once for the pairs, then a row for each iteration. */
function funnelTable(progress: RunProgress): string {
  const { completed, stages, counts } = progress;
  const underWay = Object.fromEntries(
    stages.flatMap((stage) => (stage.counts ? [[stage.name, stage.counts]] : [])),
  );
  const pairs = merge({ ...counts, ...underWay });
  if (pairs['instructions'] === undefined) return '';
  const made =
    `From ${number(pairs['instructions'])} instructions → ${number(pairs['selected'])} selected → ` +
    `${number(pairs['pairs'])} pairs`;
  const rows = completed.filter(({ iteration }) => iteration > 0).map(ofIteration);
  const iteration = currentIteration(progress);
  const judging = underWay['judgePairs'] ?? (rows.length < iteration ? counts['judgePairs'] : undefined);
  if (judging !== undefined) {
    const filtered =
      rows.length < iteration && underWay['judgePairs'] === undefined ? counts['filterJudgments'] : {};
    rows.push(funnelRow(iteration, { ...filtered, ...judging }, undefined));
  }
  const head = ['iteration', 'judgments', 'right', 'training examples', 'mean loss'];
  const table =
    rows.length === 0 ? '' : `, then by iteration:\n\n${markdownTable(head, ['', '-', '-', '-', '-'], rows)}`;
  return made + table;
}

function ofIteration({ iteration, counts, training }: IterationSummary): string[] {
  return funnelRow(iteration, { ...counts['filterJudgments'], ...counts['judgePairs'] }, training?.meanLoss);
}

function funnelRow(iteration: number, counts: Counts, loss: number | undefined): string[] {
  const { judgments = 0, right, trainingExamples } = counts;
  const rightShare = right === undefined || judgments === 0 ? '' : ` (${percent(right / judgments)})`;
  return [
    String(iteration),
    number(judgments),
    `${number(right)}${rightShare}`,
    number(trainingExamples),
    loss?.toFixed(3) ?? '',
  ];
}

function merge(counts: Readonly<Record<string, Counts>>): Counts {
  return Object.assign({}, ...Object.values(counts)) as Counts;
}

/** @param aligned '-' for a column of figures */
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

export function percent(value: number | null): string {
  return value === null ? '-' : `${(100 * value).toFixed(1)}%`;
}

function number(value: number | undefined): string {
  return value === undefined ? '' : value.toLocaleString('en-US');
}
