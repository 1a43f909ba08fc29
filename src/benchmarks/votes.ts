import { hashOf } from '../judge/seeds.ts';
import { parseVerdict, type Side } from '../judge/verdict.ts';
import type { BenchmarkJudgment, JudgeRequest } from './benchmark.ts';

/** The judge's texts by request. */
export class JudgmentTexts {
  readonly #texts = new Map<string, readonly string[]>();
  /** Requests that have no judgment at all. */
  readonly missing: number;

  /** @throws RangeError for a judgment of an unknown request, or a second one of the same */
  constructor(requests: readonly JudgeRequest[], judgments: readonly BenchmarkJudgment[]) {
    const known = new Set(requests.map(({ id }) => id));
    for (const { item, slot, texts } of judgments) {
      const id = requestId(item, slot);
      if (!known.has(id)) throw new RangeError(`a judgment of ${id}, which isn't asked`);
      if (this.#texts.has(id)) throw new RangeError(`two judgments of ${id}`);
      this.#texts.set(id, texts);
    }
    this.missing = known.size - judgments.filter(({ texts }) => texts.length > 0).length;
  }

  of(item: string, slot: string): readonly string[] {
    return this.#texts.get(requestId(item, slot)) ?? [];
  }
}

/** The id of an item's request. */
export function requestId(item: string, slot: string): string {
  return `${item}/${slot}`;
}

/** The verdict that most votes name; votes without one don't count, and a draw is broken by the seed. */
export function majority<Verdict extends string>(
  votes: readonly (Verdict | undefined)[],
  seed: number,
  ...parts: string[]
): Verdict | undefined {
  const counts = new Map<Verdict, number>();
  for (const vote of votes) if (vote !== undefined) counts.set(vote, (counts.get(vote) ?? 0) + 1);
  const most = Math.max(...counts.values());
  const drawn = [...counts].flatMap(([verdict, count]) => (count === most ? [verdict] : [])).sort();
  return drawn[drawIndex(drawn.length, seed, 'vote', ...parts)];
}

/** A number below `choices`, each with the same chance, that follows from the other arguments. */
export function drawIndex(choices: number, seed: number, ...parts: string[]): number {
  return Number.parseInt(hashOf(seed, ...parts).slice(0, 8), 16) % choices;
}

/** A verdict by our rule: two different letters are none. */
export function strictVerdict(text: string): Side | undefined {
  const verdict = parseVerdict(text);
  return verdict === 'A' || verdict === 'B' ? verdict : undefined;
}

/** RewardBench's published rule, which many take over: `[[A]]` anywhere is A, else `[[B]]` anywhere is B. */
export function firstLetterVerdict(text: string): Side | undefined {
  if (text.includes('[[A]]')) return 'A';
  return text.includes('[[B]]') ? 'B' : undefined;
}
