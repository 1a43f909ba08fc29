/** Kinds of field that occur in several sections of the configuration. */
import { z } from 'zod';
import { positiveInteger } from '../platform/schema-fields.ts';

/** A path on the worker's machine: absolute, or relative to the worker's folder, else to the package, else to the cache folder. */
export const inputPath = z.string().min(1);

export const runNameSchema = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/,
    'a run name has 1 to 63 letters, digits, ".", "_" or "-", and starts with a letter or digit',
  )
  .refine((name) => !name.includes('..'), 'a run name has no ".."');

export const samplingSchema = z.strictObject({
  temperature: z.number().min(0).max(2).describe('0 always takes the most likely token.'),
  topP: z.number().gt(0).max(1).describe('The probability mass that is sampled from.'),
  maxTokens: positiveInteger.describe('The maximum number of tokens of an answer.'),
});

/** The address of the JSON Schema, for editors. */
export const schemaAddress = z
  .string()
  .describe('The address of the JSON Schema, for editors; the run ignores it.')
  .optional();
