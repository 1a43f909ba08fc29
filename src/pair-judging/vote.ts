/** The judgments of a pair, and the function that asks for them. */
import type { OrderRequest, PresentationOrder } from '../method/pair-comparison.ts';
import type { VerdictProbabilities } from '../method/verdict-probability.ts';
import type { Choice } from '../models/inference/chat-answer.ts';
import type { CompletionRequest } from '../models/inference/completion.ts';
import type { RequestUsage, ShardRecord } from '../store/shard-types.ts';

/** Sends one request to the judge. */
export type AskJudge = (
  request: Omit<OrderRequest, 'order'> & Pick<CompletionRequest, 'topLogprobs'>,
) => Promise<{ readonly choices: readonly Choice[]; readonly usage: RequestUsage }>;

/** One judgment of a pair in one order. */
export interface Vote extends ShardRecord {
  readonly order: PresentationOrder;
  /** The number of the vote in this order, from 0. */
  readonly vote: number;
  readonly text: string;
  /** The reasoning that the server returned apart from the text. */
  readonly reasoning?: string;
  readonly finishReason: string;
  /** Set if the judge was asked for its verdict alone. */
  readonly direct?: { readonly probabilities?: VerdictProbabilities };
}
