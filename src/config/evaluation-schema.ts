import { z } from 'zod';
import { datedName } from '../format/dated-name.ts';
import { configurationSchema } from './schema.ts';

const { runName, seed, models, serving, evaluation, inference, timeouts } = configurationSchema.shape;
const { benchmarks } = evaluation.shape;

/**
 * The configuration of an evaluation without training: one judge, served by anybody, on any benchmarks. Its sections
 * are those of a run.
 */
export const judgeEvaluationSchema = z.strictObject({
  $schema: z.string().optional(),
  /**
   * Names the folder of the store; the same configuration under the same name goes on, or has its result at once.
   * `{date}` and `{time}` are filled in when the evaluation starts, so that a schedule can begin it again and again.
   */
  runName: z.string().superRefine((name, context) => {
    const { error } = runName.safeParse(datedName(name, new Date(0)));
    for (const { message } of error?.issues ?? []) context.addIssue({ code: 'custom', message });
  }),
  seed,
  /**
   * The judge; beside what a run's models may be, `run:<name>/newest` or `run:<name>/best`. An endpoint's model may go without: its name there
   * says which it is.
   */
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
