/**
 * Compares two responses with a judge: makes the requests, and combines the judgments to a verdict. Client, command line
 * and worker share this code.
 */
import type { SamplingParameters } from './sampling-parameters.ts';
import { type ChatMessage, type PromptTemplate, renderPrompt } from './prompt-template.ts';
import { missingVerdict } from './missing-verdict.ts';
import type { ReasoningMarks } from './reasoning.ts';
import { samplingSeed } from './seeds.ts';
import { parseVerdict, type Verdict } from './verdict.ts';

/** The orders in which a judge sees two responses: the first one as A, or as B. */
export const PRESENTATION_ORDERS = ['as-given', 'swapped'] as const;
export type PresentationOrder = (typeof PRESENTATION_ORDERS)[number];

/** How many judgments of a pair are sampled, and how. */
export interface VotingOptions {
  /** Number of judgments in each order. */
  readonly votes: number;
  /** `one`: the first response is A; `both`: also with the responses swapped. */
  readonly orders: 'one' | 'both';
  readonly sampling: SamplingParameters;
}

/** An instruction and two responses to compare. */
export interface ComparisonPair {
  readonly instruction: string;
  readonly a: string;
  readonly b: string;
}

/** One judgment: its text and verdict. */
export interface ParsedJudgment {
  readonly text: string;
  /** The reasoning that the server returned apart from the text. */
  readonly reasoning?: string;
  /** Refers to the responses in their original order: in the swapped order, a text that says `[[A]]` has the verdict B. */
  readonly verdict: Verdict;
  /** Why there is no verdict (missing-verdict.ts). */
  readonly missing?: string;
  readonly finishReason: string;
}

/** The verdict on a pair in one order, by majority. */
export interface OrderVerdict {
  readonly order: PresentationOrder;
  readonly verdict: Verdict;
  readonly votes: Readonly<Record<Verdict, number>>;
  readonly judgments: readonly ParsedJudgment[];
}

/** A judge's verdict on two responses. */
export interface PairVerdict {
  /** `A` is the first response in the original order, `B` the second. */
  readonly verdict: Verdict;
  /** True if both orders have the same verdict; null if only one order was judged, or one has no verdict. */
  readonly consistent: boolean | null;
  readonly orders: readonly OrderVerdict[];
}

/** One request to a judge, for all votes of one order. */
export interface OrderRequest {
  readonly order: PresentationOrder;
  readonly messages: ChatMessage[];
  readonly sampling: SamplingParameters;
  readonly samples: number;
  /** The seed of the first vote. It depends only on the texts, so that the same question gets the same answer. */
  readonly seed: number;
}

/** The orders in which the pair is judged. */
export function requestedOrders({ orders }: Pick<VotingOptions, 'orders'>): readonly PresentationOrder[] {
  return orders === 'both' ? PRESENTATION_ORDERS : ['as-given'];
}

/** Makes the request for one order of a pair. */
export function orderRequest(
  prompt: PromptTemplate,
  { instruction, a, b }: ComparisonPair,
  order: PresentationOrder,
  { sampling, votes }: VotingOptions,
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

/**
 * Parses the judgments of one order and takes their majority.
 * @param marks the marks around the judge's reasoning; those of known models by default
 */
export function orderVerdict(
  order: PresentationOrder,
  texts: readonly Pick<ParsedJudgment, 'text' | 'reasoning' | 'finishReason'>[],
  marks?: readonly ReasoningMarks[],
): OrderVerdict {
  const judgments = texts.map(({ text, reasoning, finishReason }): ParsedJudgment => {
    const verdict = inOriginalOrder(parseVerdict(text, marks), order);
    return {
      text,
      ...(reasoning === undefined ? {} : { reasoning }),
      verdict,
      ...(verdict === 'none' ? { missing: missingVerdict({ text, reasoning, finishReason }, marks) } : {}),
      finishReason,
    };
  });
  const votes = { A: 0, B: 0, tie: 0, none: 0 };
  for (const { verdict } of judgments) votes[verdict] += 1;
  return { order, verdict: majorityVerdict(judgments.map(({ verdict }) => verdict)), votes, judgments };
}

/** Combines the orders of a pair: each has one vote. */
export function pairVerdict(orders: readonly OrderVerdict[]): PairVerdict {
  const verdicts = orders.map(({ verdict }) => verdict);
  const [first, second] = verdicts;
  const bothHaveVerdicts = second !== undefined && !verdicts.includes('none');
  return {
    verdict: majorityVerdict(verdicts),
    consistent: bothHaveVerdicts ? first === second : null,
    orders,
  };
}

/** The verdict with the most votes. Judgments without a verdict don't count, and a draw counts as a tie. */
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

function inOriginalOrder(verdict: Verdict, order: PresentationOrder): Verdict {
  if (order === 'as-given' || verdict === 'tie' || verdict === 'none') return verdict;
  return verdict === 'A' ? 'B' : 'A';
}
