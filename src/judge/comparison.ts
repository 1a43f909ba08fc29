/**
 * Comparing two given responses with a judge: what it is asked, and what its judgments come to. The client, the command
 * line and the worker all do it by this.
 */
import type { Sampling } from '../config/schema.ts';
import { type Message, type PromptTemplate, renderPrompt } from './prompt-template.ts';
import { samplingSeed } from './seeds.ts';
import { parseVerdict, type Verdict } from './verdict.ts';

/** The orders in which two given responses are shown: the first one as A, or as B. */
export const GIVEN_ORDERS = ['as-given', 'exchanged'] as const;
export type GivenOrder = (typeof GIVEN_ORDERS)[number];

/** How often a judge is asked about a pair. */
export interface Voting {
  /** Judgments of each order. */
  readonly votes: number;
  /** `one`: the first response is A; `both`: once more with the responses exchanged. */
  readonly orders: 'one' | 'both';
  readonly sampling: Sampling;
}

/** Two responses to compare, as they are given: `a` and `b`. */
export interface GivenPair {
  readonly instruction: string;
  readonly a: string;
  readonly b: string;
}

/** What a judge wrote. */
export interface GivenJudgment {
  readonly text: string;
  /** Of the responses as they are given, whichever letter the text has: in the exchanged order its `[[A]]` is B. */
  readonly verdict: Verdict;
  readonly finishReason: string;
}

/** What the judgments of one order come to. */
export interface OrderVerdict {
  readonly order: GivenOrder;
  readonly verdict: Verdict;
  readonly votes: Readonly<Record<Verdict, number>>;
  readonly judgments: readonly GivenJudgment[];
}

/** What a judge says about two responses. */
export interface PairVerdict {
  /** `A` is the first response as it was given, `B` the second. */
  readonly verdict: Verdict;
  /** Whether both orders have the same verdict; null where one was asked alone, or one has none. */
  readonly consistent: boolean | null;
  readonly orders: readonly OrderVerdict[];
}

/** One request to a judge: all votes of one order. */
export interface OrderRequest {
  readonly order: GivenOrder;
  readonly messages: Message[];
  readonly sampling: Sampling;
  readonly samples: number;
  /** Of the first vote; it follows from what is compared, so that the same question has the same answer. */
  readonly seed: number;
}

/** The orders that are asked. */
export function askedOrders({ orders }: Pick<Voting, 'orders'>): readonly GivenOrder[] {
  return orders === 'both' ? GIVEN_ORDERS : ['as-given'];
}

/** What a judge is asked about a pair in one order. */
export function orderRequest(
  prompt: PromptTemplate,
  { instruction, a, b }: GivenPair,
  order: GivenOrder,
  { sampling, votes }: Voting,
  seed: number,
): OrderRequest {
  const [responseA, responseB] = order === 'as-given' ? [a, b] : [b, a];
  return {
    order,
    messages: renderPrompt(prompt, { instruction, responseA, responseB }),
    sampling,
    samples: votes,
    seed: samplingSeed(seed, 'compare', instruction, a, b, order),
  };
}

/** Reads the judgments of one order. */
export function orderVerdict(
  order: GivenOrder,
  texts: readonly { readonly text: string; readonly finishReason: string }[],
): OrderVerdict {
  const judgments = texts.map(({ text, finishReason }) => ({
    text,
    verdict: asGiven(parseVerdict(text), order),
    finishReason,
  }));
  const votes = { A: 0, B: 0, tie: 0, none: 0 };
  for (const { verdict } of judgments) votes[verdict] += 1;
  return { order, verdict: majorityVerdict(judgments.map(({ verdict }) => verdict)), votes, judgments };
}

/** Puts the orders of a pair together: each has one vote. */
export function pairVerdict(orders: readonly OrderVerdict[]): PairVerdict {
  const verdicts = orders.map(({ verdict }) => verdict);
  const [first, second] = verdicts;
  const bothNamed = second !== undefined && !verdicts.includes('none');
  return {
    verdict: majorityVerdict(verdicts),
    consistent: bothNamed ? first === second : null,
    orders,
  };
}

/**
 * The verdict of most votes. Those without one don't count, and a draw is a tie: nothing tells which of the responses is
 * better.
 */
export function majorityVerdict(votes: readonly Verdict[]): Verdict {
  const counts = (['A', 'B', 'tie'] as const).map((verdict) => ({
    verdict,
    count: votes.filter((vote) => vote === verdict).length,
  }));
  const most = Math.max(...counts.map(({ count }) => count));
  if (most === 0) return 'none';
  const leading = counts.filter(({ count }) => count === most);
  return leading.length === 1 && leading[0] !== undefined ? leading[0].verdict : 'tie';
}

function asGiven(verdict: Verdict, order: GivenOrder): Verdict {
  if (order === 'as-given' || verdict === 'tie' || verdict === 'none') return verdict;
  return verdict === 'A' ? 'B' : 'A';
}
