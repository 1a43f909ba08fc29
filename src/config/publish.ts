import { z } from 'zod';

const repository = z
  .string()
  .regex(
    /^[A-Za-z0-9][\w.-]{0,95}\/[A-Za-z0-9][\w.-]{0,95}$/,
    'a repository of the hub is written "owner/name"',
  );

/** What of a run's outputs is pushed to the Hugging Face hub, and where to. How a run is carried out, never what it means. */
export const publish = z
  .strictObject({
    model: repository
      .describe('The repository that takes the judge with its model card; made where there is none.')
      .optional(),
    dataset: repository.describe('The repository that takes the training sets of all iterations.').optional(),
    private: z
      .boolean()
      .default(true)
      .describe('Whether a repository that is made is private; one that is there stays as it is.'),
    revision: z
      .string()
      .regex(/^[\w.-]+(\/[\w.-]+)*$/, 'the name of a branch')
      .default('main')
      .describe('The branch that is pushed to; made from `main` where there is none.'),
    commitMessage: z
      .string()
      .min(1)
      .max(200)
      .default('{runName}: M_{iteration}')
      .describe('The message of a commit; `{runName}` and `{iteration}` are filled in.'),
    tokenVariable: z
      .string()
      .regex(/^(?!hf_)[A-Za-z_][A-Za-z0-9_]*$/, 'the name of an environment variable, never the token itself')
      .default('HF_TOKEN')
      .describe(
        'The environment variable that holds the token, read by the worker with the role `workflow`.',
      ),
    tryForHours: z
      .number()
      .positive()
      .default(6)
      .describe(
        "A hub that can't be reached is tried again for so long; then the run ends without, and says so.",
      ),
  })
  .refine(({ model, dataset }) => model !== undefined || dataset !== undefined, {
    error: 'names neither a model nor a dataset: there is nothing to push',
  });

export type Publish = z.output<typeof publish>;
