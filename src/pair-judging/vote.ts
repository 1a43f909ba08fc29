/** The judgments of a pair or of another record, and how they are asked for. */
import { missingSampleRanges } from '../method/missing-samples.ts';
import type { OrderRequest, PresentationOrder } from '../method/pair-comparison.ts';
import type { VerdictProbabilities } from '../method/verdict-probability.ts';
import type { Choice } from '../models/inference/chat-answer.ts';
import type { CompletionRequest } from '../models/inference/completion.ts';
import type { RequestUsage, ShardRecord } from '../store/shard-types.ts';

/** Sends one request to the judge. */
export type AskJudge = (
  request: Omit<OrderRequest, 'order'> & Pick<CompletionRequest, 'topLogprobs'>,
) => Promise<{ readonly choices: readonly Choice[]; readonly usage: RequestUsage }>;

/** One judgment in one order: of a pair, or of the responses of another task. */
export interface Vote<Order extends string = PresentationOrder> extends ShardRecord {
  readonly order: Order;
  /** The number of the vote in this order, from 0. */
  readonly vote: number;
  readonly text: string;
  /** The reasoning that the server returned apart from the text. */
  readonly reasoning?: string;
  readonly finishReason: string;
  /** Set if the judge was asked for its verdict alone. */
  readonly direct?: { readonly probabilities?: VerdictProbabilities };
}

/** A request for all votes in one order. */
type VotesRequest<Order extends string> = Omit<OrderRequest, 'order'> & { readonly order: Order };

/** Requests the missing votes on a unit in one order, and emits each vote as soon as it arrives. */
export async function requestVotes<Order extends string>(
  { order, ...request }: VotesRequest<Order>,
  unit: string,
  existing: readonly Vote<Order>[],
  emit: (vote: Vote<Order>) => void,
  ask: AskJudge,
): Promise<void> {
  const present = new Set(existing.filter((vote) => vote.order === order).map(({ vote }) => vote));
  for (const { start, count } of missingSampleRanges(request.samples, present)) {
    const { choices, usage } = await ask({ ...request, samples: count, seed: request.seed + start });
    choices.forEach(({ text, reasoning, finishReason }, index) => {
      const vote = start + index;
      emit({
        id: `${unit}/${order}/${vote}`,
        unit,
        order,
        vote,
        text,
        ...(reasoning === undefined ? {} : { reasoning }),
        finishReason,
        // The first vote carries the cost of the request.
        ...(index === 0 ? { usage } : {}),
      });
    });
  }
}
