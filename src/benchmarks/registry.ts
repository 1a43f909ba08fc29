import type { Benchmark } from './benchmark.ts';
import { evalBiasBench, evalBiasBenchPairwise } from './eval-bias-bench.ts';
import type { BenchmarkFormat } from './formats.ts';
import { helpSteer2, helpSteer2Preference, helpSteer3 } from './helpsteer.ts';
import { judgeBench, judgeBenchPairwise } from './judge-bench.ts';
import { llmBar, llmBarPairwise } from './llmbar.ts';
import { mtBench } from './mt-bench.ts';
import { pairs } from './pairs.ts';
import { ppeCorrectness, ppePreference } from './ppe.ts';
import { reasoningJudgeBench, reasoningJudgeBenchPairwise } from './reasoning-judge-bench.ts';
import { rewardBench2, rewardBench2Ratings } from './reward-bench-2.ts';
import { rewardBench } from './reward-bench.ts';
import { rmBench } from './rm-bench.ts';

/** The benchmarks by the name that a configuration uses. */
export const benchmarks = {
  'reward-bench': rewardBench,
  'reward-bench-2': rewardBench2,
  'reward-bench-2-ratings': rewardBench2Ratings,
  'mt-bench': mtBench,
  helpsteer2: helpSteer2,
  'helpsteer2-preference': helpSteer2Preference,
  helpsteer3: helpSteer3,
  'judge-bench': judgeBench,
  'judge-bench-pairwise': judgeBenchPairwise,
  'rm-bench': rmBench,
  llmbar: llmBar,
  'llmbar-pairwise': llmBarPairwise,
  'ppe-preference': ppePreference,
  'ppe-correctness': ppeCorrectness,
  'reasoning-judge-bench': reasoningJudgeBench,
  'reasoning-judge-bench-pairwise': reasoningJudgeBenchPairwise,
  'eval-bias-bench': evalBiasBench,
  'eval-bias-bench-pairwise': evalBiasBenchPairwise,
  pairs,
} satisfies Record<BenchmarkFormat, Benchmark>;

/** A benchmark of which only what all have in common matters. */
export function benchmarkOf(format: BenchmarkFormat): Benchmark {
  return benchmarks[format];
}
