import { missingSampleRanges } from '../method/missing-samples.ts';
import type { ChatMessage } from '../method/prompt-template.ts';
import { sampleBatches, type SamplingStrategy } from '../method/sampling-batches.ts';
import type { SamplingParameters } from '../method/sampling-parameters.ts';
import type { Choice } from '../models/inference/chat-answer.ts';
import type { RequestUsage } from '../store/shard-types.ts';
import type { SendRequest } from './process-shard.ts';

interface JudgmentSampling<J> {
  readonly messages: readonly ChatMessage[];
  readonly judging: {
    readonly samples: number;
    readonly sampling: SamplingParameters;
    readonly strategy: SamplingStrategy;
  };
  /** Of sample 0; sample k has this seed plus k. */
  readonly seed: number;
  /** The number of the first sample; 0 by default. */
  readonly first?: number;
  readonly ask: SendRequest;
  /** Stores the judgment of an answer. The first answer of a request carries its cost. */
  readonly receive: (choice: Choice, sample: number, usage: RequestUsage | undefined) => J;
  /** Returns whether the judgments of the complete batches end the sampling. */
  readonly isEnough: (judgments: readonly J[]) => boolean;
}

/**
 * Samples judgments of an example: all N, or in batches until there are enough. A batch that a crash has interrupted is completed,
 * not started again.
 * @param existing the judgments that are there
 */
export async function sampleJudgments<J extends { readonly sample: number }>(
  { messages, judging, seed, first = 0, ask, receive, isEnough }: JudgmentSampling<J>,
  existing: readonly J[],
): Promise<void> {
  const drawn = new Map(existing.map((judgment) => [judgment.sample, judgment]));
  for (const { start, end } of sampleBatches(judging.strategy, judging.samples)) {
    for (const run of missingSampleRanges(first + end, new Set(drawn.keys()), first + start)) {
      const { choices, usage } = await ask({
        messages,
        sampling: judging.sampling,
        samples: run.count,
        seed: seed + run.start,
      });
      for (const [index, choice] of choices.entries()) {
        const sample = run.start + index;
        drawn.set(sample, receive(choice, sample, index === 0 ? usage : undefined));
      }
    }
    // Samples of a later, incomplete batch must not end the sampling before that batch is complete.
    if (isEnough([...drawn.values()].filter(({ sample }) => sample < first + end))) return;
  }
}
