import type { SamplingParameters } from '../method/sampling-parameters.ts';
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
  scores: async () => (await import('./own-tasks.ts')).ownScores,
  rankings: async () => (await import('./own-tasks.ts')).ownRankings,
  verifications: async () => (await import('./own-tasks.ts')).ownVerifications,
};

export type BenchmarkFormat = keyof typeof benchmarkLoaders;

/** The names of the benchmarks in the configuration. */
export const BENCHMARK_FORMATS = Object.keys(benchmarkLoaders) as readonly BenchmarkFormat[];

/** The longest answer that the official scripts let a judge write, in tokens, for all benchmarks not named below. */
const OFFICIAL_MAX_TOKENS = 2048;

/**
 * The longest answers by benchmark, and by prompt if a benchmark has several. A `-pairwise` benchmark has the prompt of
 * RewardBench, so it has that limit too, unless its own script gives one to judges with that prompt.
 */
const officialMaxTokens: Partial<Record<BenchmarkFormat, number | Readonly<Record<string, number>>>> = {
  'reward-bench-2': { ranking: 2048, 'ties-rating': 1024 },
  'reward-bench-2-ratings': 1024,
  'judge-bench': 4096,
  'judge-bench-pairwise': 4096,
  llmbar: 300,
  'reasoning-judge-bench': 1024,
  'reasoning-judge-bench-pairwise': 1024,
  'eval-bias-bench': 20,
};

/** How a benchmark's official script samples the answers to each of its prompts; `default` for all that are not named. */
export function officialSampling(format: BenchmarkFormat): Readonly<Record<string, SamplingParameters>> {
  const limit = officialMaxTokens[format] ?? OFFICIAL_MAX_TOKENS;
  const limits = typeof limit === 'number' ? { default: limit } : limit;
  return Object.fromEntries(
    Object.entries(limits).map(([prompt, maxTokens]) => [prompt, { temperature: 0, topP: 1, maxTokens }]),
  );
}

export async function loadBenchmark(format: BenchmarkFormat): Promise<Benchmark> {
  return benchmarkLoaders[format]();
}
