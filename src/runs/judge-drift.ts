/** Judges from a comparison with earlier figures whether a judge has drifted. */
import type { BenchmarkDrift, Drift, DriftStatus } from '../api/drift.ts';
import type { ShareDifference } from '../benchmarks/compare-judges.ts';
import type { RunComparison, SharedBenchmark } from './compare-runs.ts';

/**
 * Tests each benchmark that both evaluations have in the same form. A benchmark whose items, prompt or sampling differ is not
 * tested: then the benchmark has changed, and perhaps not the judge.
 *
 * Holm's correction (1979) bounds the chance of any false alarm by `significance`, however many benchmarks there are.
 */
export function benchmarkDrifts(
  { benchmarks, onlyFirst, onlySecond }: RunComparison,
  significance: number,
): BenchmarkDrift[] {
  const tested = benchmarks.flatMap((benchmark) => {
    const { comparison } = benchmark;
    return comparison === undefined || changeOf(benchmark) !== undefined
      ? []
      : [{ benchmark, comparison, pValue: comparison.mcNemar.pValue }];
  });
  const significant = holm(
    tested.map(({ pValue }) => pValue),
    significance,
  );
  return [
    ...benchmarks.map((benchmark): BenchmarkDrift => {
      const index = tested.findIndex((each) => each.benchmark === benchmark);
      const test = tested[index];
      if (test === undefined) return notCompared(benchmark.second, changeOf(benchmark) ?? 'it has no items');
      const { items, accuracy, consistent } = test.comparison;
      return {
        benchmark: benchmark.second,
        status: significant[index] === true ? directionOf(consistent) : 'none',
        items,
        accuracy: { ...sides(benchmark.accuracy), ...withBounds(accuracy) },
        positionConsistentAccuracy: {
          ...sides(benchmark.positionConsistentAccuracy),
          ...withBounds(consistent),
        },
        pValue: test.pValue,
      };
    }),
    ...onlySecond.map((name) => notCompared(name, 'it has no earlier figures')),
    ...onlyFirst.map((name) => notCompared(name, 'it is not evaluated any more')),
  ];
}

/** A benchmark on which the judge is not compared. */
export function notCompared(benchmark: string, reason: string): BenchmarkDrift {
  return { benchmark, status: 'not-compared', reason };
}

/** The status of all benchmarks together. */
function driftStatus(benchmarks: readonly BenchmarkDrift[]): DriftStatus {
  const found = benchmarks.map(({ status }) => status);
  return (['worse', 'better', 'none'] as const).find((status) => found.includes(status)) ?? 'not-compared';
}

/** How the evaluation on a benchmark differs from the earlier one; undefined if it doesn't. */
function changeOf({ items, evaluationDifferences }: SharedBenchmark): string | undefined {
  if (evaluationDifferences.length > 0)
    return `it was evaluated in another way (${evaluationDifferences
      .map(({ field, before, after }) => `${field}: ${before}, now ${after}`)
      .join('; ')})`;
  const { first, second, common } = items;
  if (first === 0) return 'the outcomes of its earlier evaluation are missing from the store';
  if (first === common && second === common) return undefined;
  return `the benchmark has changed (${common} items are the same, of ${first} before and ${second} now)`;
}

function directionOf({ difference }: ShareDifference): 'worse' | 'better' {
  return difference < 0 ? 'worse' : 'better';
}

function sides({ first, second }: { readonly first: number; readonly second: number }) {
  return { before: first, now: second };
}

function withBounds({ difference, interval: { low, high } }: ShareDifference) {
  return { difference, interval: { low, high } };
}

/** Returns which hypotheses are rejected, in their order. */
function holm(pValues: readonly number[], significance: number): boolean[] {
  const ascending = pValues.toSorted((a, b) => a - b);
  const kept = ascending.findIndex((pValue, index) => pValue > significance / (pValues.length - index));
  const smallestKept = kept === -1 ? Infinity : (ascending[kept] ?? Infinity);
  return pValues.map((pValue) => pValue < smallestKept);
}

/** The result of a comparison of a judge with an earlier one. */
export function driftResult(
  benchmarks: readonly BenchmarkDrift[],
  significance: number,
  comparedWith?: Drift['comparedWith'],
): Drift {
  return {
    status: driftStatus(benchmarks),
    ...(comparedWith === undefined ? {} : { comparedWith }),
    significance,
    benchmarks,
  };
}
