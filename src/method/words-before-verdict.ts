import { type ModelText, type ReasoningMarks, splitReasoning, withoutMarks } from './reasoning.ts';
import { LETTER_PATTERN } from './verdict.ts';

/** A judgment with fewer words before its verdict is a guess, if the configuration sets no other number. */
export const REASONED_WORDS = 5;

/** Scripts without spaces between words, of which each character counts as a word. */
const UNSPACED = String.raw`\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}`;
const WORD = new RegExp(`[${UNSPACED}]|[[\\p{L}\\p{N}\\p{M}]--[${UNSPACED}]]+`, 'gv');
const VERDICT = new RegExp(LETTER_PATTERN);

/**
 * Counts the words that a judge has written before its verdict: its reasoning, also one that its server returned apart, and its
 * answer up to the first verdict. What follows the verdict can't have led to it, so it doesn't count. Punctuation is no word.
 * @param pattern matches a verdict; that of a pair by default
 */
export function wordsBeforeVerdict(
  judgment: ModelText,
  marks?: readonly ReasoningMarks[],
  pattern: RegExp = VERDICT,
): number {
  const { reasoning = '', answer = '' } = splitReasoning(judgment, marks);
  const verdict = answer.search(pattern);
  const before = verdict === -1 ? answer : answer.slice(0, verdict);
  return countWords(withoutMarks(reasoning, marks)) + countWords(before);
}

function countWords(text: string): number {
  return text.match(WORD)?.length ?? 0;
}
