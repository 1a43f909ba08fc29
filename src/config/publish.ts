import { z } from 'zod';

const repository = z
  .string()
  .regex(
    /^[A-Za-z0-9][\w.-]{0,95}\/[A-Za-z0-9][\w.-]{0,95}$/,
    'a repository of the hub is written "owner/name"',
  );

/**
 * The outputs that are pushed to the Hugging Face hub, and their repositories. This section is not part of a
 * run's fingerprint.
 */
export const publishSchema = z
  .strictObject({
    model: repository
      .describe('The repository for the judge with its model card; created if it does not exist.')
      .optional(),
    dataset: repository
      .describe('The repository for the training sets of all iterations; created if it does not exist.')
      .optional(),
    private: z
      .boolean()
      .default(true)
      .describe('Whether a created repository is private; an existing one stays as it is.'),
    revision: z
      .string()
      .regex(/^[\w.-]+(\/[\w.-]+)*$/, 'the name of a branch')
      .default('main')
      .describe('The branch that is pushed to; created from `main` if it does not exist.'),
    commitMessage: z
      .string()
      .min(1)
      .max(200)
      .default('{runName}: M_{iteration}')
      .describe('The message of a commit; `{runName}` and `{iteration}` are filled in.'),
    tokenEnv: z
      .string()
      .regex(/^(?!hf_)[A-Za-z_][A-Za-z0-9_]*$/, 'the name of an environment variable, never the token itself')
      .default('HF_TOKEN')
      .describe(
        'The environment variable that holds the token, read by the worker with the role `workflow`.',
      ),
    retryHours: z
      .number()
      .positive()
      .default(6)
      .describe(
        'The time for which an unreachable hub is tried again; then the run ends without the push, with a warning.',
      ),
  })
  .refine(({ model, dataset }) => model !== undefined || dataset !== undefined, {
    error: 'names neither a model nor a dataset: there is nothing to push',
  });

export type Publish = z.output<typeof publishSchema>;
