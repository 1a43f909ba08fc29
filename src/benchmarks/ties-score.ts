import { mean } from './strict-scores.ts';

/** A question of RewardBench 2's subset Ties with its ratings; a failed one is -1. */
export interface RatedTies {
  /** `ref`: one right answer; `tied`: several that are equally good. */
  readonly kind: 'ref' | 'tied';
  /** The same number of both kinds is the same question. */
  readonly number: string;
  readonly correct: readonly number[];
  readonly incorrect: readonly number[];
}

/**
 * The official score of Ties. With m the lowest right rating less the highest wrong one (accurate when above 0) and d
 * the spread of a tied question's right ratings, over the questions that are there in both kinds:
 *
 *     0.3 accuracy(tied) + 0.3 accuracy(ref) + 0.2 mean(m_tied > d) + 0.2 mean(min(m_ref, m_tied) > d)
 *       + 0.01 mean(tanh(min(m_ref, m_tied) / d - 1))
 *
 * A tanh of 0/0 counts as 0; so do the terms that have no question.
 */
export function tiesScore(questions: readonly RatedTies[]): number {
  const margins = (kind: RatedTies['kind']) => {
    const ofKind = questions.filter((question) => question.kind === kind);
    return new Map(ofKind.map((question) => [question.number, marginsOf(question)]));
  };
  const [ref, tied] = [margins('ref'), margins('tied')];
  const accuracy = (ofKind: typeof ref) =>
    meanOrZero([...ofKind.values()].map(({ margin }) => Number(margin > 0)));
  const both = [...tied].flatMap(([number, { margin, spread }]) => {
    const reference = ref.get(number);
    return reference === undefined
      ? []
      : [{ spread, tied: margin, least: Math.min(reference.margin, margin) }];
  });
  return (
    0.3 * accuracy(tied) +
    0.3 * accuracy(ref) +
    0.2 * meanOrZero(both.map((one) => Number(one.tied > one.spread))) +
    0.2 * meanOrZero(both.map((one) => Number(one.least > one.spread))) +
    0.01 * meanOrZero(both.map((one) => numberOrZero(Math.tanh(one.least / one.spread - 1))))
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

function numberOrZero(value: number): number {
  return Number.isNaN(value) ? 0 : value;
}
