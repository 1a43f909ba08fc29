import { balanceSides } from './balance.ts';
import { shuffledById } from './seeds.ts';
import type { Side } from './verdict.ts';

/** An example with the ids of its correct and of its incorrect judgments. */
export interface ContestedExample {
  readonly id: string;
  /** The verdict of its correct judgments. */
  readonly side: Side;
  readonly correct: readonly string[];
  readonly incorrect: readonly string[];
}

/** A correct and an incorrect judgment of the same example, for DPO. */
export interface PreferencePair {
  readonly exampleId: string;
  /** The id of a correct judgment. */
  readonly chosen: string;
  /** The id of an incorrect one. */
  readonly rejected: string;
}

export interface PreferenceOptions {
  readonly pairsPerExample: number;
  /** Whether to take as many examples with verdict A as with verdict B. */
  readonly balance: boolean;
  readonly seed: number;
}

/**
 * Makes the preference pairs of an iteration (method, step 5). Takes the examples that have both a correct and an
 * incorrect judgment, balances the sides, and draws up to `pairsPerExample` different pairs of chosen and rejected
 * judgments for each. The draw depends only on the seed and the ids; the order of the input affects only the order of
 * the output.
 */
export function preferencePairs(
  examples: readonly ContestedExample[],
  { pairsPerExample, balance, seed }: PreferenceOptions,
): PreferencePair[] {
  const contested = examples.filter(isContested);
  const balanced = balance ? balanceSides(contested, seed) : contested;
  return balanced.flatMap(({ id, correct, incorrect }) => {
    const all = correct.flatMap((chosen) =>
      incorrect.map((rejected) => ({ exampleId: id, chosen, rejected })),
    );
    const key = ({ chosen, rejected }: PreferencePair) => `${chosen} > ${rejected}`;
    return shuffledById(all, seed, 'preference', key).slice(0, pairsPerExample);
  });
}

/** Returns whether an example has both a correct and an incorrect judgment. */
export function isContested({
  correct,
  incorrect,
}: Pick<ContestedExample, 'correct' | 'incorrect'>): boolean {
  return correct.length > 0 && incorrect.length > 0;
}
