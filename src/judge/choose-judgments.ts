import type { JudgeExample } from './examples.ts';
import { isRight, keepRightJudgments, takingOf, type SampledJudgment } from './rejection-sampling.ts';
import type { Side } from './verdict.ts';

/** An example with all judgments of it that were drawn. */
export interface JudgedExample<J extends SampledJudgment = SampledJudgment> {
  readonly example: JudgeExample;
  readonly judgments: readonly J[];
}

/** The settings of `judging` and `filtering` that decide which judgments of a pair are kept. */
export interface ChoosingRules {
  readonly strategy: { readonly kind: 'all' | 'until-correct' };
  readonly target: 'construction' | 'majority-vote';
  readonly judgmentsPerExample: number;
  readonly majorityThreshold: number | null;
  readonly positionConsistentOnly: boolean;
}

/** Why an example of a pair gives no training example. In the order in which they are looked at. */
export const DROP_REASONS = [
  'no judgment',
  'no majority',
  'no right judgment',
  'below the majority threshold',
  'not position-consistent',
] as const;
export type DropReason = (typeof DROP_REASONS)[number];

/** What becomes of an example: kept judgments, which reach its right side, or the reason why there are none. */
export type Choice<J extends SampledJudgment> = { readonly example: JudgeExample } & (
  | { readonly rightSide: Side; readonly kept: readonly J[]; readonly dropped?: undefined }
  | { readonly dropped: DropReason; readonly kept?: undefined }
);

/**
 * Chooses the judgments of a pair that teach (method, step 4), for both orders of it: rejection sampling, and what
 * `filtering` adds to it. A pair that must be consistent keeps as many judgments in one order as in the other, so that
 * what it teaches is balanced already.
 */
export function chooseJudgments<J extends SampledJudgment>(
  orders: readonly JudgedExample<J>[],
  rules: ChoosingRules,
  seed: number,
): Choice<J>[] {
  const choices = orders.map((order) => chooseOfExample(order, rules, seed));
  if (!rules.positionConsistentOnly) return choices;
  const targets = choices.map((choice) =>
    choice.dropped === undefined ? choice.rightSide === choice.example.betterSide : undefined,
  );
  // A vote may name one response in one order and the other in the other: the judge's position, not its opinion.
  const consistent = targets[0] !== undefined && targets.every((target) => target === targets[0]);
  const most = Math.min(...choices.map(({ kept }) => kept?.length ?? 0));
  return choices.map((choice) => {
    if (choice.dropped !== undefined) return choice;
    if (!consistent) return { example: choice.example, dropped: 'not position-consistent' };
    return { ...choice, kept: choice.kept.slice(0, most) };
  });
}

function chooseOfExample<J extends SampledJudgment>(
  { example, judgments }: JudgedExample<J>,
  { strategy, target, judgmentsPerExample, majorityThreshold }: ChoosingRules,
  seed: number,
): Choice<J> {
  const dropped = (reason: DropReason): Choice<J> => ({ example, dropped: reason });
  if (judgments.length === 0) return dropped('no judgment');
  const rightSide = target === 'construction' ? example.betterSide : majorityOf(judgments);
  if (rightSide === undefined) return dropped('no majority');
  const kept = keepRightJudgments(judgments, rightSide, takingOf(strategy, seed), judgmentsPerExample);
  if (kept.length === 0) return dropped('no right judgment');
  const right = judgments.filter((judgment) => isRight(judgment, rightSide)).length;
  if (majorityThreshold !== null && right / judgments.length < majorityThreshold)
    return dropped('below the majority threshold');
  return { example, rightSide, kept };
}

/**
 * The side that most of the judgments reach, undefined for a draw. Ties, missing verdicts and judgments that were cut
 * off have no vote.
 */
export function majorityOf(judgments: readonly SampledJudgment[]): Side | undefined {
  const votes = (side: Side) => judgments.filter((judgment) => isRight(judgment, side)).length;
  const [a, b] = [votes('A'), votes('B')];
  if (a === b) return undefined;
  return a > b ? 'A' : 'B';
}
