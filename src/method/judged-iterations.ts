/** Which iterations judge pairs, if some train on the judgments of the iteration before. */

/**
 * One entry for each round, in the order of the iterations: true if it trains on the judgments of the iteration before. The last one
 * also holds for all later iterations.
 */
export type ReusedJudgments = readonly boolean[];

/** Returns whether an iteration, counted from 1, trains on the judgments of the one before. */
export function reusesJudgments(reused: ReusedJudgments, iteration: number): boolean {
  return reused[Math.min(iteration, reused.length) - 1] ?? false;
}

/** The iteration whose judgments an iteration trains on: itself, or the last one before that judged. */
export function judgedIteration(reused: ReusedJudgments, iteration: number): number {
  let judged = iteration;
  while (judged > 1 && reusesJudgments(reused, judged)) judged -= 1;
  return judged;
}

/** How many iterations up to this one have judged pairs. */
export function judgedSoFar(reused: ReusedJudgments, iteration: number): number {
  return Array.from({ length: iteration }, (_, index) => index + 1).filter(
    (each) => judgedIteration(reused, each) === each,
  ).length;
}
