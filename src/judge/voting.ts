import type { Sampling } from '../config/schema.ts';
import type { JudgeFile } from '../contract/judge-file.ts';
import type { Voting } from './comparison.ts';

/** What of `judge.json` is asked in another way. */
export interface VotingChanges {
  /** Judgments of each order; 1 by default. */
  readonly votes?: number | undefined;
  /** `one` by default. */
  readonly orders?: 'one' | 'both' | undefined;
  /** Field by field. */
  readonly sampling?: Partial<Sampling> | undefined;
}

/** The judge can't be asked so. */
export class VotingRefused extends RangeError {
  override readonly name = 'VotingRefused';
}

/**
 * How a judge is asked.
 * @throws VotingRefused where there are no votes, or all would be the same
 */
export function votingOf(
  judge: JudgeFile,
  { votes = 1, orders = 'one', sampling: changes = {} }: VotingChanges,
): Voting {
  if (!Number.isInteger(votes) || votes < 1)
    throw new VotingRefused(`votes is ${votes}, and must be 1 or more`);
  const given = Object.entries(changes).filter(([, value]) => value !== undefined);
  const sampling = {
    ...(votes === 1 ? judge.sampling : judge.voting.sampling),
    ...Object.fromEntries(given),
  };
  if (votes > 1 && sampling.temperature === 0)
    throw new VotingRefused(
      `${votes} votes at temperature 0 would all be the same: give a temperature above 0`,
    );
  return { votes, orders, sampling };
}
