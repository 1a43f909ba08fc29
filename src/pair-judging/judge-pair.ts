/** Judges a pair and turns the answers into a verdict. Command, client and workflow share this code. */
import type { JudgeFile } from '../api/judge-file.ts';
import { missingSampleRanges } from '../method/missing-samples.ts';
import {
  type ComparisonPair,
  orderRequest,
  type OrderRequest,
  orderVerdict,
  pairVerdict,
  type PairVerdict,
  type PresentationOrder,
  requestedOrders,
  type VotingOptions,
} from '../method/pair-comparison.ts';
import type { Choice } from '../models/inference/chat-answer.ts';
import type { InferenceClient } from '../models/inference/client.ts';
import type { CompletionRequest } from '../models/inference/completion.ts';
import type { RequestUsage, ShardRecord } from '../store/shard-types.ts';

/** The judge that decides, the number of votes, and the orders in which it judges. */
export interface PairJudge {
  readonly judge: JudgeFile;
  readonly voting: VotingOptions;
  readonly seed: number;
}

/** Sends one request to the judge. */
export type AskJudge = (
  request: Omit<OrderRequest, 'order'>,
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
}

/** The cost of a verdict. */
export interface JudgeUsage {
  /** Number of answered requests. */
  readonly requests: number;
  readonly tokens: { readonly prompt: number; readonly completion: number };
}

/** Sends requests to a judge's endpoints through the inference client, which schedules and retries them. */
export function askAtEndpoints(
  inference: InferenceClient,
  endpoints: CompletionRequest['endpoints'],
  signal: AbortSignal | undefined,
): AskJudge {
  return async ({ messages, sampling, samples, seed }) => {
    const request = { endpoints, messages, sampling, samples, seed, signal };
    const { choices, usage, requests, attempts } = await inference.complete(request);
    return { choices, usage: { ...usage, requests, retries: attempts - requests } };
  };
}

/** Requests the missing votes on a pair in one order, and emits each vote as soon as it arrives. */
export async function collectVotes(
  { judge, voting, seed }: PairJudge,
  order: PresentationOrder,
  unit: { readonly id: string; readonly pair: ComparisonPair },
  existing: readonly Vote[],
  emit: (vote: Vote) => void,
  ask: AskJudge,
): Promise<void> {
  const request = orderRequest(judge.prompt, unit.pair, order, voting, seed);
  const present = new Set(existing.filter((vote) => vote.order === order).map(({ vote }) => vote));
  for (const { start, count } of missingSampleRanges(voting.votes, present)) {
    const { choices, usage } = await ask({ ...request, samples: count, seed: request.seed + start });
    choices.forEach(({ text, reasoning, finishReason }, index) => {
      const vote = start + index;
      emit({
        id: `${unit.id}/${order}/${vote}`,
        unit: unit.id,
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

/** Counts the votes on a pair. */
export function verdictOfVotes(
  { judge, voting }: Pick<PairJudge, 'judge' | 'voting'>,
  votes: readonly Vote[],
): PairVerdict & JudgeUsage {
  const byNumber = votes.toSorted((one, other) => one.vote - other.vote);
  const orders = requestedOrders(voting).map((order) =>
    orderVerdict(
      order,
      byNumber.filter((vote) => vote.order === order),
      judge.verdict.reasoningMarks,
    ),
  );
  const usages = votes.flatMap(({ usage }) => usage ?? []);
  return {
    ...pairVerdict(orders),
    ...sumJudgeUsage(
      usages.map(({ requests = 1, promptTokens: prompt, completionTokens: completion }) => ({
        requests,
        tokens: { prompt, completion },
      })),
    ),
  };
}

/** Adds up what several verdicts cost. */
export function sumJudgeUsage(parts: readonly JudgeUsage[]): JudgeUsage {
  const sum = (value: (part: JudgeUsage) => number) => parts.reduce((total, part) => total + value(part), 0);
  return {
    requests: sum(({ requests }) => requests),
    tokens: {
      prompt: sum(({ tokens }) => tokens.prompt),
      completion: sum(({ tokens }) => tokens.completion),
    },
  };
}
