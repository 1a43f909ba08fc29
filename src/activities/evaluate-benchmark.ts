import { canonicalJson } from '../artifacts/canonical-json.ts';
import type { WorkRecord } from '../artifacts/resume-shard.ts';
import type { BenchmarkPair } from '../benchmarks/benchmark.ts';
import { judgeExample, ORDERS, type JudgeExample, type Order } from '../judge/examples.ts';
import { renderPrompt } from '../judge/prompt-template.ts';
import { hashOf, samplingSeed } from '../judge/seeds.ts';
import type { Dependencies } from './dependencies.ts';
import type { ShardInput, ShardResult } from './types.ts';
import { workOnShard } from './work-on-shard.ts';

/** What a judge wrote about a benchmark pair in one order. */
export interface EvaluationJudgment {
  readonly id: string;
  readonly pairId: string;
  readonly order: Order;
  readonly text: string;
  readonly finishReason: string;
}

/** Judges a shard of a benchmark in both orders, one judgment each (method, step 6). */
export function evaluateBenchmark(deps: Dependencies, input: ShardInput): Promise<ShardResult> {
  return workOnShard<
    BenchmarkPair,
    JudgeExample & { pairId: string },
    EvaluationJudgment & WorkRecord,
    EvaluationJudgment
  >(deps, 'evaluateBenchmark', input, ({ configuration: { seed, evaluation }, prompts }) => ({
    meaning: {
      stage: 'evaluate',
      prompt: hashOf(canonicalJson(prompts.evaluation)),
      sampling: evaluation.sampling,
    },
    units: (pairs) =>
      pairs.flatMap((pair) => ORDERS.map((order) => ({ ...judgeExample(pair, order), pairId: pair.id }))),
    work: async (example, existing, emit, ask) => {
      if (existing.length > 0) return;
      const { choices, usage } = await ask({
        messages: renderPrompt(prompts.evaluation, { ...example }),
        sampling: evaluation.sampling,
        samples: 1,
        seed: samplingSeed(seed, 'evaluate', input.benchmark ?? '', example.id),
      });
      for (const { text, finishReason } of choices.slice(0, 1)) {
        const { id, pairId, order } = example;
        emit({ id, unit: id, pairId, order, text, finishReason, usage });
      }
    },
    assemble: (_example, records) => records.map(({ unit: _unit, usage: _usage, ...judgment }) => judgment),
    count: (judgments) => ({ judgments: judgments.length }),
  }));
}
