/** The live lines below the completed stages on a terminal: pure functions of progress, time and width. */
import cliTruncate from 'cli-truncate';
import { formatDuration } from '../../platform/format-duration.ts';
import { formatPercent } from '../../platform/format-percent.ts';
import type { RunProgress } from '../../client/index.ts';
import { currentIteration, lastIteration } from '../../api/current-iteration.ts';
import { oneLine } from '../../platform/shown-text.ts';
import { displayedStages, rates, secondsSince, type DisplayedStage, timeText } from './stage-text.ts';

/** Colours the text, if colours are enabled. */
export type Paint = (color: 'cyan' | 'dim' | 'bold', text: string) => string;

export interface LiveView {
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Width of the terminal. */
  readonly columns: number;
  readonly paint: Paint;
}

/** One line for each running stage and one for the run, none wider than the terminal. */
export function liveLines(progress: RunProgress, view: LiveView): string[] {
  // The last column stays free: a line that fills it wraps on some terminals.
  const columns = view.columns - 1;
  const lines = displayedStages(progress).map((stage) =>
    stageLine(stage, progress.paused !== undefined, { ...view, columns }),
  );
  return [...lines, runLine(progress, { ...view, columns })].map((line) => cliTruncate(line, columns));
}

/** From wide to narrow: the width of the bar, the number of rates, and whether the unit and the time are shown. */
const LAYOUTS = [
  { bar: 24, unit: true, rates: 3, time: true },
  { bar: 16, unit: true, rates: 2, time: true },
  { bar: 16, unit: true, rates: 1, time: true },
  { bar: 10, unit: false, rates: 1, time: true },
  { bar: 10, unit: false, rates: 0, time: true },
  { bar: 6, unit: false, rates: 0, time: true },
  { bar: 6, unit: false, rates: 0, time: false },
  { bar: 0, unit: false, rates: 0, time: false },
] as const;
const NARROWEST = LAYOUTS[LAYOUTS.length - 1] as Layout;
type Layout = (typeof LAYOUTS)[number];

/** The progress of a stage in at most so many columns; with a bar if its total is known. */
export function stageLine(
  stage: DisplayedStage,
  isPaused: boolean,
  { now, columns, paint }: LiveView,
): string {
  const { done = 0, total: of = 0 } = stage;
  const [label, unit] = [stage.name, stage.unit ?? ''].map(oneLine) as [string, string];
  const parts = (layout: Layout): string[] => [
    of > 0 ? `${Math.min(done, of)}/${of}${layout.unit ? ` ${unit}` : ''}` : '',
    // Average rates would fall during a pause.
    ...(isPaused ? ['paused'] : rates(stage, now).slice(0, layout.rates)),
    layout.time && !isPaused ? timeText(stage, now) : '',
  ];
  const line = (layout: Layout, painted: Paint): string => {
    const name = layout.bar >= 16 ? label.padEnd(16) : label;
    const shown = of > 0 && layout.bar > 0 ? bar(done / of, layout.bar, painted) : '';
    return [`  ${name}`, shown, parts(layout).filter(Boolean).join('  ')].filter(Boolean).join(' ');
  };
  const fitting = LAYOUTS.find((layout) => line(layout, (_, text) => text).length <= columns);
  return line(fitting ?? NARROWEST, paint);
}

function bar(share: number, width: number, paint: Paint): string {
  const full = Math.round(width * Math.min(1, Math.max(0, share)));
  return paint('cyan', '█'.repeat(full)) + paint('dim', '░'.repeat(width - full));
}

/** The state of the run. If the terminal is narrow, less important parts are omitted. */
function runLine(progress: RunProgress, { now, columns, paint }: LiveView): string {
  const { runName, status, paused, requestedIterations: iterations, startedAt, remainingSeconds } = progress;
  const name = oneLine(runName);
  const parts: { text: string; rank: number }[] = [{ text: name, rank: 1 }];
  const add = (text: string | undefined, rank: number) => {
    if (text !== undefined) parts.push({ text, rank });
  };
  if (paused !== undefined) add(`paused: ${oneLine(paused.reason)}`, 0);
  else if (status === 'joined') add('waiting for the workflow that owns this run', 0);
  else if (status !== 'running') add(status, 0);
  if (iterations > 0) add(`iteration ${currentIteration(progress)} of ${lastIteration(progress)}`, 0);
  add(`${formatDuration(secondsSince(startedAt, now))} so far`, 3);
  const isNarrow = columns < 60;
  if (progress.waits !== undefined) add('waiting', 0);
  if (remainingSeconds !== undefined)
    add(`${isNarrow ? '' : 'about '}${formatDuration(remainingSeconds)} left`, 0);
  add(bestJudgeText(progress), 2);
  for (let rank = 3; rank > 0; rank -= 1) {
    if (`  ${parts.map(({ text }) => text).join(', ')}`.length <= columns) break;
    parts.splice(0, parts.length, ...parts.filter((part) => part.rank !== rank));
  }
  return `  ${parts.map(({ text }) => (text === name ? paint('bold', text) : text)).join(', ')}`;
}

/** The best judge so far, on the validation benchmark if there is one. */
function bestJudgeText({ completedIterations: completed, best }: RunProgress): string | undefined {
  const evaluations = completed.find(({ iteration }) => iteration === best)?.evaluations ?? [];
  const evaluation = evaluations.find(({ purpose }) => purpose === 'validation') ?? evaluations[0];
  if (evaluation === undefined) return undefined;
  return `best M_${best}: ${formatPercent(evaluation.accuracy)} on ${oneLine(evaluation.benchmark)}`;
}
