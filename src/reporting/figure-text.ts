import type { BenchmarkScores } from '../benchmarks/benchmark.ts';
import type { Interval } from '../benchmarks/intervals.ts';
import { TASK_NAMES, TASKS } from '../method/tasks.ts';
import { formatSignedPoints } from '../platform/format-percent.ts';

/** The name of an iteration's judge: M₀, M₁, ... */
export function judgeName(iteration: number): string {
  return `M${String(iteration).replace(/\d/g, (digit) => String.fromCharCode(0x2080 + Number(digit)))}`;
}

/** A 95% interval in percent, without its signs: "71.2–79.8". */
export function formatInterval(interval: Interval): string {
  return `${(interval.low * 100).toFixed(1)}–${(interval.high * 100).toFixed(1)}`;
}

export function formatCount(value: number | undefined): string {
  return value === undefined ? '–' : value.toLocaleString('en-US');
}

/** The name of a benchmark's items: pairs, or the records of another task. */
export function itemsOf({ benchmark }: Pick<BenchmarkScores, 'benchmark'>): 'pairs' | 'records' {
  return TASK_NAMES.some((task) => TASKS[task].benchmark === benchmark) ? 'records' : 'pairs';
}

/** Formats a time as "2026-03-04 10:20 UTC"; other text is unchanged. */
export function formatTime(iso: string): string {
  const date = new Date(iso);
  return Number.isNaN(date.getTime()) ? iso : `${date.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

/** Formats a difference of shares in percentage points, with a typographic sign: "+5.2". */
export function formatPoints(difference: number): string {
  return formatSignedPoints(difference).replace('-', '\u2212');
}

/** A 95% interval of a difference: "+1.0 to +9.4". */
export function formatPointsInterval({ low, high }: Interval): string {
  return `${formatPoints(low)} to ${formatPoints(high)}`;
}
