/** How sure a judge is of a verdict: the probability of its letter. */
import { LETTER_PATTERN, type Side } from './verdict.ts';

/** A token of a text, its log-probability, and the most likely tokens at its place. */
export interface TokenLogprob {
  readonly token: string;
  readonly logprob: number;
  readonly top: readonly { readonly token: string; readonly logprob: number }[];
}

/** The probabilities with which a judge names each side, at the place of the letter in its text. */
export interface VerdictProbabilities {
  readonly A: number;
  readonly B: number;
}

/**
 * Reads the probabilities of both letters at the last verdict `[[A]]` or `[[B]]` of a text, or, if the text is a letter alone, at
 * that letter. A letter that is not among the most likely tokens has at most the probability of the least likely one of them, and
 * no more than what the others leave.
 * @returns undefined if the text has no such verdict, or the server gave no probabilities for its letter
 */
export function verdictProbabilities(tokens: readonly TokenLogprob[]): VerdictProbabilities | undefined {
  const text = tokens.map(({ token }) => token).join('');
  const place = letterPlace(text);
  if (place === undefined) return undefined;
  let start = 0;
  for (const { token, logprob, top } of tokens) {
    const within = place - start;
    start += token.length;
    if (within >= token.length) continue;
    const named = token[within] as Side;
    const other = named === 'A' ? 'B' : 'A';
    const counterpart = token.slice(0, within) + other + token.slice(within + 1);
    const found = top.find((each) => each.token === counterpart);
    if (found === undefined && top.length === 0) return undefined;
    const sum = top.reduce((total, each) => total + Math.exp(each.logprob), 0);
    const least = Math.min(...top.map((each) => each.logprob));
    const rest = Math.min(Math.exp(least), Math.max(0, 1 - sum));
    const probabilities = { [named]: Math.exp(logprob), [other]: found ? Math.exp(found.logprob) : rest };
    return probabilities as unknown as VerdictProbabilities;
  }
  return undefined;
}

/** A probability that is 0 for a server's rounding counts as this one. */
const LEAST_PROBABILITY = 1e-20;

/** The log-odds of a side against the other one. */
export function logOddsOf(probabilities: VerdictProbabilities, side: Side): number {
  const log = (of: Side) => Math.log(Math.max(probabilities[of], LEAST_PROBABILITY));
  return side === 'A' ? log('A') - log('B') : log('B') - log('A');
}

function letterPlace(text: string): number | undefined {
  const last = [...text.matchAll(new RegExp(LETTER_PATTERN, 'g'))].at(-1);
  if (last !== undefined) return last[1] === 'C' ? undefined : last.index + 2;
  const alone = /^\s*([AB])\s*$/.exec(text);
  return alone === null ? undefined : text.indexOf(alone[1] as string);
}
