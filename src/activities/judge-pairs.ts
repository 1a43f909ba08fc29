import type { StageName } from '../api/stages.ts';
import { stableHash } from '../platform/stable-hash.ts';
import { isInPart, partOfIteration } from '../method/pair-parts.ts';
import { samplingSeed } from '../method/seeds.ts';
import {
  judgeExample,
  ORDERS,
  judgePromptValues,
  type JudgeExample,
  type ResponsePair,
} from '../method/examples.ts';
import { renderPrompt } from '../method/prompt-template.ts';
import { isCorrect, type SampledJudgment } from '../method/rejection-sampling.ts';
import { wordsBeforeVerdict } from '../method/words-before-verdict.ts';
import { parseVerdict } from '../method/verdict.ts';
import {
  requiredJudgments,
  hasRequiredJudgments,
  sampleBatches,
  type SamplingStrategy,
} from '../method/sampling-batches.ts';
import { canonicalJson } from '../platform/canonical-json.ts';
import type { Fingerprint } from '../store/artifact.ts';
import type { RequestUsage } from '../store/shard-types.ts';
import { minReasoningInputs } from '../config/fingerprint-inputs.ts';
import { marksFingerprintInputs, reasoningMarksOf } from '../config/reasoning.ts';
import type { Configuration } from '../config/run-configuration.ts';
import { missingVerdict, missingVerdictCounts } from '../method/missing-verdict.ts';
import type { Dependencies } from './dependencies.ts';
import { missingSampleRanges } from '../method/missing-samples.ts';
import { openRun, type ResolvedConfiguration } from '../runs/open-run.ts';
import type { Prompts } from '../runs/prompts.ts';
import type { ShardInput, ShardResult } from '../api/activity-types.ts';
import { processShard } from './process-shard.ts';
import type { Judgment } from '../runs/records.ts';

/**
 * Samples judgments of every pair of a shard in both orders (method, step 3): all N, or in batches until there are
 * enough. Sample k of an example has the seed of the example plus k, both in a single request and in several requests
 * after a crash. A batch that a crash has interrupted is completed, not started again.
 */
export function judgePairs(deps: Dependencies, input: ShardInput): Promise<ShardResult> {
  return processShard<
    ResolvedConfiguration,
    ResponsePair,
    JudgeExample,
    Judgment & { unit: string; usage?: RequestUsage },
    Judgment
  >(deps, 'judgePairs', input, openRun, ({ configuration, prompts }) => {
    const { seed, judging, filtering } = configuration;
    const marks = reasoningMarksOf(configuration);
    const part = partOfIteration(configuration.pairs.parts, input.iteration);
    return {
      fingerprintInputs: judgmentFingerprintInputs(configuration, prompts, input.iteration),
      units: (pairs) =>
        pairs
          .filter(({ id }) => isInPart(id, part))
          .flatMap((pair) => ORDERS.map((order) => judgeExample(pair, order))),
      work: async (example, existing, emit, ask) => {
        const first = samplingSeed(seed, 'judge', input.iteration, example.id);
        const messages = renderPrompt(prompts.judge, judgePromptValues(example));
        const needed = requiredJudgments(judging.strategy, filtering.judgmentsPerExample);
        const isLearned = (judgment: SampledJudgment) =>
          filtering.minReasoning === null || wordsBeforeVerdict(judgment, marks) >= filtering.minReasoning;
        const drawn = new Map<number, SampledJudgment>(
          existing.map((judgment) => [judgment.sample, judgment]),
        );
        for (const { start, end } of sampleBatches(judging.strategy, judging.samples)) {
          for (const run of missingSampleRanges(end, new Set(drawn.keys()), start)) {
            const { choices, usage } = await ask({
              messages,
              sampling: judging.sampling,
              samples: run.count,
              seed: first + run.start,
            });
            for (const [index, { text, reasoning, finishReason }] of choices.entries()) {
              const sample = run.start + index;
              const id = `${example.id}/${String(sample).padStart(4, '0')}`;
              const judgment = {
                id,
                sample,
                text,
                ...(reasoning === undefined ? {} : { reasoning }),
                verdict: parseVerdict(text, marks),
                finishReason,
              };
              drawn.set(sample, judgment);
              emit({
                ...judgment,
                unit: example.id,
                pairId: example.id.slice(0, -(example.order.length + 1)),
                order: example.order,
                correct: isCorrect(judgment, example.betterSide),
                ...(index === 0 ? { usage } : {}),
              });
            }
          }
          // Samples of a later, incomplete batch must not end the sampling before that batch is complete.
          const ofBatch = [...drawn.values()].filter(({ sample }) => sample < end);
          if (hasRequiredJudgments(ofBatch, example.betterSide, needed, isLearned)) return;
        }
      },
      assembleResults: (_example, records) =>
        records.map(({ unit: _unit, usage: _usage, ...judgment }) => judgment),
      countResults: (judgments) => ({
        judgments: judgments.length,
        correctJudgments: judgments.filter(({ correct }) => correct).length,
        ties: judgments.filter(({ verdict }) => verdict === 'tie').length,
        unparsableJudgments: judgments.filter(({ verdict }) => verdict === 'none').length,
        ...missingVerdictCounts(
          judgments
            .filter(({ verdict }) => verdict === 'none')
            .map((judgment) => missingVerdict(judgment, marks)),
        ),
      }),
    };
  });
}

/** The fingerprint inputs of the judgments of a shard. */
export function judgmentFingerprintInputs(
  configuration: Pick<Configuration, 'judging' | 'filtering' | 'reasoning' | 'pairs'>,
  prompts: Pick<Prompts, 'judge'>,
  iteration: number,
): Fingerprint {
  const { judging, filtering, pairs } = configuration;
  return {
    ...(pairs.parts === 1 ? {} : { ...partOfIteration(pairs.parts, iteration) }),
    stage: 'judgePairs' satisfies StageName,
    prompt: stableHash(canonicalJson(prompts.judge)),
    samples: judging.samples,
    sampling: judging.sampling,
    strategy: strategyFingerprintInputs(judging.strategy, filtering),
    ...marksFingerprintInputs(configuration),
  };
}

/** The fingerprint inputs that decide the number of judgments. */
function strategyFingerprintInputs(
  strategy: SamplingStrategy,
  {
    judgmentsPerExample,
    minReasoning,
  }: Pick<Configuration['filtering'], 'judgmentsPerExample' | 'minReasoning'>,
): Fingerprint {
  const needed = requiredJudgments(strategy, judgmentsPerExample);
  if (strategy.kind === 'all' || needed === undefined) return { kind: 'all' };
  return {
    kind: strategy.kind,
    initialBatchSize: strategy.initialBatchSize,
    correct: needed.correct,
    incorrect: needed.incorrect,
    ...minReasoningInputs(minReasoning),
  };
}
