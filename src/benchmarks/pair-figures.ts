import { ORDERS } from '../method/examples.ts';
import type { OfficialFigure } from './benchmark.ts';
import type { PairResult, OrderResult } from './judged-pairs.ts';
import { meanOrNull } from './strict-scores.ts';

/** Returns whether the verdict of one order is correct; a tie or a missing verdict is not. */
export function isOrderCorrect(order: OrderResult, rule: 'official' | 'strict'): boolean {
  return order[rule] === order.betterSide;
}

/** The usual two scores of pairs: accuracy over both orders, and the share correct in both. A missing verdict is incorrect. */
export function pairFigures(
  judged: readonly PairResult[],
  rule: 'official' | 'strict',
): [accuracy: OfficialFigure, consistent: OfficialFigure] {
  const correct = judged.map(({ orders }) => ORDERS.map((order) => isOrderCorrect(orders[order], rule)));
  return [
    { name: 'accuracy, both orders', value: meanOrNull(correct.flat().map(Number)) },
    { name: 'correct in both orders', value: meanOrNull(correct.map((both) => Number(both.every(Boolean)))) },
  ];
}

/** Returns whether both orders of a pair name the same response, have no verdict, or differ. */
export function orderAgreement({ orders }: PairResult): 'response' | 'none' | 'different' {
  const [first, second] = ORDERS.map((order) => {
    const { official, betterSide } = orders[order];
    if (official !== 'A' && official !== 'B') return 'none';
    return official === betterSide ? 'better' : 'worse';
  });
  if (first !== second) return 'different';
  return first === 'none' ? 'none' : 'response';
}
