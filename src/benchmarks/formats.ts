/** The benchmarks' names as a configuration writes them; `registry.ts` has one entry for each. No more than names, so that a client needs nothing else. */
export const BENCHMARK_FORMATS = [
  'reward-bench',
  'reward-bench-2',
  'reward-bench-2-ratings',
  'mt-bench',
  'helpsteer2',
  'helpsteer2-preference',
  'helpsteer3',
  'judge-bench',
  'judge-bench-pairwise',
  'rm-bench',
  'llmbar',
  'llmbar-pairwise',
  'ppe-preference',
  'ppe-correctness',
  'reasoning-judge-bench',
  'reasoning-judge-bench-pairwise',
  'eval-bias-bench',
  'eval-bias-bench-pairwise',
  'pairs',
] as const;

export type BenchmarkFormat = (typeof BENCHMARK_FORMATS)[number];
