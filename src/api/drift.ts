/** The comparison of an evaluated judge with earlier figures: a part of the result of an evaluation. */
import { z } from 'zod';
import type { DeepReadonly } from '../platform/deep-readonly.ts';

/** `worse` and `better` are alarms: the judge differs significantly from before. */
export const DRIFT_STATUSES = ['none', 'worse', 'better', 'not-compared'] as const;
export type DriftStatus = (typeof DRIFT_STATUSES)[number];

const share = z.number().min(0).max(1);
const difference = z.number().min(-1).max(1);
const status = z
  .enum(DRIFT_STATUSES)
  .describe(
    '`worse` and `better` are alarms; `not-compared` has a reason, such as a changed benchmark or prompt.',
  );

const comparedFigure = z.object({
  before: share.describe('The earlier figure.'),
  now: share.describe('The figure of this evaluation.'),
  difference: difference.describe('This one minus the earlier one.'),
  interval: z
    .object({
      low: difference.describe('The lower bound.'),
      high: difference.describe('The upper bound.'),
    })
    .describe('The 95% interval of the difference, from a bootstrap of the items with both outcomes.'),
});

const benchmarkDrift = z.object({
  benchmark: z.string().describe('The name in the configuration.'),
  status,
  reason: z.string().describe('Why the judges are not compared.').exactOptional(),
  items: z.int().nonnegative().describe('The number of compared items.').exactOptional(),
  accuracy: comparedFigure.describe('The share of correct verdicts.').exactOptional(),
  positionConsistentAccuracy: comparedFigure
    .describe('The share of items that are correct in both orders, which the test compares.')
    .exactOptional(),
  pValue: share
    .describe('The p-value of the paired test, before the correction for several benchmarks.')
    .exactOptional(),
});

export const driftResultSchema = z.object({
  status: status.describe(
    'The worst of all benchmarks: `worse`, else `better`, else `none` if any was compared.',
  ),
  comparedWith: z
    .object({
      runName: z.string().describe('The earlier evaluation or run.'),
      iteration: z.int().nonnegative().describe('The iteration of its judge.'),
      checkpoint: z.string().describe('Its judge.'),
    })
    .describe('The earlier figures; absent if there are none.')
    .exactOptional(),
  significance: share.describe('The chance of a false alarm that the configuration accepts.'),
  benchmarks: z.array(benchmarkDrift).describe('The comparison on each benchmark.'),
});

export type BenchmarkDrift = DeepReadonly<z.output<typeof benchmarkDrift>>;
export type Drift = DeepReadonly<z.output<typeof driftResultSchema>>;
