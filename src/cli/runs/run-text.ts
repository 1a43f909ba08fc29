/** The text that `show` prints of a run. */
import Table from 'cli-table3';
import { driftSentences } from '../../api/drift-text.ts';
import { KIND_LABELS } from '../../config/configuration-kind.ts';
import { flattenFields } from '../../config/non-default-fields.ts';
import { formatBytes } from '../../platform/format-bytes.ts';
import { formatDuration } from '../../platform/format-duration.ts';
import { formatUsd } from '../../platform/format-usd.ts';
import { formatCount, formatInterval, formatTime } from '../../reporting/figure-text.ts';
import { formatReasons } from '../../method/missing-verdict.ts';
import { formatPercent } from '../../platform/format-percent.ts';
import { summarizeMachine } from '../../reporting/machine-summary.ts';
import type { JudgeDetails } from '../../reporting/run-details.ts';
import { oneLine } from '../../platform/shown-text.ts';
import { judgingFiguresTable } from '../output/judging-figures-table.ts';
import type { DisplayedRun } from './displayed-run.ts';

type Align = 'left' | 'right';

const MAX_VALUE_LENGTH = 100;

export function runText(run: DisplayedRun): string {
  const { configuration, judges = [], figures, drift, failure, warnings = [], progress } = run;
  const evaluated = judges.filter(({ evaluations }) => evaluations.length > 0);
  const sections = [
    titleLines(run),
    ...(run.unanswered === undefined ? [] : [section('No worker answers', plainLines(run.unanswered))]),
    ...((progress?.waits ?? []).length === 0 ? [] : [section('Waits', waitsText(progress?.waits))]),
    ...(failure === undefined ? [] : [section('Why it ended', plainLines(failure))]),
    ...(configuration === undefined
      ? []
      : [section('Settings that differ from the defaults', settingsText(configuration))]),
    ...(evaluated.length === 0 ? [] : [section('Judges', judgesTable(run, evaluated))]),
    ...(evaluated.length === 0 && progress !== undefined && progress.completedIterations.length > 0
      ? [section('Judges', liveJudgesTable(progress.completedIterations))]
      : []),
    ...(drift === undefined
      ? []
      : [section('Compared with earlier figures', plainLines(driftSentences(drift).join('\n')))]),
    ...(figures === undefined ? [] : [section('Verdicts', judgingFiguresTable(figures))]),
    ...(judges.some(({ funnel }) => funnel)
      ? [section('From instructions to training examples', funnelTable(judges))]
      : []),
    ...(judges.some(({ usage = [] }) => usage.length > 0)
      ? [section('Usage of each stage', usageTable(judges))]
      : []),
    ...machinesSections(run),
    section('Files', locationsText(run)),
    ...(warnings.length === 0
      ? []
      : [section('Warnings', warnings.map((each) => `  ${oneLine(each)}`).join('\n'))]),
  ];
  return sections.join('\n\n');
}

function section(title: string, body: string): string {
  return `${title}\n${body}`;
}

function plainLines(text: string): string {
  return text
    .split('\n')
    .map((line) => `  ${oneLine(line)}`)
    .join('\n');
}

function titleLines(run: DisplayedRun): string {
  const { runName, kind, status, foundIn, iteration, iterations, startedAt, endedAt, seconds } = run;
  const place = {
    both: 'in the store and in Temporal',
    store: 'only in the store',
    temporal: 'only in Temporal',
  }[foundIn];
  const stages = (run.progress?.stages ?? []).map(({ name }) => name);
  const at = [
    ...(iteration === undefined
      ? []
      : [`iteration ${iteration}${iterations === undefined ? '' : ` of ${iterations}`}`]),
    ...(stages.length === 0 ? [] : [stages.join(', ')]),
  ];
  const paused = run.progress?.paused;
  const lines = [
    `${oneLine(runName)}: ${kind === 'run' ? '' : `${KIND_LABELS[kind]}, `}${status}${at.length === 0 ? '' : `, ${at.join(', ')}`} (${place})`,
    ...(paused === undefined ? [] : [`paused since ${formatTime(paused.since)}: ${oneLine(paused.reason)}`]),
    [
      ...(startedAt === undefined ? [] : [`started ${formatTime(startedAt)}`]),
      ...(endedAt === undefined ? [] : [`ended ${formatTime(endedAt)}`]),
      ...(seconds === undefined ? [] : [`took ${formatDuration(seconds)}`]),
      ...(run.bytes === undefined ? [] : [`${formatBytes(run.bytes)} on disk`]),
    ].join(', '),
  ];
  return lines.filter((line) => line !== '').join('\n');
}

