/** Kinds of field that configurations, recipes, drivers and launchers have in common. */
import { z } from 'zod';

export const positiveNumber = z.number().positive();
export const nonNegative = z.number().nonnegative();
export const positiveInteger = z.int().positive();
export const fraction = z.number().min(0).max(1);

const markText = z.string().min(1);

export const reasoningMarksSchema = z
  .array(
    z.strictObject({
      start: markText.describe('Begins the reasoning; omitted if nothing does.').exactOptional(),
      end: markText.describe('Ends the reasoning: the answer is behind the last one.'),
    }),
  )
  .min(1);

export const environmentVariableName = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'the name of an environment variable');

/** A folder with `user.txt` and, optionally, `system.txt`. */
export const promptFolderPath = z.string().min(1);
