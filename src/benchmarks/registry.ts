import type { Benchmark } from './benchmark.ts';

/**
 * Loads each benchmark by its name in the configuration. Imports are lazy, so that the names can be used without loading
 * the readers of all benchmarks.
 */
export const benchmarkLoaders = {
  'reward-bench': async () => (await import('./reward-bench.ts')).rewardBench,
  'reward-bench-2': async () => (await import('./reward-bench-2.ts')).rewardBench2,
  'reward-bench-2-ratings': async () => (await import('./reward-bench-2.ts')).rewardBench2Ratings,
  'mt-bench': async () => (await import('./mt-bench.ts')).mtBench,
  helpsteer2: async () => (await import('./helpsteer.ts')).helpSteer2,
  'helpsteer2-preference': async () => (await import('./helpsteer.ts')).helpSteer2Preference,
  helpsteer3: async () => (await import('./helpsteer.ts')).helpSteer3,
  'judge-bench': async () => (await import('./judge-bench.ts')).judgeBench,
  'judge-bench-pairwise': async () => (await import('./judge-bench.ts')).judgeBenchPairwise,
  'rm-bench': async () => (await import('./rm-bench.ts')).rmBench,
  llmbar: async () => (await import('./llmbar.ts')).llmBar,
  'llmbar-pairwise': async () => (await import('./llmbar.ts')).llmBarPairwise,
  'ppe-preference': async () => (await import('./ppe.ts')).ppePreference,
  'ppe-correctness': async () => (await import('./ppe.ts')).ppeCorrectness,
  'reasoning-judge-bench': async () => (await import('./reasoning-judge-bench.ts')).reasoningJudgeBench,
  'reasoning-judge-bench-pairwise': async () =>
    (await import('./reasoning-judge-bench.ts')).reasoningJudgeBenchPairwise,
  'eval-bias-bench': async () => (await import('./eval-bias-bench.ts')).evalBiasBench,
  'eval-bias-bench-pairwise': async () => (await import('./eval-bias-bench.ts')).evalBiasBenchPairwise,
  pairs: async () => (await import('./own-pairs.ts')).ownPairs,
};

export type BenchmarkFormat = keyof typeof benchmarkLoaders;

/** The names of the benchmarks in the configuration. */
export const BENCHMARK_FORMATS = Object.keys(benchmarkLoaders) as readonly BenchmarkFormat[];

export async function loadBenchmark(format: BenchmarkFormat): Promise<Benchmark> {
  return benchmarkLoaders[format]();
}