function waitsText(waits: NonNullable<DisplayedRun['progress']>['waits'] = []): string {
  return waits
    .map(
      ({ stage, iteration, since, reason }) =>
        `  since ${formatTime(since)}: ${stage}, iteration ${iteration}: ${oneLine(reason)}`,
    )
    .join('\n');
}

function settingsText(configuration: object): string {
  const fields = flattenFields(configuration).filter(
    ({ field }) => field !== 'runName' && field !== '$schema',
  );
  return fields
    .map(({ field, value }) => {
      const text = oneLine(JSON.stringify(value));
      return `  ${field}: ${text.length > MAX_VALUE_LENGTH ? `${text.slice(0, MAX_VALUE_LENGTH - 1)}…` : text}`;
    })
    .join('\n');
}

function judgesTable({ best }: DisplayedRun, judges: readonly JudgeDetails[]): string {
  const table = newTable(
    [
      'judge',
      'benchmark',
      'items',
      'accuracy',
      '95%',
      'in both\norders',
      '95%',
      'no\nverdict',
      'by its own rule',
    ],
    ['left', 'left', 'right', 'right', 'right', 'right', 'right', 'right', 'right'],
  );
  for (const { iteration, evaluations } of judges)
    for (const { benchmark, purpose, scores } of evaluations) {
      const official = scores.official.figures[0];
      table.push([
        judgeName(iteration, best),
        benchmark === purpose ? benchmark : `${benchmark} (${purpose})`,
        formatCount(scores.pairs),
        formatPercent(scores.accuracy),
        formatInterval(scores.accuracyInterval),
        formatPercent(scores.positionConsistentAccuracy),
        formatInterval(scores.positionConsistentAccuracyInterval),
        formatPercent(scores.unparsable),
        official === undefined
          ? ''
          : `${formatPercent(official.value, scores.official.decimals)} ${oneLine(official.name)}`,
      ]);
    }
  const missing = judges.flatMap(({ iteration, evaluations }) =>
    evaluations.flatMap(({ benchmark, scores: { withoutVerdict } }) =>
      withoutVerdict === undefined
        ? []
        : [
            `${judgeName(iteration, best)} on ${benchmark}, without a verdict: ${formatReasons(withoutVerdict)}`,
          ],
    ),
  );
  return [table.toString(), ...missing].join('\n');
}

/** The judges as the progress of a run reports them, without intervals. */
function liveJudgesTable(completed: NonNullable<DisplayedRun['progress']>['completedIterations']): string {
  const table = newTable(
    ['judge', 'benchmark', 'items', 'accuracy', 'in both\norders', 'no\nverdict'],
    ['left', 'left', 'right', 'right', 'right', 'right'],
  );
  for (const { iteration, evaluations } of completed)
    for (const each of evaluations)
      table.push([
        `M_${iteration}`,
        oneLine(each.benchmark),
        formatCount(each.pairs),
        formatPercent(each.accuracy),
        formatPercent(each.positionConsistentAccuracy),
        formatPercent(each.unparsable),
      ]);
  return table.toString();
}

function funnelTable(judges: readonly JudgeDetails[]): string {
  const table = newTable(
    [
      'for',
      'instructions',
      'selected',
      'pairs',
      'judgments',
      'correct',
      'training\nexamples',
      'steps',
      'mean\nloss',
    ],
    ['left', 'right', 'right', 'right', 'right', 'right', 'right', 'right', 'right'],
  );
  for (const { iteration, funnel, training, isComplete } of judges) {
    if (funnel === undefined) continue;
    table.push([
      `M_${iteration}${isComplete ? '' : ' (so far)'}`,
      formatCount(funnel.instructions),
      formatCount(funnel.selected),
      formatCount(funnel.pairs + (funnel.humanPairs ?? 0)),
      formatCount(funnel.judgments),
      formatCount(funnel.correct),
      formatCount(funnel.trainingExamples),
      training === undefined ? '' : formatCount(training.steps),
      training === undefined ? '' : training.meanLoss.toFixed(3),
    ]);
  }
  return table.toString();
}

