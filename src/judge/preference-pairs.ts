import { balanceSides } from './balance.ts';
import { shuffledById } from './seeds.ts';
import type { Side } from './verdict.ts';

/** An example with its right and its wrong judgments, by their ids. */
export interface ContestedExample {
  readonly id: string;
  /** The side that its right judgments decide for. */
  readonly side: Side;
  readonly right: readonly string[];
  readonly wrong: readonly string[];
}

/** A right and a wrong judgment of the same example: what DPO learns from. */
export interface PreferencePair {
  readonly exampleId: string;
  /** The id of a right judgment. */
  readonly chosen: string;
  /** The id of a wrong one. */
  readonly rejected: string;
}

export interface PreferenceOptions {
  readonly pairsPerExample: number;
  /** As many examples whose right side is A as B. */
  readonly balance: boolean;
  readonly seed: number;
}

/**
 * The preference pairs of an iteration (method, step 5): of the examples that have both a right and a wrong judgment as
 * many with A as with B, and of each up to `pairsPerExample` different pairs out of chosen x rejected, drawn by the
 * seed and their ids. The order of the input decides nothing but the order of the output.
 */
export function preferencePairs(
  examples: readonly ContestedExample[],
  { pairsPerExample, balance, seed }: PreferenceOptions,
): PreferencePair[] {
  const contested = examples.filter(isContested);
  const balanced = balance ? balanceSides(contested, seed) : contested;
  return balanced.flatMap(({ id, right, wrong }) => {
    const all = right.flatMap((chosen) => wrong.map((rejected) => ({ exampleId: id, chosen, rejected })));
    const key = ({ chosen, rejected }: PreferencePair) => `${chosen} > ${rejected}`;
    return shuffledById(all, seed, 'preference', key).slice(0, pairsPerExample);
  });
}

/** Whether an example has both a right and a wrong judgment. */
export function isContested({ right, wrong }: Pick<ContestedExample, 'right' | 'wrong'>): boolean {
  return right.length > 0 && wrong.length > 0;
}
