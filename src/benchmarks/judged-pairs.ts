import { judgeExample, type Order, ORDERS, shownToJudge } from '../judge/examples.ts';
import type { Side } from '../judge/verdict.ts';
import type { BenchmarkPair, JudgeRequest } from './benchmark.ts';
import type { Graded, ReadText } from './strict-scores.ts';
import { type JudgmentTexts, majority, requestId } from './votes.ts';

/** What a text about a pair says: a response, that neither is better, or nothing. */
export type PairVerdict = Side | 'tie' | undefined;

/** How the texts about a pair are read: as the benchmark's published script does, and by our own rule. */
export interface PairRules {
  readonly official: (text: string) => PairVerdict;
  readonly strict: (text: string) => PairVerdict;
}

/** What one order of a pair came to: its verdict by either rule, and what its texts were like. */
export interface OrderVerdict {
  /** The side where the better response stood. */
  betterSide: Side;
  strict: PairVerdict;
  official: PairVerdict;
  texts: readonly ReadText[];
}

export interface JudgedPair<Pair extends BenchmarkPair = BenchmarkPair> {
  pair: Pair;
  orders: Record<Order, OrderVerdict>;
}

/** Both orders of a pair as requests to the judge. */
export function pairRequests(pair: BenchmarkPair, slotPrefix = ''): JudgeRequest[] {
  return ORDERS.map((order) => {
    const slot = slotPrefix + order;
    const values = shownToJudge(judgeExample(pair, order));
    return { id: requestId(pair.id, slot), item: pair.id, slot, prompt: 'pairwise', values };
  });
}

/** Puts the judgments of each pair together. Several texts for one order vote: those without a verdict don't count. */
export function judgePair<Pair extends BenchmarkPair>(
  pair: Pair,
  textsOf: (order: Order) => readonly string[],
  rules: PairRules,
  seed: number,
): JudgedPair<Pair> {
  const orderVerdict = (order: Order): OrderVerdict => {
    const texts = textsOf(order).map((text) => ({
      strict: rules.strict(text),
      official: rules.official(text),
    }));
    const vote = (rule: 'strict' | 'official') =>
      majority(
        texts.map((text) => text[rule]),
        seed,
        pair.id,
        order,
      );
    return {
      betterSide: order === 'better-first' ? 'A' : 'B',
      strict: vote('strict'),
      official: vote('official'),
      texts,
    };
  };
  const orders = { 'better-first': orderVerdict('better-first'), 'worse-first': orderVerdict('worse-first') };
  return { pair, orders };
}

/** The judged pairs of a benchmark whose items are pairs. */
export function judgedPairs(
  pairs: readonly BenchmarkPair[],
  texts: JudgmentTexts,
  rules: PairRules,
  seed: number,
): JudgedPair[] {
  return pairs.map((pair) => judgePair(pair, (order) => texts.of(pair.id, order), rules, seed));
}

/** A judged pair as our rule counts it. */
export function gradePair({ pair, orders }: JudgedPair, cluster?: string): Graded {
  return {
    id: pair.id,
    subset: pair.subset,
    ...(cluster === undefined ? {} : { cluster }),
    answers: ORDERS.map((order) => {
      const { strict, betterSide, texts } = orders[order];
      return { right: strict === betterSide, place: order === 'better-first' ? 'first' : 'later', texts };
    }),
  };
}
