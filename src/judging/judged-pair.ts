import type { PairVerdict } from '../judge/comparison.ts';
import type { Better } from './given-pairs.ts';

/** A pair that was judged, as a line of the file of verdicts has it. */
export interface JudgedPair extends PairVerdict {
  /** The row of the file of pairs, from 0. */
  readonly row: number;
  /** The row's own id, else its number. */
  readonly id: string;
  /** The better side, where the file says it. */
  readonly better?: Better;
  /** Whether the verdict is that side; left out where the file doesn't say it. */
  readonly right?: boolean;
  readonly calls: number;
  readonly tokens: { readonly prompt: number; readonly completion: number };
  /** Why there are no judgments: the endpoint refuses this pair for good. */
  readonly failed?: { readonly reason: string; readonly detail: string };
}

/** The fields in the order in which a line has them. */
export function judgedPair(
  { row, id, better }: Pick<JudgedPair, 'row' | 'id' | 'better'>,
  judged: PairVerdict & Pick<JudgedPair, 'calls' | 'tokens' | 'failed'>,
): JudgedPair {
  const { verdict, consistent, orders, calls, tokens, failed } = judged;
  return {
    row,
    id,
    verdict,
    consistent,
    ...(better === undefined ? {} : { better, right: verdict === better }),
    orders,
    calls,
    tokens,
    ...(failed === undefined ? {} : { failed }),
  };
}

/** A pair that the endpoint refuses has no verdict, and cost nothing. */
export function failedPair(
  pair: Pick<JudgedPair, 'row' | 'id' | 'better'>,
  failed: NonNullable<JudgedPair['failed']>,
): JudgedPair {
  const nothing = { calls: 0, tokens: { prompt: 0, completion: 0 } };
  return judgedPair(pair, { verdict: 'none', consistent: null, orders: [], ...nothing, failed });
}
