import { stableHash } from '../platform/stable-hash.ts';
import { parseVerdict, type Side } from '../method/verdict.ts';
import { type EndedText, missingVerdict, type VerdictForm } from '../method/missing-verdict.ts';
import { answerOf, type ReasoningMarks } from '../method/reasoning.ts';
import type { BenchmarkJudgment, JudgeRequest, ScoringOptions } from './benchmark.ts';
import type { ParsedText } from './strict-scores.ts';
import { wordCount } from '../datasets/word-hashes.ts';

/** The parsers of a benchmark: that of its published script, and our strict rule. */
export interface VerdictRules<Verdict extends string> {
  readonly official: (text: string) => Verdict | undefined;
  readonly strict: (text: string) => Verdict | undefined;
  /** How the published script counts several votes; like our rule by default. */
  readonly officialVote?: OfficialVote | undefined;
  /** How a verdict is recognised, to say why a text has none; that of pairs by default. */
  readonly form?: VerdictForm | undefined;
}

/**
 * How a published script counts several votes. `errors vote`: a missing verdict is a vote like the letters, so that it can
 * win. `absolute majority`: there is no verdict unless more than half of all votes, missing ones included, are equal.
 */
export type OfficialVote = 'errors vote' | 'absolute majority';

/**
 * Parses a text by both rules: the official one as the published script does, and the strict one behind the reasoning of a
 * model that thinks before it answers.
 */
function parseByBothRules<Verdict extends string>(
  judgment: EndedText,
  { official, strict, form }: VerdictRules<Verdict>,
  marks: readonly ReasoningMarks[] | undefined,
): ParsedText<Verdict> {
  const verdict = strict(answerOf(judgment, marks));
  return {
    strict: verdict,
    official: official(judgment.text),
    words: wordCount(judgment.text) + wordCount(judgment.reasoning ?? ''),
    ...(verdict === undefined ? { missing: missingVerdict(judgment, marks, form) } : {}),
  };
}

/** The judge's texts for each request. */
export class JudgmentTexts {
  readonly #texts = new Map<string, readonly EndedText[]>();
  readonly #marks: readonly ReasoningMarks[] | undefined;
  /** Number of requests without a judgment. */
  readonly missing: number;

  /** @throws RangeError if a judgment has an unknown request, or a request has two judgments */
  constructor(
    requests: readonly JudgeRequest[],
    judgments: readonly BenchmarkJudgment[],
    { reasoningMarks }: Pick<ScoringOptions, 'reasoningMarks'>,
  ) {
    this.#marks = reasoningMarks;
    const requestIds = new Set(requests.map(({ id }) => id));
    for (const { item, slot, texts } of judgments) {
      const id = requestId(item, slot);
      if (!requestIds.has(id)) throw new RangeError(`a judgment of the unknown request ${id}`);
      if (this.#texts.has(id)) throw new RangeError(`two judgments of ${id}`);
      this.#texts.set(
        id,
        texts.map((text) => (typeof text === 'string' ? { text } : text)),
      );
    }
    this.missing = requestIds.size - judgments.filter(({ texts }) => texts.length > 0).length;
  }

  /** The verdicts of the texts for a request by both rules. */
  parse<Verdict extends string>(
    item: string,
    slot: string,
    rules: VerdictRules<Verdict>,
  ): ParsedText<Verdict>[] {
    const texts = this.#texts.get(requestId(item, slot)) ?? [];
    return texts.map((text) => parseByBothRules(text, rules, this.#marks));
  }
}

/** The id of an item's request. */
export function requestId(item: string, slot: string): string {
  return `${item}/${slot}`;
}

/** The verdict with the most votes. Votes without a verdict don't count, and the seed decides a draw. */
export function majority<Verdict extends string>(
  votes: readonly (Verdict | undefined)[],
  seed: number,
  ...parts: string[]
): Verdict | undefined {
  const counts = new Map<Verdict, number>();
  for (const vote of votes) if (vote !== undefined) counts.set(vote, (counts.get(vote) ?? 0) + 1);
  const most = Math.max(...counts.values());
  const leading = [...counts].flatMap(([verdict, count]) => (count === most ? [verdict] : [])).sort();
  return leading[drawIndex(leading.length, seed, 'vote', ...parts)];
}

/** The verdict of several votes as a published script counts them. */
export function officialMajority<Verdict extends string>(
  votes: readonly (Verdict | undefined)[],
  rule: OfficialVote | undefined,
  seed: number,
  ...parts: string[]
): Verdict | undefined {
  if (rule === undefined) return majority(votes, seed, ...parts);
  const winner = majority<Verdict | 'error'>(
    votes.map((vote) => vote ?? 'error'),
    seed,
    ...parts,
  );
  const count = votes.filter((vote) => (vote ?? 'error') === winner).length;
  if (winner === undefined || winner === 'error') return undefined;
  return rule === 'absolute majority' && count <= votes.length / 2 ? undefined : winner;
}

/** A uniformly distributed number below `choices` that depends only on the other arguments. */
export function drawIndex(choices: number, seed: number, ...parts: string[]): number {
  return Number.parseInt(stableHash(seed, ...parts).slice(0, 8), 16) % choices;
}

/** The verdict by the strict rule: undefined for a tie, no letter or two different letters. */
export function strictVerdict(text: string): Side | undefined {
  const verdict = parseVerdict(text);
  return verdict === 'A' || verdict === 'B' ? verdict : undefined;
}

/** RewardBench's published rule, which many benchmarks use: `[[A]]` anywhere is A, otherwise `[[B]]` anywhere is B. */
export function firstLetterVerdict(text: string): Side | undefined {
  if (text.includes('[[A]]')) return 'A';
  return text.includes('[[B]]') ? 'B' : undefined;
}
