import { samplingSeed } from '../method/seeds.ts';
import type { OfficialFigure } from './benchmark.ts';
import { randomNumbers } from './bootstrap.ts';
import { type Interval, wilsonInterval } from './intervals.ts';

/** Enough for a standard error (Efron and Tibshirani 1993, section 6.4). */
const DRAWS = 200;

/** How the results of a benchmark are drawn again. */
export interface Resampling<Result> {
  /** Results of one cluster are drawn together. */
  readonly clusterOf: (result: Result) => string;
  /** Every draw has as much of each stratum as the benchmark has; of a cluster's strata the first one counts. */
  readonly stratumOf: (result: Result) => string;
  /** The number of answers for each result. */
  readonly answers: number;
}

/**
 * Adds 95% intervals to figures by a published rule, whatever its formula. A bootstrap over clusters within strata gives
 * the variance of each figure (with one cluster less in each draw, so that the variance is unbiased: McCarthy and
 * Snowden 1985), and from it follows the number of independent items that would have the same variance. The interval is
 * Wilson's for that number: other than the percentiles of the draws, it is not too narrow near 100%, nor empty at 100%.
 *
 * @param figuresOf computes the figures of results, some of which may occur several times
 */
export function withIntervals<Result>(
  results: readonly Result[],
  resampling: Resampling<Result>,
  figuresOf: (results: readonly Result[]) => readonly OfficialFigure[],
  seed: number,
): OfficialFigure[] {
  const strata = stratify(results, resampling);
  const random = randomNumbers(samplingSeed(seed, 'bootstrap', 'published figures'));
  const variances = new Map<string, Moments>();
  for (let draw = 0; draw < DRAWS; draw++) {
    const sample = strata.flatMap((clusters) => {
      const count = Math.max(1, clusters.length - 1);
      return Array.from(
        { length: count },
        () => clusters[Math.floor(random() * clusters.length)] ?? [],
      ).flat();
    });
    for (const { name, value } of figuresOf(sample)) {
      if (!isNumber(value)) continue;
      const moments = variances.get(name) ?? new Moments();
      variances.set(name, moments);
      moments.add(value);
    }
  }
  const parts = strata.map((clusters) => ({
    clusters: clusters.length,
    answers: clusters.flat().length * resampling.answers,
    figures: new Set(
      figuresOf(clusters.flat()).flatMap(({ name, value }) => (isNumber(value) ? [name] : [])),
    ),
  }));
  return figuresOf(results).map((figure) => {
    if (!isNumber(figure.value)) return figure;
    const ofFigure = parts.filter(({ figures }) => figures.has(figure.name));
    const sum = (of: 'clusters' | 'answers') => ofFigure.reduce((total, part) => total + part[of], 0);
    const variance = variances.get(figure.name)?.variance ?? 0;
    return { ...figure, interval: intervalOf(figure.value, variance, sum('clusters'), sum('answers')) };
  });
}

/** @param clusters what counts as independent if nothing varies, as at 100% */
function intervalOf(value: number, variance: number, clusters: number, answers: number): Interval {
  const share = Math.min(1, Math.max(0, value));
  const independent = variance > 1e-12 ? Math.min((share * (1 - share)) / variance, answers) : clusters;
  const effective = Math.max(independent, 1);
  return wilsonInterval(share * effective, effective);
}

/** The clusters of each stratum. */
function stratify<Result>(
  results: readonly Result[],
  { clusterOf, stratumOf }: Resampling<Result>,
): Result[][][] {
  const clusters = [...Map.groupBy(results, clusterOf).values()];
  return [...Map.groupBy(clusters, ([first]) => (first === undefined ? '' : stratumOf(first))).values()];
}

/** Mean and variance of numbers that come one at a time (Welford 1962). */
class Moments {
  #count = 0;
  #mean = 0;
  #squares = 0;

  add(value: number): void {
    this.#count += 1;
    const before = value - this.#mean;
    this.#mean += before / this.#count;
    this.#squares += before * (value - this.#mean);
  }

  get variance(): number {
    return this.#count < 2 ? 0 : this.#squares / (this.#count - 1);
  }
}

function isNumber(value: number | null): value is number {
  return value !== null && Number.isFinite(value);
}
