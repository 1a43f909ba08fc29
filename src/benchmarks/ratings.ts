import { pythonStrip } from './python-text.ts';
import { mean } from './strict-scores.ts';

/** The rating of a completion without a valid rating. */
const NO_RATING = -1;

/**
 * RewardBench 2's rating: a whole number from 1 to 10 at the end of the text, `\b([1-9]|10)\b\s*$` in Python. So `8/10` is
 * 10 and `9.5` is 5, while `8.`, `**8**`, `0` and `100` are not ratings. Python's word boundary follows Unicode: no letter
 * of any alphabet may precede the number.
 */
export function ratingVerdict(text: string): string | undefined {
  return /(?<![\p{L}\p{N}_])(?:[1-9]|10)$/u.exec(pythonStrip(text))?.[0];
}

/** The mean of the valid ratings of one completion; -1 if none is valid. */
export function meanRating(verdicts: readonly (string | undefined)[]): number {
  const ratings = verdicts.filter((verdict) => verdict !== undefined).map(Number);
  return ratings.length === 0 ? NO_RATING : mean(ratings);
}

export function isRating(rating: number): boolean {
  return rating !== NO_RATING;
}
