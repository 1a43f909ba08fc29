import type { Benchmark } from './benchmark.ts';
import { rewardBench } from './reward-bench.ts';

/** The benchmarks by the name that a configuration uses. */
export const benchmarks = {
  'reward-bench': rewardBench,
} satisfies Record<string, Benchmark>;
