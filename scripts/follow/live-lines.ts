/** What stands below the finished stages on a terminal: pure functions of progress, clock and width. */
import cliTruncate from 'cli-truncate';
import { duration } from '../../src/format/duration.ts';
import { percent } from '../../src/report/format.ts';
import type { RunProgress } from '../../src/client.ts';
import { currentIteration, lastIteration } from '../../src/workflows/run-progress.ts';
import { plainText } from './plain-text.ts';
import { rates, secondsSince, type ShownStage, timeOf } from './stage-words.ts';

/** Gives text a colour, or leaves it as it is. */
export type Paint = (color: 'cyan' | 'dim' | 'bold', text: string) => string;

export interface LiveView {
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Of the terminal. */
  readonly columns: number;
  readonly paint: Paint;
}

/** A line for each stage under way and one for the run, none of them wider than the terminal. */
export function liveLines(progress: RunProgress, view: LiveView): string[] {
  // The last column stays free: a line that fills it wraps on some terminals.
  const columns = view.columns - 1;
  const lines = progress.stages.map((stage) =>
    stageLine(stage, progress.paused !== undefined, { ...view, columns }),
  );
  return [...lines, runLine(progress, { ...view, columns })].map((line) => cliTruncate(line, columns));
}

/** From roomy to narrow: the width of the bar, whether the unit is named, how many rates are, whether the time is. */
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

/** How far a stage is, with a bar where that is known, in as much as the columns hold. */
export function stageLine(stage: ShownStage, isPaused: boolean, { now, columns, paint }: LiveView): string {
  const { done = 0, of = 0, unit = '' } = stage;
  const parts = (layout: Layout): string[] => [
    of > 0 ? `${Math.min(done, of)}/${of}${layout.unit ? ` ${unit}` : ''}` : '',
    // A pause would make them slower and slower.
    ...(isPaused ? ['paused'] : rates(stage, now).slice(0, layout.rates)),
    layout.time && !isPaused ? timeOf(stage, now) : '',
  ];
  const line = (layout: Layout, painted: Paint): string => {
    const name = layout.bar >= 16 ? stage.name.padEnd(16) : stage.name;
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

/** Where the run is. What it can do without goes first where there is no room. */
function runLine(progress: RunProgress, { now, columns, paint }: LiveView): string {
  const { runName, phase, paused, iterations, startedAt, secondsLeft } = progress;
  const name = plainText(runName);
  const parts: { text: string; rank: number }[] = [{ text: name, rank: 1 }];
  const add = (text: string | undefined, rank: number) => {
    if (text !== undefined) parts.push({ text, rank });
  };
  if (paused !== undefined) add(`paused: ${plainText(paused.reason)}`, 0);
  else if (phase === 'following') add('waits for the workflow that has this run', 0);
  else if (phase !== 'working') add(phase, 0);
  if (iterations > 0) add(`iteration ${currentIteration(progress)} of ${lastIteration(progress)}`, 0);
  add(`${duration(secondsSince(startedAt, now))} so far`, 3);
  const isNarrow = columns < 60;
  if (secondsLeft !== undefined) add(`${isNarrow ? '' : 'about '}${duration(secondsLeft)} left`, 0);
  add(bestSoFar(progress), 2);
  for (let rank = 3; rank > 0; rank -= 1) {
    if (`  ${parts.map(({ text }) => text).join(', ')}`.length <= columns) break;
    parts.splice(0, parts.length, ...parts.filter((part) => part.rank !== rank));
  }
  return `  ${parts.map(({ text }) => (text === name ? paint('bold', text) : text)).join(', ')}`;
}

/** By the benchmark that judges are chosen by. */
function bestSoFar({ completed, best }: RunProgress): string | undefined {
  const evaluations = completed.find(({ iteration }) => iteration === best)?.evaluations ?? [];
  const evaluation = evaluations.find(({ purpose }) => purpose === 'validation') ?? evaluations[0];
  if (evaluation === undefined) return undefined;
  return `best M_${best}: ${percent(evaluation.accuracy)} on ${plainText(evaluation.benchmark)}`;
}
