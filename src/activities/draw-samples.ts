import { missingSampleRanges } from '../method/missing-samples.ts';
import type { ChatMessage } from '../method/prompt-template.ts';
import { sampleBatches, type SamplingStrategy } from '../method/sampling-batches.ts';
import type { SamplingParameters } from '../method/sampling-parameters.ts';
import type { Choice } from '../models/inference/chat-answer.ts';
import type { RequestUsage } from '../store/shard-types.ts';
import type { SendRequest } from './process-shard.ts';

interface Drawing<Sample> {
  readonly messages: readonly ChatMessage[];
  readonly judging: {
    readonly samples: number;
    readonly sampling: SamplingParameters;
    readonly strategy: SamplingStrategy;
  };
  /** The seed of sample 0; sample k has this one plus k. */
  readonly seed: number;
  /** The number of the first sample; 0 by default. */
  readonly first?: number;
  readonly ask: SendRequest;
  /** Stores the sample of an answer. The first answer of a request carries its cost. */
  readonly receive: (choice: Choice, sample: number, usage: RequestUsage | undefined) => Sample;
  /** Returns whether the samples of the complete batches end the sampling. */
  readonly isEnough: (drawn: readonly Sample[]) => boolean;
}

/**
 * Samples judgments of an example, or plans for an instruction: all N, or in batches until there are enough. A batch that a crash has
 * interrupted is completed, not started again.
 * @param existing the samples that are there
 */
export async function drawSamples<Sample extends { readonly sample: number }>(
  { messages, judging, seed, first = 0, ask, receive, isEnough }: Drawing<Sample>,
  existing: readonly Sample[],
): Promise<void> {
  const drawn = new Map(existing.map((each) => [each.sample, each]));
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
