import { judgeExample, type Order, ORDERS, judgePromptValues } from '../method/examples.ts';
import type { Side } from '../method/verdict.ts';
import type { BenchmarkPair, JudgeRequest } from './benchmark.ts';
import type { GradedItem, ParsedText } from './strict-scores.ts';
import {
  type JudgmentTexts,
  majority,
  officialMajority,
  type OfficialVote,
  requestId,
  type VerdictRules,
} from './votes.ts';

/** The verdict of a text about a pair: a response, a tie, or undefined if there is none. */
export type ParsedVerdict = Side | 'tie' | undefined;

/** The parsers of a benchmark of pairs. */
export type PairRules = VerdictRules<Side | 'tie'>;

/** The result of one order of a pair: its verdicts by both rules, and its parsed texts. */
export interface OrderResult {
  /** The side of the better response. */
  betterSide: Side;
  strict: ParsedVerdict;
  official: ParsedVerdict;
  texts: readonly ParsedText<Side | 'tie'>[];
}

export interface PairResult<Pair extends BenchmarkPair = BenchmarkPair> {
  pair: Pair;
  orders: Record<Order, OrderResult>;
}

/** The requests for both orders of a pair. */
export function pairRequests(pair: BenchmarkPair, slotPrefix = ''): JudgeRequest[] {
  return ORDERS.map((order) => {
    const slot = slotPrefix + order;
    const values = judgePromptValues(judgeExample(pair, order));
    return { id: requestId(pair.id, slot), item: pair.id, slot, prompt: 'pairwise', values };
  });
}

/** The side of the better response in a request for a pair, by its slot; undefined for any other request. */
export function betterSideOf(slot: string): Side | undefined {
  if (slot.endsWith('better-first' satisfies Order)) return 'A';
  return slot.endsWith('worse-first' satisfies Order) ? 'B' : undefined;
}

/** Combines the judgments of a pair. Several texts for one order are votes; those without a verdict don't count. */
export function pairResult<Pair extends BenchmarkPair>(
  pair: Pair,
  textsOf: (order: Order) => OrderResult['texts'],
  seed: number,
  officialVote?: OfficialVote,
): PairResult<Pair> {
  const orderVerdict = (order: Order): OrderResult => {
    const texts = textsOf(order);
    const [strict, official] = [texts.map((text) => text.strict), texts.map((text) => text.official)];
    return {
      betterSide: order === 'better-first' ? 'A' : 'B',
      strict: majority(strict, seed, pair.id, order),
      official: officialMajority(official, officialVote, seed, pair.id, order),
      texts,
    };
  };
  const orders = { 'better-first': orderVerdict('better-first'), 'worse-first': orderVerdict('worse-first') };
  return { pair, orders };
}

/** The results of all pairs of a benchmark. */
export function pairResults(
  pairs: readonly BenchmarkPair[],
  texts: JudgmentTexts,
  rules: PairRules,
  seed: number,
): PairResult[] {
  return pairs.map((pair) =>
    pairResult(pair, (order) => texts.parse(pair.id, order, rules), seed, rules.officialVote),
  );
}

/** Grades a pair by the strict rule. */
export function gradePair({ pair, orders }: PairResult, cluster: string): GradedItem {
  return {
    id: pair.id,
    subset: pair.subset,
    ...(cluster === pair.id ? {} : { cluster }),
    answers: ORDERS.map((order) => {
      const { strict, betterSide, texts } = orders[order];
      return {
        correct: strict === betterSide,
        position: order === 'better-first' ? 'first' : 'later',
        texts,
      };
    }),
  };
}
