import type { JudgeExample } from './examples.ts';
import {
  isCorrect,
  keepCorrectJudgments,
  selectionOrderOf,
  type CountedJudgment,
  type SampledJudgment,
} from './rejection-sampling.ts';
import type { Side } from './verdict.ts';

/** An example with all its sampled judgments. */
export interface JudgedExample<J extends SampledJudgment = SampledJudgment> {
  readonly example: JudgeExample;
  readonly judgments: readonly J[];
}

/** The settings of `judging` and `filtering` that decide which judgments of a pair are selected. */
export interface JudgmentSelectionRules {
  readonly strategy: { readonly kind: 'all' | 'until-correct' };
  readonly target: 'construction' | 'majority-vote';
  readonly judgmentsPerExample: number;
  readonly majorityThreshold: number | null;
  readonly positionConsistentOnly: boolean;
  /** The least number of words before the verdict of a selected judgment; null selects guesses too. */
  readonly minReasoning: number | null;
}

/** The reasons why no judgment of an example is selected, in the order in which they are checked. */
export const DROP_REASONS = [
  'no judgment',
  'no majority',
  'no correct judgment',
  'no reasoned judgment',
  'below the majority threshold',
  'not position-consistent',
] as const;
export type DropReason = (typeof DROP_REASONS)[number];

/** The selected judgments of an example, or the reason why there are none. */
export type JudgmentSelection<J extends SampledJudgment> = { readonly example: JudgeExample } & (
  | { readonly targetSide: Side; readonly kept: readonly J[]; readonly dropped?: undefined }
  | { readonly dropped: DropReason; readonly kept?: undefined }
);

/**
 * Selects the judgments of a pair, in both its orders, that the next judge is trained on (method, step 4): rejection
 * sampling and the rules of `filtering`. With `positionConsistentOnly`, a pair has the same number of selected judgments
 * in both orders, so it is already balanced.
 */
export function selectJudgments<J extends CountedJudgment>(
  orders: readonly JudgedExample<J>[],
  rules: JudgmentSelectionRules,
  seed: number,
): JudgmentSelection<J>[] {
  const selections = orders.map((order) => selectForExample(order, rules, seed));
  if (!rules.positionConsistentOnly) return selections;
  const targets = selections.map((selection) =>
    selection.dropped === undefined ? selection.targetSide === selection.example.betterSide : undefined,
  );
  // The majorities of both orders may name different responses; then the position decided, not the content.
  const consistent = targets[0] !== undefined && targets.every((target) => target === targets[0]);
  const fewest = Math.min(...selections.map(({ kept }) => kept?.length ?? 0));
  return selections.map((selection) => {
    if (selection.dropped !== undefined) return selection;
    if (!consistent) return { example: selection.example, dropped: 'not position-consistent' };
    return { ...selection, kept: selection.kept.slice(0, fewest) };
  });
}

function selectForExample<J extends CountedJudgment>(
  { example, judgments }: JudgedExample<J>,
  { strategy, target, judgmentsPerExample, majorityThreshold, minReasoning }: JudgmentSelectionRules,
  seed: number,
): JudgmentSelection<J> {
  const dropped = (reason: DropReason): JudgmentSelection<J> => ({ example, dropped: reason });
  if (judgments.length === 0) return dropped('no judgment');
  const targetSide = target === 'construction' ? example.betterSide : majoritySide(judgments);
  if (targetSide === undefined) return dropped('no majority');
  const correct = judgments.filter((judgment) => isCorrect(judgment, targetSide)).length;
  if (correct === 0) return dropped('no correct judgment');
  const kept = keepCorrectJudgments(
    judgments.filter(({ wordsBeforeVerdict }) => wordsBeforeVerdict >= (minReasoning ?? 0)),
    targetSide,
    selectionOrderOf(strategy, seed),
    judgmentsPerExample,
  );
  if (kept.length === 0) return dropped('no reasoned judgment');
  if (majorityThreshold !== null && correct / judgments.length < majorityThreshold)
    return dropped('below the majority threshold');
  return { example, targetSide, kept };
}

/** The side with the most judgments; undefined for a draw. Ties, missing verdicts and truncated judgments don't count. */
export function majoritySide(judgments: readonly SampledJudgment[]): Side | undefined {
  const votes = (side: Side) => judgments.filter((judgment) => isCorrect(judgment, side)).length;
  const [a, b] = [votes('A'), votes('B')];
  if (a === b) return undefined;
  return a > b ? 'A' : 'B';
}
