import { type Order, ORDERS } from '../judge/examples.ts';
import { hashOf } from '../judge/seeds.ts';
import { parseVerdict, type Side } from '../judge/verdict.ts';
import type { BenchmarkJudgment, BenchmarkPair } from './benchmark.ts';

/** What one order of a pair came to: its verdict by either rule, and what its texts were like. */
export interface OrderVerdict {
  /** The side where the better response stood. */
  betterSide: Side;
  strict: Side | undefined;
  official: Side | undefined;
  texts: { strict: Side | undefined; official: Side | undefined }[];
}

export interface JudgedPair {
  pair: BenchmarkPair;
  orders: Record<Order, OrderVerdict>;
}

/**
 * Puts the judgments of each pair together and reads their verdicts by both rules. Several texts for one order vote:
 * those without a verdict don't count, and a draw is broken by the seed.
 *
 * @throws RangeError for a judgment of an unknown pair, or a second one for the same pair and order
 */
export function judgedPairs(
  pairs: readonly BenchmarkPair[],
  judgments: readonly BenchmarkJudgment[],
  officialVerdict: (text: string) => Side | undefined,
  seed: number,
): JudgedPair[] {
  const known = new Set(pairs.map((pair) => pair.id));
  const texts = new Map<string, readonly string[]>();
  for (const judgment of judgments) {
    const key = `${judgment.pairId}/${judgment.order}`;
    if (!known.has(judgment.pairId))
      throw new RangeError(`a judgment of pair ${judgment.pairId}, which isn't there`);
    if (texts.has(key)) throw new RangeError(`two judgments of pair ${judgment.pairId}, ${judgment.order}`);
    texts.set(key, judgment.texts);
  }
  const orderVerdict = (pair: BenchmarkPair, order: Order): OrderVerdict => {
    const read = (texts.get(`${pair.id}/${order}`) ?? []).map((text) => ({
      strict: strictVerdict(text),
      official: officialVerdict(text),
    }));
    return {
      betterSide: order === 'better-first' ? 'A' : 'B',
      strict: majority(
        read.map((text) => text.strict),
        seed,
        pair.id,
        order,
      ),
      official: majority(
        read.map((text) => text.official),
        seed,
        pair.id,
        order,
      ),
      texts: read,
    };
  };
  return pairs.map((pair) => {
    const [betterFirst, worseFirst] = ORDERS.map((order) => orderVerdict(pair, order)) as [
      OrderVerdict,
      OrderVerdict,
    ];
    return { pair, orders: { 'better-first': betterFirst, 'worse-first': worseFirst } };
  });
}

function strictVerdict(text: string): Side | undefined {
  const verdict = parseVerdict(text);
  return verdict === 'A' || verdict === 'B' ? verdict : undefined;
}

function majority(votes: (Side | undefined)[], seed: number, pairId: string, order: Order): Side | undefined {
  const forA = votes.filter((vote) => vote === 'A').length;
  const forB = votes.filter((vote) => vote === 'B').length;
  if (forA === 0 && forB === 0) return undefined;
  if (forA === forB) return coin(seed, 'vote', pairId, order) ? 'A' : 'B';
  return forA > forB ? 'A' : 'B';
}

/** A fair coin that follows from its arguments. */
export function coin(seed: number, ...parts: string[]): boolean {
  return Number.parseInt(hashOf(seed, ...parts).slice(0, 8), 16) % 2 === 0;
}
