import { stableNumber } from '../platform/stable-hash.ts';

/** One of several parts of a run's pairs, counted from 0. */
export interface PairPart {
  readonly part: number;
  readonly parts: number;
}

/** The part that an iteration, counted from 1, judges and learns from: each iteration another one, then all again. */
export function partOfIteration(parts: number, iteration: number): PairPart {
  return { part: (iteration - 1) % parts, parts };
}

/** Returns whether a pair is in a part. It depends on its id only, so that parts are of nearly equal size. */
export function isInPart(pairId: string, { part, parts }: PairPart): boolean {
  return stableNumber('part', pairId) % parts === part;
}
