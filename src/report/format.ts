import type { Interval } from '../benchmarks/benchmark.ts';

export { duration } from '../format/duration.ts';

/** The name of an iteration's judge: M₀, M₁, ... */
export function judgeName(iteration: number): string {
  return `M${String(iteration).replace(/\d/g, (digit) => String.fromCharCode(0x2080 + Number(digit)))}`;
}

/** A share of 0 to 1 as a percentage with one decimal. */
export function percent(share: number | null | undefined): string {
  return share === null || share === undefined ? '–' : `${(share * 100).toFixed(1)}%`;
}

/** A 95% interval in percent, without its signs: "71.2–79.8". */
export function range(interval: Interval): string {
  return `${(interval.low * 100).toFixed(1)}–${(interval.high * 100).toFixed(1)}`;
}

export function count(value: number | undefined): string {
  return value === undefined ? '–' : value.toLocaleString('en-US');
}

/** "2026-03-04 10:20 UTC"; what isn't a time stays as it is. */
export function time(iso: string): string {
  const date = new Date(iso);
  return Number.isNaN(date.getTime()) ? iso : `${date.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

/** USD with cents; a smaller sum with its first two digits. */
export function dollars(usd: number): string {
  if (usd > 0 && usd < 0.01) return `$${usd.toPrecision(2)}`;
  return `$${usd.toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
}
