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
  /** The number of the plan that each judgment follows, if they follow plans: both of a pair follow the same one. */
  readonly planOf?: ReadonlyMap<string, number>;
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
 * incorrect judgment (of the same plan), balances the sides, and draws up to `pairsPerExample` different pairs of chosen and rejected
 * judgments for each. The draw depends only on the seed and the ids; the order of the input affects only the order of
 * the output.
 */
export function preferencePairs(
  examples: readonly ContestedExample[],
  { pairsPerExample, balance, seed }: PreferenceOptions,
): PreferencePair[] {
  const contested = examples.filter(isContested);
  const balanced = balance ? balanceSides(contested, seed) : contested;
  return balanced.flatMap((example) => {
    const all = example.correct.flatMap((chosen) =>
      rejectable(example, chosen).map((rejected) => ({ exampleId: example.id, chosen, rejected })),
    );
    const key = ({ chosen, rejected }: PreferencePair) => `${chosen} > ${rejected}`;
    return shuffledById(all, seed, 'preference', key).slice(0, pairsPerExample);
  });
}

/** Returns whether an example has both a correct and an incorrect judgment, of the same plan if they follow plans. */
export function isContested(example: Pick<ContestedExample, 'correct' | 'incorrect' | 'planOf'>): boolean {
  return example.correct.some((chosen) => rejectable(example, chosen).length > 0);
}

/** The incorrect judgments that may stand against a correct one. Otherwise the pair would teach which plan to write, too. */
function rejectable(
  { incorrect, planOf }: Pick<ContestedExample, 'incorrect' | 'planOf'>,
  chosen: string,
): readonly string[] {
  if (planOf === undefined) return incorrect;
  return incorrect.filter((rejected) => planOf.get(rejected) === planOf.get(chosen));
}
