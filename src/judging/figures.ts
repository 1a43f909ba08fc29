import type { Interval } from '../benchmarks/benchmark.ts';
import type { JudgingFigures } from '../contract/judging-result.ts';
import type { JudgedPair } from './judged-pair.ts';

/** Counts verdicts one at a time, so that their file may have any size. */
export class FiguresCounter {
  readonly #verdicts = { A: 0, B: 0, tie: 0, none: 0 };
  #pairs = 0;
  #failed = 0;
  #failedKnown = 0;
  #ordersOfPair = 1;
  #known = 0;
  #right = 0;
  #knownOrders = 0;
  #rightOrders = 0;
  #inBothOrders = 0;
  #consistent = 0;
  #judgments = 0;
  #withoutVerdict = 0;
  #calls = 0;
  readonly #tokens = { prompt: 0, completion: 0 };

  add(judged: JudgedPair): void {
    const { verdict, better, right, consistent, orders, failed, calls, tokens } = judged;
    this.#pairs += 1;
    this.#verdicts[verdict] += 1;
    if (failed !== undefined) this.#failed += 1;
    if (failed !== undefined && better !== undefined) this.#failedKnown += 1;
    this.#ordersOfPair = Math.max(this.#ordersOfPair, orders.length);
    if (right !== undefined) this.#known += 1;
    if (right === true) this.#right += 1;
    if (consistent !== null) this.#inBothOrders += 1;
    if (consistent === true) this.#consistent += 1;
    for (const { verdict: ofOrder, judgments, votes } of orders) {
      if (better !== undefined) this.#knownOrders += 1;
      if (ofOrder === better) this.#rightOrders += 1;
      this.#judgments += judgments.length;
      this.#withoutVerdict += votes.none;
    }
    this.#calls += calls ?? orders.length;
    this.#tokens.prompt += tokens?.prompt ?? 0;
    this.#tokens.completion += tokens?.completion ?? 0;
  }

  get figures(): JudgingFigures {
    const isKnown = this.#known > 0;
    // All orders of a pair that was refused are wrong, as the pair is.
    const knownOrders = this.#knownOrders + this.#failedKnown * this.#ordersOfPair;
    return {
      pairs: this.#pairs,
      verdicts: { ...this.#verdicts },
      failed: this.#failed,
      known: this.#known,
      accuracy: isKnown ? this.#right / this.#known : null,
      accuracyInterval: isKnown ? wilsonInterval(this.#right, this.#known) : null,
      orderAccuracy: knownOrders > 0 ? this.#rightOrders / knownOrders : null,
      positionConsistency: this.#inBothOrders > 0 ? this.#consistent / this.#inBothOrders : null,
      judgments: this.#judgments,
      withoutVerdict: this.#withoutVerdict,
      calls: this.#calls,
      tokens: { ...this.#tokens },
    };
  }
}

/** The 95% score interval of a share (Wilson 1927): of use also where the share is 0 or 1, or the pairs are few. */
export function wilsonInterval(count: number, of: number): Interval {
  const z = 1.959963984540054;
  const share = count / of;
  const middle = (share + z ** 2 / (2 * of)) / (1 + z ** 2 / of);
  const half = (z / (1 + z ** 2 / of)) * Math.sqrt((share * (1 - share)) / of + z ** 2 / (4 * of ** 2));
  return { low: Math.max(0, middle - half), high: Math.min(1, middle + half) };
}