function usageTable(judges: readonly JudgeDetails[]): string {
  const rows = judges.flatMap(({ iteration, usage = [] }) => usage.map((each) => ({ iteration, ...each })));
  const hasCost = rows.some(({ usd }) => usd !== undefined);
  const table = newTable(
    ['for', 'stage', 'prompt\ntokens', 'generated\ntokens', 'time', ...(hasCost ? ['cost'] : [])],
    ['left', 'left', 'right', 'right', 'right', ...(hasCost ? ['right' as const] : [])],
  );
  for (const { iteration, stage, tokens, seconds, usd } of rows)
    table.push([
      `M_${iteration}`,
      stage,
      tokens === undefined ? '' : formatCount(tokens.prompt),
      tokens === undefined ? '' : formatCount(tokens.completion),
      seconds === undefined ? '' : formatDuration(seconds),
      ...(hasCost ? [usd === undefined ? '' : formatUsd(usd)] : []),
    ]);
  const sum = (figures: readonly (number | undefined)[]) =>
    figures.reduce<number>((total, figure) => total + (figure ?? 0), 0);
  table.push([
    'total',
    '',
    formatCount(sum(rows.map(({ tokens }) => tokens?.prompt))),
    formatCount(sum(rows.map(({ tokens }) => tokens?.completion))),
    rows.every(({ seconds }) => seconds === undefined)
      ? ''
      : formatDuration(sum(rows.map(({ seconds }) => seconds))),
    ...(hasCost ? [formatUsd(sum(rows.map(({ usd }) => usd)))] : []),
  ]);
  return table.toString();
}

/** How long each machine was busy, and why it was idle: of an open run until now, else when its report was last written. */
function machinesSections({ progress, machines = [] }: DisplayedRun): string[] {
  const summaries = (progress?.machines ?? machines)
    .map(summarizeMachine)
    .filter(({ seconds }) => seconds > 0);
  if (summaries.length === 0) return [];
  const lines = summaries.flatMap(({ machine, seconds, busySeconds, idleSeconds, idle }) => [
    `  ${oneLine(machine)}: busy ${formatPercent(busySeconds / seconds)} of ${formatDuration(seconds)}, idle ${formatDuration(idleSeconds)}`,
    ...idle.map((part) => `    ${formatDuration(part.seconds)}: ${oneLine(part.reason)}`),
  ]);
  return [section('Idle time of machines', lines.join('\n'))];
}

function locationsText({ paths, judges = [], best, workflowId }: DisplayedRun): string {
  const lines: (readonly [string, string | undefined])[] = [
    ['workflow', workflowId],
    ['folder', paths?.folder],
    ['report', paths?.report],
    ['result', paths?.result],
    ['best judge', paths?.bestCheckpoint],
    ['data sets', paths?.trainingSets],
    ['verdicts', paths?.verdicts],
    ...judges.flatMap(({ iteration, checkpoint, prunedAt, trainingSet }) => [
      [
        judgeName(iteration, best),
        prunedAt === undefined
          ? checkpoint
          : `deleted by gc at ${formatTime(prunedAt)}; its figures are kept`,
      ] as const,
      [`  trained on`, trainingSet] as const,
    ]),
  ];
  return lines
    .flatMap(([name, place]) => (place === undefined ? [] : [`  ${name.padEnd(14)} ${oneLine(place)}`]))
    .join('\n');
}

function judgeName(iteration: number, best: number | undefined): string {
  return `M_${iteration}${iteration === best ? ' (best)' : ''}`;
}

function newTable(head: string[], colAligns: Align[]) {
  return new Table({ head, colAligns, style: { head: [], border: [] } });
}
