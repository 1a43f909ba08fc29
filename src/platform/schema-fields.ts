/** Kinds of field that configurations, recipes, drivers and launchers have in common. */
import { z } from 'zod';

export const positiveNumber = z.number().positive();
export const nonNegative = z.number().nonnegative();
export const positiveInteger = z.int().positive();
export const fraction = z.number().min(0).max(1);

export const environmentVariableName = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'the name of an environment variable');
