import { z } from 'zod';
import { datedName } from '../format/dated-name.ts';
import { configurationSchema } from './schema.ts';

const { $schema, runName, seed, models, serving, evaluation, inference, timeouts } =
  configurationSchema.shape;
const { benchmarks } = evaluation.shape;
const { purpose } = benchmarks.element.shape;

/**
 * The configuration of an evaluation without training: one judge, served by anybody, on any benchmarks. Its sections
 * are those of a run.
 */
export const judgeEvaluationSchema = z.strictObject({
  $schema,
  runName: z
    .string()
    .superRefine((name, context) => {
      const { error } = runName.safeParse(datedName(name, new Date(0)));
      for (const { message } of error?.issues ?? []) context.addIssue({ code: 'custom', message });
    })
    .describe(
      'Names the folder of the store; the same configuration under the same name goes on, or has its result at once. ' +
        '`{date}` and `{time}` (UTC) are filled in when the evaluation starts, so that a schedule can begin it again and again.',
    ),
  seed,
  model: models.shape.seed
    .omit({ serving: true })
    .describe(
      'The judge; its checkpoint may also be `run:<name>/newest`, the last one that this run of the store has trained, `run:<name>/2`, its M_2, or ' +
        "`run:<name>/best`. An endpoint's model may go without: its name there says which it is.",
    )
    .optional(),
  serving: serving.describe('How the judge is served.'),
  evaluation: evaluation
    .extend({
      benchmarks: z
        .array(
          benchmarks.element.extend({
            purpose: purpose.default('test').describe('Shown beside the figures; nothing is chosen by them.'),
          }),
        )
        .min(1)
        .describe('What the judge is evaluated on.'),
    })
    .describe('The benchmarks, and how the judge is asked.'),
  inference,
  timeouts,
});

/** The configuration of an evaluation with every default filled in. */
export type JudgeEvaluation = z.output<typeof judgeEvaluationSchema>;
/** The configuration of an evaluation as a user writes it. */
export type JudgeEvaluationInput = z.input<typeof judgeEvaluationSchema>;
