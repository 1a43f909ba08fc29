import type { Counts } from '../artifacts/reference.ts';

/** Says so where more instructions were lost to texts that were cut off than came to a pair. */
export function pairWarnings(counts: Counts = {}): string[] {
  const { pairs = 0, 'dropped: truncated': truncated = 0 } = counts;
  if (truncated <= pairs) return [];
  return [
    `${truncated} instructions gave no pair, because a text was cut off before its end, and ${pairs} gave one: raise ` +
      'pairs.responseSampling.maxTokens (and that of pairs.similarSampling), or have shorter texts asked for by pairs.respondPrompt',
  ];
}

/** Says so where most judgments of an iteration's pairs have no verdict. */
export function verdictWarnings(iteration: number, { judgments = 0, noVerdict = 0 }: Counts): string[] {
  if (2 * noVerdict <= judgments) return [];
  return [
    `iteration ${iteration}: ${noVerdict} of ${judgments} judgments have no verdict, so the judge seldom answers as judging.prompt ` +
      'asks, or is cut off at judging.sampling.maxTokens',
  ];
}
