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
  /** Requests that were answered. Not in an artifact, as the tokens: after a crash they may be more. */
  readonly calls?: number;
  readonly tokens?: { readonly prompt: number; readonly completion: number };
  /** Why there are no judgments: the endpoint refuses this pair for good. */
  readonly failed?: { readonly reason: string; readonly detail: string };
}

/** Which pair it is, and what is known of it. */
interface KnownPair extends Pick<JudgedPair, 'row' | 'id'> {
  readonly better?: Better | undefined;
}

/** The fields in the order in which a line has them. */
export function judgedPair(
  { row, id, better }: KnownPair,
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
    ...(calls === undefined ? {} : { calls }),
    ...(tokens === undefined ? {} : { tokens }),
    ...(failed === undefined ? {} : { failed }),
  };
}

/** A pair that the endpoint refuses: it has no verdict. */
export function failedPair(pair: KnownPair, failed: NonNullable<JudgedPair['failed']>): JudgedPair {
  return judgedPair(pair, { verdict: 'none', consistent: null, orders: [], failed });
}
