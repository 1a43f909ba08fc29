import type { PairsJudgingFigures } from '../api/pairs-judging-result.ts';
import { type ItemCluster, shareInterval } from '../benchmarks/intervals.ts';
import { promptKey } from '../benchmarks/prompt-clusters.ts';
import type { JudgedPair } from './judged-pair.ts';

/** Counts verdicts one at a time, so that a file may have any size: of the labelled pairs, a number stays for each prompt. */
export class JudgingFiguresCounter {
  readonly #verdicts = { A: 0, B: 0, tie: 0, none: 0 };
  #pairs = 0;
  #failed = 0;
  #failedLabelled = 0;
  #maxOrders = 1;
  #labelled = 0;
  #correct = 0;
  readonly #prompts = new Map<string, ItemCluster>();
  #labelledOrders = 0;
  #correctOrders = 0;
  #comparable = 0;
  #consistent = 0;
  #judgments = 0;
  #unparsable = 0;
  readonly #missing = new Map<string, number>();
  /** True if a pair was judged with reasoning in one order alone. */
  #isInOneOrder = false;
  readonly #direct = { asked: 0, pairs: 0, labelled: 0, correct: 0, withoutLetter: 0, tokens: 0 };
  #requests = 0;
  readonly #tokens = { prompt: 0, completion: 0 };

  /** @param prompt the instruction of the pair: pairs of one prompt are not independent of each other */
  add(
    { verdict, label, correct, consistent, orders, direct, failed, requests, tokens }: JudgedPair,
    prompt: string,
  ): void {
    this.#pairs += 1;
    this.#verdicts[verdict] += 1;
    if (failed !== undefined) this.#failed += 1;
    if (failed !== undefined && label !== undefined) this.#failedLabelled += 1;
    this.#maxOrders = Math.max(this.#maxOrders, orders.length);
    if (orders.length === 1) this.#isInOneOrder = true;
    if (direct !== undefined) this.#addDirect(direct, correct);
    if (correct !== undefined) {
      this.#labelled += 1;
      this.#correct += Number(correct);
      const key = promptKey(prompt);
      const { items, sum } = this.#prompts.get(key) ?? { items: 0, sum: 0 };
      this.#prompts.set(key, { items: items + 1, sum: sum + Number(correct) });
    }
    if (consistent !== null) this.#comparable += 1;
    if (consistent === true) this.#consistent += 1;
    for (const order of orders) {
      if (label !== undefined) this.#labelledOrders += 1;
      if (order.verdict === label) this.#correctOrders += 1;
      this.#judgments += order.judgments.length;
      this.#unparsable += order.votes.none;
      for (const { missing } of order.judgments)
        if (missing !== undefined) this.#missing.set(missing, (this.#missing.get(missing) ?? 0) + 1);
    }
    this.#requests += requests ?? 0;
    this.#tokens.prompt += tokens?.prompt ?? 0;
    this.#tokens.completion += tokens?.completion ?? 0;
  }

  #addDirect(
    { decided, verdicts, tokens }: NonNullable<JudgedPair['direct']>,
    correct: boolean | undefined,
  ): void {
    this.#direct.asked += 1;
    this.#direct.tokens += tokens;
    if (verdicts.some((verdict) => verdict !== 'A' && verdict !== 'B')) this.#direct.withoutLetter += 1;
    if (!decided) return;
    this.#direct.pairs += 1;
    if (correct !== undefined) this.#direct.labelled += 1;
    if (correct === true) this.#direct.correct += 1;
  }

  get #directFigures(): NonNullable<PairsJudgingFigures['direct']> {
    const { asked, pairs, labelled, correct, withoutLetter, tokens } = this.#direct;
    const reasoned = asked - pairs;
    const saved = (this.#tokens.completion - tokens) * (pairs / reasoned) - tokens;
    return {
      pairs,
      accuracy: labelled === 0 ? null : correct / labelled,
      withoutLetter,
      tokens,
      savedTokens: reasoned === 0 ? null : saved,
    };
  }

  get figures(): PairsJudgingFigures {
    const hasLabels = this.#labelled > 0;
    // All orders of a refused pair count as incorrect, because the pair does.
    const labelledOrders = this.#labelledOrders + this.#failedLabelled * this.#maxOrders;
    return {
      pairs: this.#pairs,
      verdicts: { ...this.#verdicts },
      failed: this.#failed,
      labelledPairs: this.#labelled,
      accuracy: hasLabels ? this.#correct / this.#labelled : null,
      accuracyInterval: hasLabels ? shareInterval([...this.#prompts.values()]) : null,
      orderAccuracy: labelledOrders > 0 ? this.#correctOrders / labelledOrders : null,
      positionConsistency:
        this.#comparable > 0 && !this.#isInOneOrder ? this.#consistent / this.#comparable : null,
      judgments: this.#judgments,
      unparsableJudgments: this.#unparsable,
      ...(this.#missing.size === 0 ? {} : { withoutVerdict: Object.fromEntries(this.#missing) }),
      ...(this.#direct.asked === 0 ? {} : { direct: this.#directFigures }),
      requests: this.#requests,
      tokens: { ...this.#tokens },
    };
  }
}
