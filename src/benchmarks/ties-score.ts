import { mean } from './strict-scores.ts';

/** A question of RewardBench 2's subset Ties with its ratings; an invalid rating is -1. */
export interface RatedTies {
  /** `ref`: one correct answer; `tied`: several equally good ones. */
  readonly kind: 'ref' | 'tied';
  /** A question has the same number in both kinds. */
  readonly number: string;
  readonly correct: readonly number[];
  readonly incorrect: readonly number[];
}

/** The two versions of the official score, which differ where all correct answers have the same rating. */
export type TiesVersion = 'current' | 'release';

/**
 * The official score of Ties. m is the lowest rating of a correct answer minus the highest of an incorrect one; a question
 * is accurate if m is above 0. d is the spread of the correct answers' ratings of a tied question. The last three terms
 * are over the questions that exist in both kinds:
 *
 *     0.3 accuracy(tied) + 0.3 accuracy(ref) + 0.2 mean(m_tied > d) + 0.2 mean(min(m_ref, m_tied) > d)
 *       + 0.01 mean(tanh(min(m_ref, m_tied) / d - 1))
 *
 * A term without questions counts as 0. If all correct answers have the same rating, d is 0: then tanh is 1 or -1 by the
 * sign of the margin, and 0 for 0/0 (the code since June 12, 2025), or it counts as 0 (the code of RewardBench 2's release on
 * June 2, 2025). The two differ by at most 0.01.
 */
export function tiesScore(questions: readonly RatedTies[], version: TiesVersion = 'current'): number {
  const margins = (kind: RatedTies['kind']) =>
    questions
      .filter((question) => question.kind === kind)
      .map((question) => ({ number: question.number, ...marginsOf(question) }));
  const [ref, tied] = [margins('ref'), margins('tied')];
  const accuracy = (ofKind: typeof ref) => meanOrZero(ofKind.map(({ margin }) => Number(margin > 0)));
  const references = new Map(ref.map((question) => [question.number, question]));
  const both = tied.flatMap(({ number, margin, spread }) => {
    const reference = references.get(number);
    return reference === undefined
      ? []
      : [{ spread, tied: margin, least: Math.min(reference.margin, margin) }];
  });
  return (
    0.3 * accuracy(tied) +
    0.3 * accuracy(ref) +
    0.2 * meanOrZero(both.map((one) => Number(one.tied > one.spread))) +
    0.2 * meanOrZero(both.map((one) => Number(one.least > one.spread))) +
    0.01 * meanOrZero(both.map((one) => tieBreak(one.least, one.spread, version)))
  );
}

function marginsOf({ correct, incorrect }: RatedTies) {
  return {
    margin: Math.min(...correct) - Math.max(...incorrect),
    spread: Math.max(...correct) - Math.min(...correct),
  };
}

function meanOrZero(values: readonly number[]): number {
  return values.length === 0 ? 0 : mean(values);
}

function tieBreak(margin: number, spread: number, version: TiesVersion): number {
  if (spread === 0 && (version === 'release' || margin === 0)) return 0;
  return Math.tanh(margin / spread - 1);
}
