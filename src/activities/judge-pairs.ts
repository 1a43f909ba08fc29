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
import { neededJudgments, suffices, wavesOf, type SamplingStrategy } from '../judge/waves.ts';
import { canonicalJson } from '../artifacts/canonical-json.ts';
import type { Fingerprint } from '../artifacts/reference.ts';
import type { Usage } from '../artifacts/resume-shard.ts';
import type { Configuration } from '../config/schema.ts';
import type { Dependencies } from './dependencies.ts';
import { missingRuns } from './missing-samples.ts';
import type { Prompts } from './open-run.ts';
import type { ShardInput, ShardResult } from './types.ts';
import { workOnShard } from './work-on-shard.ts';

/** One sampled judgment of a pair in one order, as it stands in `iteration-<i>/judgments`. */
export interface Judgment extends SampledJudgment {
  readonly pairId: string;
  readonly order: Order;
  /** Agrees with the construction and came to its end: rejection sampling may keep it. */
  readonly right: boolean;
}

/**
 * Samples judgments of every pair of a shard in both orders (method, step 3): all N, or in waves until there are enough.
 * Sample k of an example has the example's seed plus k, whether the samples are asked for in one request or, after a
 * crash, in several; a wave that a crash has left half done is completed, never begun again.
 */
export function judgePairs(deps: Dependencies, input: ShardInput): Promise<ShardResult> {
  return workOnShard<ResponsePair, JudgeExample, Judgment & { unit: string; usage?: Usage }, Judgment>(
    deps,
    'judgePairs',
    input,
    ({ configuration: { seed, judging, filtering }, prompts }) => ({
      meaning: judgingMeaning({ judging, filtering }, prompts),
      units: (pairs) => pairs.flatMap((pair) => ORDERS.map((order) => judgeExample(pair, order))),
      work: async (example, existing, emit, ask) => {
        const first = samplingSeed(seed, 'judge', input.iteration, example.id);
        const messages = renderPrompt(prompts.judge, shownToJudge(example));
        const needed = neededJudgments(judging.strategy, filtering.judgmentsPerExample);
        const there = new Map<number, SampledJudgment>(
          existing.map((judgment) => [judgment.sample, judgment]),
        );
        for (const { start, end } of wavesOf(judging.strategy, judging.samples)) {
          for (const run of missingRuns(end, new Set(there.keys()), start)) {
            const { choices, usage } = await ask({
              messages,
              sampling: judging.sampling,
              samples: run.count,
              seed: first + run.start,
            });
            for (const [index, { text, finishReason }] of choices.entries()) {
              const sample = run.start + index;
              const id = `${example.id}/${String(sample).padStart(4, '0')}`;
              const judgment = { id, sample, text, verdict: parseVerdict(text), finishReason };
              there.set(sample, judgment);
              emit({
                ...judgment,
                unit: example.id,
                pairId: example.id.slice(0, -(example.order.length + 1)),
                order: example.order,
                right: isRight(judgment, example.betterSide),
                ...(index === 0 ? { usage } : {}),
              });
            }
          }
          // What a crash has left of a later wave must not end the sampling before that wave is whole.
          const whole = [...there.values()].filter(({ sample }) => sample < end);
          if (suffices(whole, example.betterSide, needed)) return;
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

/** What the judgments of a shard follow from. */
export function judgingMeaning(
  { judging, filtering }: Pick<Configuration, 'judging' | 'filtering'>,
  prompts: Pick<Prompts, 'judge'>,
): Fingerprint {
  return {
    stage: 'judge-pairs',
    prompt: hashOf(canonicalJson(prompts.judge)),
    samples: judging.samples,
    sampling: judging.sampling,
    strategy: meaningOfStrategy(judging.strategy, filtering.judgmentsPerExample),
  };
}

/** What decides how many judgments there are in the end. */
function meaningOfStrategy(strategy: SamplingStrategy, judgmentsPerExample: number): Fingerprint {
  const needed = neededJudgments(strategy, judgmentsPerExample);
  if (strategy.kind === 'all' || needed === undefined) return { kind: 'all' };
  return { kind: strategy.kind, wave: strategy.wave, right: needed.right, wrong: needed.wrong };
}
