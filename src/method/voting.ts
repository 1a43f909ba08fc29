import type { SamplingParameters } from './sampling-parameters.ts';
import type { VotingOptions } from './pair-comparison.ts';

/** Settings that replace those of `judge.json`. */
export interface VotingOverrides {
  /** Number of judgments in each order; 1 by default. */
  readonly votes?: number | undefined;
  /** `one` by default. */
  readonly orders?: 'one' | 'both' | undefined;
  /** Replaces only the fields that are set. */
  readonly sampling?: Partial<SamplingParameters> | undefined;
}

/** The sampling that `judge.json` recommends: for one judgment of a pair, and for several votes on it. */
export interface VotingDefaults {
  readonly sampling: SamplingParameters;
  readonly voting: { readonly sampling: SamplingParameters };
}

/** The requested number of votes and sampling contradict each other. */
export class InvalidVoting extends RangeError {
  override readonly name = 'InvalidVoting';
}

/**
 * Combines the defaults of `judge.json` with the requested settings.
 * @throws InvalidVoting if the number of votes is not a positive integer, or all votes would be the same
 */
export function resolveVoting(
  judge: VotingDefaults,
  { votes = 1, orders = 'one', sampling: changes = {} }: VotingOverrides,
): VotingOptions {
  if (!Number.isInteger(votes) || votes < 1)
    throw new InvalidVoting(`votes is ${votes}; expected a whole number of 1 or more`);
  const overrides = Object.entries(changes).filter(([, value]) => value !== undefined);
  const sampling = {
    ...(votes === 1 ? judge.sampling : judge.voting.sampling),
    ...Object.fromEntries(overrides),
  };
  if (votes > 1 && sampling.temperature === 0)
    throw new InvalidVoting(
      `${votes} votes at temperature 0 would all be the same; set a temperature above 0`,
    );
  return { votes, orders, sampling };
}
