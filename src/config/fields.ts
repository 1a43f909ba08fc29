/** What the sections of the configuration have in common. */
import { z } from 'zod';

export const positive = z.number().positive();
export const notNegative = z.number().nonnegative();
export const count = z.int().positive();
export const share = z.number().min(0).max(1);

/** A path on the worker's machine: absolute, or relative to the worker's folder, else to the package. */
export const path = z.string().min(1);

/** A folder with `user.txt` and perhaps `system.txt`. */
export const promptFolder = z.string().min(1);

export const environmentName = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'the name of an environment variable');

export const runName = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/,
    'a run name has 1 to 63 letters, digits, ".", "_" or "-", and starts with a letter or digit',
  )
  .refine((name) => !name.includes('..'), 'a run name has no ".."');

export const sampling = z.strictObject({
  temperature: z.number().min(0).max(2).describe('0 always takes the likeliest token.'),
  topP: z.number().gt(0).max(1).describe('The share of probability that is sampled from.'),
  maxTokens: count.describe('Tokens that an answer may have.'),
});

/** For editors: where the JSON Schema is. */
export const schemaAddress = z
  .string()
  .describe('The address of the JSON Schema, for editors; it means nothing to the run.')
  .optional();
