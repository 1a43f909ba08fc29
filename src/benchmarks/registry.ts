import type { Benchmark } from './benchmark.ts';
import type { BenchmarkFormat } from './formats.ts';
import { pairs } from './pairs.ts';
import { rewardBench } from './reward-bench.ts';

/** The benchmarks by the name that a configuration uses. */
export const benchmarks = {
  'reward-bench': rewardBench,
  pairs,
} satisfies Record<BenchmarkFormat, Benchmark>;

/** A benchmark of which only what all have in common matters. */
export function benchmarkOf(format: BenchmarkFormat): Benchmark {
  return benchmarks[format];
}
