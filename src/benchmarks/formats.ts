/** The benchmarks' names as a configuration writes them; `registry.ts` has one entry for each. No more than names, so that a client needs nothing else. */
export const BENCHMARK_FORMATS = ['reward-bench', 'pairs'] as const;

export type BenchmarkFormat = (typeof BENCHMARK_FORMATS)[number];
