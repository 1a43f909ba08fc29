/** Judges a pair and turns the answers into a verdict. Command, client and workflow share this code. */
import type { JudgeFile } from '../api/judge-file.ts';
import {
  type ComparisonPair,
  orderRequest,
  orderVerdict,
  pairVerdict,
  type PairVerdict,
  PRESENTATION_ORDERS,
  type PresentationOrder,
  requestedOrders,
  type VotingOptions,
} from '../method/pair-comparison.ts';
import type { InferenceClient } from '../models/inference/client.ts';
import type { CompletionRequest } from '../models/inference/completion.ts';
import { requireLogprobs } from '../models/inference/require-logprobs.ts';
import {
  collectDirectVote,
  type DirectJudging,
  type DirectOutcome,
  directVerdict,
  isDirectVote,
} from './direct-verdict.ts';
import { type AskJudge, requestVotes, type Vote } from './vote.ts';

/** The judge that decides, the number of votes, and the orders in which it judges. */
export interface PairJudge {
  readonly judge: JudgeFile;
  readonly voting: VotingOptions;
  readonly seed: number;
  /** Set if pairs of which the judge is sure at once are judged without reasoning. */
  readonly direct?: DirectJudging | undefined;
}

/** The cost of a verdict. */
export interface JudgeUsage {
  /** Number of answered requests. */
  readonly requests: number;
  readonly tokens: { readonly prompt: number; readonly completion: number };
}

/** The verdict on a pair and its cost; with direct verdicts also what they were worth. */
export interface JudgedVerdict extends PairVerdict, JudgeUsage {
  readonly direct?: DirectOutcome;
}

/**
 * Sends requests to a judge's endpoints through the inference client, which schedules and retries them. A request for
 * log-probabilities fails with EndpointUnsuitable if the endpoint gives none.
 */
export function askAtEndpoints(
  inference: InferenceClient,
  endpoints: CompletionRequest['endpoints'],
  signal: AbortSignal | undefined,
): AskJudge {
  return async ({ messages, sampling, samples, seed, topLogprobs }) => {
    const request = { endpoints, messages, sampling, samples, seed, topLogprobs, signal };
    const { choices, usage, requests, attempts } = await inference.complete(request);
    if (topLogprobs !== undefined) requireLogprobs(endpoints[0], choices, 'Judge without direct verdicts');
    return { choices, usage: { ...usage, requests, retries: attempts - requests } };
  };
}

/**
 * Requests what is missing for the verdict on a pair, and emits each vote as soon as it arrives.
 * @param forEach asks in several orders, together or one after the other
 */
export async function judgePair(
  judging: PairJudge,
  unit: { readonly id: string; readonly pair: ComparisonPair },
  existing: readonly Vote[],
  emit: (vote: Vote) => void,
  ask: AskJudge,
  forEach: (
    orders: readonly PresentationOrder[],
    work: (order: PresentationOrder) => Promise<void>,
  ) => Promise<unknown>,
): Promise<void> {
  const { judge, voting, seed, direct } = judging;
  if (direct !== undefined) {
    const votes = [...existing];
    await forEach(PRESENTATION_ORDERS, (order) =>
      collectDirectVote(
        { direct, seed },
        order,
        unit,
        existing,
        (vote) => (votes.push(vote), emit(vote)),
        ask,
      ),
    );
    if (directVerdict({ direct, judge }, votes).outcome.decided) return;
  }
  await forEach(requestedOrders(voting), (order) => collectVotes(judging, order, unit, existing, emit, ask));
}

/** Requests the missing votes on a pair in one order, and emits each vote as soon as it arrives. */
async function collectVotes(
  { judge, voting, seed }: PairJudge,
  order: PresentationOrder,
  unit: { readonly id: string; readonly pair: ComparisonPair },
  existing: readonly Vote[],
  emit: (vote: Vote) => void,
  ask: AskJudge,
): Promise<void> {
  const request = orderRequest(judge.prompt, unit.pair, order, voting, seed);
  const reasoned = existing.filter((vote) => !isDirectVote(vote));
  await requestVotes(request, unit.id, reasoned, emit, ask);
}

/** Counts the votes on a pair. */
export function verdictOfVotes(
  { judge, voting, direct }: Pick<PairJudge, 'judge' | 'voting' | 'direct'>,
  votes: readonly Vote[],
): JudgedVerdict {
  const atOnce = direct === undefined ? undefined : directVerdict({ direct, judge }, votes);
  const byNumber = votes.filter((vote) => !isDirectVote(vote)).sort((one, other) => one.vote - other.vote);
  const orders = requestedOrders(voting).map((order) =>
    orderVerdict(
      order,
      byNumber.filter((vote) => vote.order === order),
      judge.verdict.reasoningMarks,
    ),
  );
  return {
    ...(atOnce?.outcome.decided === true ? atOnce.pair : pairVerdict(orders)),
    ...(atOnce === undefined ? {} : { direct: atOnce.outcome }),
    ...usageOfVotes(votes),
  };
}

/** The cost of votes. */
export function usageOfVotes(votes: readonly Vote<string>[]): JudgeUsage {
  return sumJudgeUsage(
    votes.flatMap(({ usage }) => {
      if (usage === undefined) return [];
      const { requests = 1, promptTokens: prompt, completionTokens: completion } = usage;
      return [{ requests, tokens: { prompt, completion } }];
    }),
  );
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
