import { z } from 'zod';
import { configurationSchema } from './schema.ts';

const { runName, seed, models, serving, evaluation, inference, timeouts } = configurationSchema.shape;
const { benchmarks } = evaluation.shape;

/**
 * The configuration of an evaluation without training: one judge, served by anybody, on any benchmarks. Its sections
 * are those of a run.
 */
export const judgeEvaluationSchema = z.strictObject({
  $schema: z.string().optional(),
  /** Names the folder of the store; the same configuration under the same name goes on, or has its result at once. */
  runName,
  seed,
  /** The judge. An endpoint's model may go without: its name there says which it is. */
  model: models.shape.seed.omit({ serving: true }).optional(),
  serving,
  evaluation: evaluation.extend({
    benchmarks: z
      .array(benchmarks.element.extend({ purpose: benchmarks.element.shape.purpose.default('test') }))
      .min(1),
  }),
  inference,
  timeouts,
});

/** The configuration of an evaluation with every default filled in. */
export type JudgeEvaluation = z.output<typeof judgeEvaluationSchema>;
