import type { PairVerdict } from '../method/pair-comparison.ts';
import type { DirectOutcome } from './direct-verdict.ts';
import type { JudgeUsage } from './judge-pair.ts';
import type { PairLabel } from './read-file-pairs.ts';

/** The verdict on a pair of a file: a line of the verdict file. */
export interface JudgedPair extends PairVerdict, Partial<JudgeUsage> {
  /** The number of the row in the file of pairs, from 0. */
  readonly row: number;
  /** The row's own id, or its number if it has none. */
  readonly id: string;
  /** The better response, if the file names it. */
  readonly label?: PairLabel;
  /** True if the verdict agrees with the label. */
  readonly correct?: boolean;
  /** Set if the judge was asked for direct verdicts: whether this is one, and how sure of it the judge was. */
  readonly direct?: DirectOutcome;
  /** The reason for a missing judgment: the endpoint refuses to judge this pair. */
  readonly failed?: { readonly reason: string; readonly detail: string };
}

/** The pair of a line. */
interface PairRowId extends Pick<JudgedPair, 'row' | 'id'> {
  readonly label: PairLabel | undefined;
}

export function toJudgedPair(
  { row, id, label }: PairRowId,
  judged: PairVerdict & Pick<JudgedPair, 'requests' | 'tokens' | 'direct' | 'failed'>,
): JudgedPair {
  return { row, id, ...(label === undefined ? {} : { label, correct: judged.verdict === label }), ...judged };
}

/** A pair without a verdict, because the endpoint refuses to judge it. */
export function toFailedPair(pair: PairRowId, failed: NonNullable<JudgedPair['failed']>): JudgedPair {
  return toJudgedPair(pair, { verdict: 'none', consistent: null, orders: [], failed });
}
