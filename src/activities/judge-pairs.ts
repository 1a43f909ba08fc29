import { hashOf, samplingSeed } from '../judge/seeds.ts';
import {
  judgeExample,
  ORDERS,
  shownToJudge,
  type JudgeExample,
  type Order,
  type ResponsePair,
} from '../judge/examples.ts';
import { renderPrompt } from '../judge/prompt-template.ts';
import { isRight, type SampledJudgment } from '../judge/rejection-sampling.ts';
import { parseVerdict } from '../judge/verdict.ts';
import { canonicalJson } from '../artifacts/canonical-json.ts';
import type { Usage } from '../artifacts/resume-shard.ts';
import type { Dependencies } from './dependencies.ts';
import { missingRuns } from './missing-samples.ts';
import type { ShardInput, ShardResult } from './types.ts';
import { workOnShard } from './work-on-shard.ts';

/** One sampled judgment of a pair in one order, as it stands in `iteration-<i>/judgments`. */
export interface Judgment extends SampledJudgment {
  readonly pairId: string;
  readonly order: Order;
  /** Which of the N samples. */
  readonly sample: number;
  /** Agrees with the construction and came to its end: rejection sampling may keep it. */
  readonly right: boolean;
}

/**
 * Samples N judgments of every pair of a shard in both orders (method, step 3). Sample k of an example has the
 * example's seed plus k, whether the samples are asked for in one request or, after a crash, in several.
 */
export function judgePairs(deps: Dependencies, input: ShardInput): Promise<ShardResult> {
  return workOnShard<ResponsePair, JudgeExample, Judgment & { unit: string; usage?: Usage }, Judgment>(
    deps,
    'judgePairs',
    input,
    ({ configuration: { seed, judging }, prompts }) => ({
      meaning: {
        stage: 'judge-pairs',
        prompt: hashOf(canonicalJson(prompts.judge)),
        samples: judging.samples,
        sampling: judging.sampling,
      },
      units: (pairs) => pairs.flatMap((pair) => ORDERS.map((order) => judgeExample(pair, order))),
      work: async (example, existing, emit, ask) => {
        const first = samplingSeed(seed, 'judge', input.iteration, example.id);
        const messages = renderPrompt(prompts.judge, shownToJudge(example));
        for (const run of missingRuns(judging.samples, new Set(existing.map(({ sample }) => sample)))) {
          const { choices, usage } = await ask({
            messages,
            sampling: judging.sampling,
            samples: run.count,
            seed: first + run.start,
          });
          choices.forEach(({ text, finishReason }, index) => {
            const sample = run.start + index;
            const id = `${example.id}/${String(sample).padStart(4, '0')}`;
            const judgment = { id, text, verdict: parseVerdict(text), finishReason };
            emit({
              ...judgment,
              unit: example.id,
              pairId: example.id.slice(0, -(example.order.length + 1)),
              order: example.order,
              sample,
              right: isRight(judgment, example.betterSide),
              ...(index === 0 ? { usage } : {}),
            });
          });
        }
      },
      assemble: (_example, records) => records.map(({ unit: _unit, usage: _usage, ...judgment }) => judgment),
      count: (judgments) => ({
        judgments: judgments.length,
        right: judgments.filter(({ right }) => right).length,
        ties: judgments.filter(({ verdict }) => verdict === 'tie').length,
        noVerdict: judgments.filter(({ verdict }) => verdict === 'none').length,
      }),
    }),
  );
}
