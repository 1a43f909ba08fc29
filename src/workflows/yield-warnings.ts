import { almostVerdicts, formatReasons, missingVerdictsIn } from '../method/missing-verdict.ts';
import { SPENT_ON_REASONING } from '../method/reasoning.ts';
import type { Counts } from '../store/artifact.ts';

/** One of so many judgments that are nearly a verdict is worth a warning. */
const MANY_ALMOST = 10;

/** Warns if truncated texts, or reasoning without an answer, cost more instructions than gave a pair. */
export function pairYieldWarnings(counts: Counts = {}): string[] {
  const { pairs = 0, 'dropped: truncated': cut = 0, [`dropped: ${SPENT_ON_REASONING}`]: spent = 0 } = counts;
  const truncated = cut + spent;
  if (truncated <= pairs) return [];
  const reasoning = spent === 0 ? '' : ` (${spent} before the model's reasoning ended)`;
  return [
    `${truncated} instructions gave no pair, because a text was truncated${reasoning}, and ${pairs} gave one: raise ` +
      'pairs.responseSampling.maxTokens (and that of pairs.similarSampling), or ask for shorter texts in pairs.respondPrompt',
  ];
}

/**
 * Warns if most judgments of an iteration have no verdict, or if many have nearly one, because then a better prompt gives
 * more training examples.
 */
export function verdictWarnings(iteration: number, counts: Counts): string[] {
  return [...pairVerdictWarnings(iteration, counts), ...taskVerdictWarnings(iteration, counts)];
}

function taskVerdictWarnings(iteration: number, counts: Counts): string[] {
  const { taskJudgments = 0, unparsableTaskJudgments = 0 } = counts;
  if (2 * unparsableTaskJudgments <= taskJudgments) return [];
  return [
    `iteration ${iteration}: ${unparsableTaskJudgments} of ${taskJudgments} judgments of tasks beyond pairs have no verdict. The judge ` +
      'does not follow the format of their prompts (pairs.tasks), or its answers are truncated at judging.sampling.maxTokens',
  ];
}

function pairVerdictWarnings(iteration: number, counts: Counts): string[] {
  const { judgments = 0, unparsableJudgments = 0 } = counts;
  const missing = missingVerdictsIn(counts);
  const almost = almostVerdicts(missing);
  if (2 * unparsableJudgments <= judgments && !(almost > 0 && MANY_ALMOST * almost >= judgments)) return [];
  const reasons = formatReasons(missing);
  return [
    `iteration ${iteration}: ${unparsableJudgments} of ${judgments} judgments have no verdict${reasons === '' ? '' : `: ${reasons}`}. ` +
      'The judge does not follow the format of judging.prompt, or its answers are truncated at judging.sampling.maxTokens',
  ];
}
