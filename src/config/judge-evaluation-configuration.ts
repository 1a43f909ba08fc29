import { z } from 'zod';
import { expandDateName } from '../platform/dated-name.ts';
import { driftSchema } from './drift.ts';
import { configurationSchema } from './run-configuration.ts';

const { $schema, runName, seed, models, serving, evaluation, reasoning, inference, timeouts } =
  configurationSchema.shape;
const { benchmarks } = evaluation.shape;
const { purpose } = benchmarks.element.shape;

/**
 * The configuration of an evaluation without training: one judge from any source on any benchmarks. Its
 * sections are those of a run.
 */
export const judgeEvaluationConfigurationSchema = z.strictObject({
  $schema,
  runName: z
    .string()
    .superRefine((name, context) => {
      const { error } = runName.safeParse(expandDateName(name, new Date(0)));
      for (const { message } of error?.issues ?? []) context.addIssue({ code: 'custom', message });
    })
    .describe(
      'The folder of the evaluation in the store; the same configuration under the same name is continued, or returns its result at once. ' +
        '`{date}` and `{time}` (UTC) are filled in when the evaluation starts, so that a schedule can begin it again and again.',
    ),
  seed,
  model: models.shape.seed
    .omit({ serving: true })
    .describe(
      'The judge; its checkpoint may also be `run:<name>/latest`, the last one that this run of the store has trained, `run:<name>/2`, its M_2, or ' +
        '`run:<name>/best`. Optional for a model of an endpoint, which its model name identifies.',
    )
    .optional(),
  serving: serving.describe('How the judge is served.'),
  evaluation: evaluation
    .extend({
      benchmarks: z
        .array(
          benchmarks.element.extend({
            purpose: purpose
              .default('test')
              .describe(
                'The purpose, which is shown with the figures; the temperature of `probabilities` is fitted on the benchmarks for `validation`.',
              ),
          }),
        )
        .min(1)
        .describe('The benchmarks that the judge is evaluated on.'),
    })
    .describe('The benchmarks, and how verdicts are sampled.'),
  drift: driftSchema
    .describe('Compares the figures with earlier ones and raises an alarm if they differ (docs/running.md).')
    .optional(),
  reasoning,
  inference,
  timeouts,
});

/** The configuration of an evaluation with every default filled in. */
export type JudgeEvaluationConfiguration = z.output<typeof judgeEvaluationConfigurationSchema>;
/** The configuration of an evaluation as a user writes it. */
export type JudgeEvaluationConfigurationInput = z.input<typeof judgeEvaluationConfigurationSchema>;
