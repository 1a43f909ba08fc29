/** What a judgment decides: a letter, a declared tie, or nothing that can be used. */
export type Verdict = 'A' | 'B' | 'tie' | 'none';

/** The side of a response in the judge's prompt. */
export type Side = 'A' | 'B';

/** A letter as a judgment gives it: A, B, or C for a tie. */
export const LETTER_PATTERN = '\\[\\[([ABC])\\]\\]';

const LETTER = new RegExp(LETTER_PATTERN, 'g');

/**
 * The verdict of a judgment, by the rule for making training data: exactly one distinct letter among `[[A]]`, `[[B]]`
 * and `[[C]]` (a tie). A text with two different letters has none: which of them was meant is a guess.
 *
 * Stricter than the released code, which reads "A with C" as A (docs/method.md). Benchmarks score by their own
 * official parser, see `src/benchmarks`.
 */
export function parseVerdict(text: string): Verdict {
  const letters = new Set<string>();
  for (const match of text.matchAll(LETTER)) letters.add(match[1] as string);
  if (letters.size !== 1) return 'none';
  if (letters.has('A')) return 'A';
  return letters.has('B') ? 'B' : 'tie';
}
