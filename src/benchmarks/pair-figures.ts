import { ORDERS } from '../judge/examples.ts';
import type { OfficialFigure } from './benchmark.ts';
import type { JudgedPair, OrderVerdict } from './judged-pairs.ts';
import { meanOrNull } from './strict-scores.ts';

/** Whether a judged order is right; a tie or no verdict is not. */
export function isRight(order: OrderVerdict, rule: 'official' | 'strict'): boolean {
  return order[rule] === order.betterSide;
}

/** The usual two figures of pairs: right over both orders, and right in both. No verdict is wrong. */
export function pairFigures(
  judged: readonly JudgedPair[],
  rule: 'official' | 'strict',
): [accuracy: OfficialFigure, consistent: OfficialFigure] {
  const right = judged.map(({ orders }) => ORDERS.map((order) => isRight(orders[order], rule)));
  return [
    { name: 'accuracy, both orders', value: meanOrNull(right.flat().map(Number)) },
    { name: 'right in both orders', value: meanOrNull(right.map((both) => Number(both.every(Boolean)))) },
  ];
}

/** What both orders of a pair come to together: the same response twice, no verdict twice, or neither. */
export function agreementOf({ orders }: JudgedPair): 'response' | 'none' | 'different' {
  const [first, second] = ORDERS.map((order) => {
    const { official, betterSide } = orders[order];
    if (official !== 'A' && official !== 'B') return 'none';
    return official === betterSide ? 'better' : 'worse';
  });
  if (first !== second) return 'different';
  return first === 'none' ? 'none' : 'response';
}
