import type { Counts } from '../store/artifact.ts';

/** Warns if truncated texts cost more instructions than gave a pair. */
export function pairYieldWarnings(counts: Counts = {}): string[] {
  const { pairs = 0, 'dropped: truncated': truncated = 0 } = counts;
  if (truncated <= pairs) return [];
  return [
    `${truncated} instructions gave no pair, because a text was truncated, and ${pairs} gave one: raise ` +
      'pairs.responseSampling.maxTokens (and that of pairs.similarSampling), or ask for shorter texts in pairs.respondPrompt',
  ];
}

/** Warns if most judgments of an iteration have no verdict. */
export function verdictWarnings(
  iteration: number,
  { judgments = 0, unparsableJudgments = 0 }: Counts,
): string[] {
  if (2 * unparsableJudgments <= judgments) return [];
  return [
    `iteration ${iteration}: ${unparsableJudgments} of ${judgments} judgments have no verdict, so the judge does not follow the format of ` +
      'judging.prompt, or its answers are truncated at judging.sampling.maxTokens',
  ];
}
