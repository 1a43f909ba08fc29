/** A run in full as text for a terminal. */
import Table from 'cli-table3';
import { fieldsOf } from '../../src/config/not-default.ts';
import { bytes } from '../../src/format/bytes.ts';
import { duration } from '../../src/format/duration.ts';
import { count, dollars, percent, range, time } from '../../src/report/format.ts';
import type { JudgeSheet } from '../../src/runs/run-sheet.ts';
import { plainText } from '../follow/plain-text.ts';
import type { ShownRun } from './show-run.ts';

type Align = 'left' | 'right';

const LONGEST_VALUE = 100;

export function runText(run: ShownRun): string {
  const { configuration, judges = [], failure, warnings = [], progress } = run;
  const evaluated = judges.filter(({ evaluations }) => evaluations.length > 0);
  const sections = [
    headOf(run),
    ...(failure === undefined ? [] : [section('Why it ended', plainLines(failure))]),
    ...(configuration === undefined
      ? []
      : [section('What it was asked, where that is no default', settingsOf(configuration))]),
    ...(evaluated.length === 0 ? [] : [section('Judges', judgesTable(run, evaluated))]),
    ...(evaluated.length === 0 && progress !== undefined && progress.completed.length > 0
      ? [section('Judges', toldTable(progress.completed))]
      : []),
    ...(judges.some(({ funnel }) => funnel)
      ? [section('From instructions to training examples', funnelTable(judges))]
      : []),
    ...(judges.some(({ usage = [] }) => usage.length > 0)
      ? [section('What each stage took', usageTable(judges))]
      : []),
    section('Where it is', placesOf(run)),
    ...(warnings.length === 0
      ? []
      : [section('Warnings', warnings.map((each) => `  ${plainText(each)}`).join('\n'))]),
  ];
  return sections.join('\n\n');
}

function section(title: string, body: string): string {
  return `${title}\n${body}`;
}

function plainLines(text: string): string {
  return text
    .split('\n')
    .map((line) => `  ${plainText(line)}`)
    .join('\n');
}

function headOf(run: ShownRun): string {
  const { runName, kind, status, where, phase, iteration, iterations, startedAt, endedAt, seconds } = run;
  const place = {
    both: 'in the store and in Temporal',
    store: 'in the store alone',
    temporal: 'in Temporal alone',
  }[where];
  const stages = (run.progress?.stages ?? []).map(({ name }) => name);
  const at = [
    ...(phase === undefined ? [] : [phase]),
    ...(iteration === undefined
      ? []
      : [`iteration ${iteration}${iterations === undefined ? '' : ` of ${iterations}`}`]),
    ...(stages.length === 0 ? [] : [stages.join(', ')]),
  ];
  const paused = run.progress?.paused;
  const lines = [
    `${plainText(runName)}: ${kind === 'run' ? '' : 'an evaluation, '}${status}${at.length === 0 ? '' : `, ${at.join(', ')}`} (${place})`,
    ...(paused === undefined ? [] : [`paused since ${time(paused.since)}: ${plainText(paused.reason)}`]),
    [
      ...(startedAt === undefined ? [] : [`started ${time(startedAt)}`]),
      ...(endedAt === undefined ? [] : [`ended ${time(endedAt)}`]),
      ...(seconds === undefined ? [] : [`took ${duration(seconds)}`]),
      ...(run.bytes === undefined ? [] : [`${bytes(run.bytes)} on disk`]),
    ].join(', '),
  ];
  return lines.filter((line) => line !== '').join('\n');
}

function settingsOf(configuration: object): string {
  const fields = fieldsOf(configuration).filter(({ field }) => field !== 'runName' && field !== '$schema');
  return fields
    .map(({ field, value }) => {
      const text = plainText(JSON.stringify(value));
      return `  ${field}: ${text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE - 1)}…` : text}`;
    })
    .join('\n');
}

function judgesTable({ best }: ShownRun, judges: readonly JudgeSheet[]): string {
  const table = newTable(
    [
      'judge',
      'benchmark',
      'pairs',
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
        count(scores.pairs),
        percent(scores.accuracy),
        range(scores.accuracyInterval),
        percent(scores.positionConsistentAccuracy),
        range(scores.positionConsistentAccuracyInterval),
        percent(scores.unparsable),
        official === undefined ? '' : `${percent(official.value)} ${plainText(official.name)}`,
      ]);
    }
  return table.toString();
}

/** What a run tells itself has no intervals. */
function toldTable(completed: NonNullable<ShownRun['progress']>['completed']): string {
  const table = newTable(
    ['judge', 'benchmark', 'pairs', 'accuracy', 'in both\norders', 'no\nverdict'],
    ['left', 'left', 'right', 'right', 'right', 'right'],
  );
  for (const { iteration, evaluations } of completed)
    for (const each of evaluations)
      table.push([
        `M_${iteration}`,
        plainText(each.benchmark),
        count(each.pairs),
        percent(each.accuracy),
        percent(each.positionConsistentAccuracy),
        percent(each.unparsable),
      ]);
  return table.toString();
}

function funnelTable(judges: readonly JudgeSheet[]): string {
  const table = newTable(
    [
      'for',
      'instructions',
      'selected',
      'pairs',
      'judgments',
      'right',
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
      count(funnel.instructions),
      count(funnel.selected),
      count(funnel.pairs + (funnel.humanPairs ?? 0)),
      count(funnel.judgments),
      count(funnel.right),
      count(funnel.trainingExamples),
      training === undefined ? '' : count(training.steps),
      training === undefined ? '' : training.meanLoss.toFixed(3),
    ]);
  }
  return table.toString();
}

function usageTable(judges: readonly JudgeSheet[]): string {
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
      tokens === undefined ? '' : count(tokens.prompt),
      tokens === undefined ? '' : count(tokens.completion),
      seconds === undefined ? '' : duration(seconds),
      ...(hasCost ? [usd === undefined ? '' : dollars(usd)] : []),
    ]);
  const sum = (figures: readonly (number | undefined)[]) =>
    figures.reduce<number>((total, figure) => total + (figure ?? 0), 0);
  table.push([
    'all',
    '',
    count(sum(rows.map(({ tokens }) => tokens?.prompt))),
    count(sum(rows.map(({ tokens }) => tokens?.completion))),
    rows.every(({ seconds }) => seconds === undefined)
      ? ''
      : duration(sum(rows.map(({ seconds }) => seconds))),
    ...(hasCost ? [dollars(sum(rows.map(({ usd }) => usd)))] : []),
  ]);
  return table.toString();
}

function placesOf({ places, judges = [], best, workflowId }: ShownRun): string {
  const lines: (readonly [string, string | undefined])[] = [
    ['workflow', workflowId],
    ['folder', places?.folder],
    ['report', places?.report],
    ['result', places?.result],
    ['best judge', places?.bestCheckpoint],
    ['data sets', places?.trainingSets],
    ...judges.flatMap(({ iteration, checkpoint, freedAt, trainingSet }) => [
      [
        judgeName(iteration, best),
        freedAt === undefined ? checkpoint : `freed at ${time(freedAt)} (its figures stay)`,
      ] as const,
      [`  trained on`, trainingSet] as const,
    ]),
  ];
  return lines
    .flatMap(([name, place]) => (place === undefined ? [] : [`  ${name.padEnd(14)} ${plainText(place)}`]))
    .join('\n');
}

function judgeName(iteration: number, best: number | undefined): string {
  return `M_${iteration}${iteration === best ? ' (best)' : ''}`;
}

function newTable(head: string[], colAligns: Align[]) {
  return new Table({ head, colAligns, style: { head: [], border: [] } });
}
