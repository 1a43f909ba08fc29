/** How an evaluation is compared with earlier figures. */
import { z } from 'zod';
import { splitDatedName } from '../platform/dated-name.ts';
import type { Problem } from '../platform/problem.ts';
import { fraction } from '../platform/schema-fields.ts';
import { runNameSchema } from './fields.ts';

/** The value of `drift.compareWith` for the last evaluation of the same series. */
export const PREVIOUS = 'previous';

export const driftSchema = z.strictObject({
  compareWith: runNameSchema.describe(
    'The earlier figures: `previous` is the last evaluation of the same judge whose name differs in `{date}` and `{time}` only; any other value is the name of an ' +
      'evaluation of the store, or of a run, whose best judge is meant.',
  ),
  significance: fraction
    .gt(0)
    .lt(1)
    .default(0.01)
    .describe(
      'The chance of an alarm although the judge is as good as before, over all benchmarks together. 0.01 is one false alarm in 100 evaluations.',
    ),
});

export type DriftConfiguration = z.output<typeof driftSchema>;

/** Finds a comparison with the previous evaluation of a name that can have none. */
export function driftProblems({
  runName,
  drift,
}: {
  readonly runName?: string | undefined;
  readonly drift?: DriftConfiguration | undefined;
}): Problem[] {
  if (runName === undefined || drift === undefined) return [];
  if (drift.compareWith === runName)
    return [{ path: 'drift.compareWith', message: 'found the name of this evaluation: name an earlier one' }];
  if (drift.compareWith !== PREVIOUS || splitDatedName(runName).series.includes('{date}')) return [];
  const message = `found "${PREVIOUS}", but runName has no {date}: add it, so that each evaluation has a name of its own, or name the earlier evaluation`;
  return [{ path: 'drift.compareWith', message }];
}
