import { answerOf, type ReasoningMarks } from './reasoning.ts';

/** The verdict of a judgment: a response's letter, a declared tie, or none. */
export type Verdict = 'A' | 'B' | 'tie' | 'none';

/** The side of a response in the judge's prompt. */
export type Side = 'A' | 'B';

/** Matches the letter in a judgment: A, B, or C for a tie. */
export const LETTER_PATTERN = '\\[\\[([ABC])\\]\\]';

const LETTER = new RegExp(LETTER_PATTERN, 'g');

/**
 * Parses the verdict of a judgment by the rule for training data: exactly one distinct letter among `[[A]]`, `[[B]]` and
 * `[[C]]` (a tie). A text with two different letters has no verdict, because it is unclear which one is meant. Reasoning is
 * not read: it may weigh both.
 *
 * This is stricter than the released code, which reads "A with C" as A (docs/method.md). Benchmarks also use their own
 * official parsers; see `src/benchmarks`.
 */
export function parseVerdict(text: string, marks?: readonly ReasoningMarks[]): Verdict {
  const letters = verdictLetters(answerOf({ text }, marks));
  if (letters.size !== 1) return 'none';
  if (letters.has('A')) return 'A';
  return letters.has('B') ? 'B' : 'tie';
}

/** The distinct letters in double brackets. */
export function verdictLetters(answer: string): ReadonlySet<string> {
  return new Set([...answer.matchAll(LETTER)].map((match) => match[1] as string));
}
