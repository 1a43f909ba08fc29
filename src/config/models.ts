/** The models of a run. */
import { z } from 'zod';
import { servingSchema } from '../models/serving/drivers/registry.ts';

export const modelSchema = z.strictObject({
  checkpoint: z
    .string()
    .min(1)
    .describe('A folder in Hugging Face layout, or an id of the Hugging Face hub.'),
  serving: servingSchema.describe("How this model is served, if not by the run's `serving`.").optional(),
});

export const modelsSchema = z.strictObject({
  seed: modelSchema.describe('M_0: evaluated first, and the start of fine-tuning.'),
  generator: modelSchema
    .describe('Writes categories and response pairs; the seed model by default.')
    .optional(),
  firstJudge: modelSchema
    .describe('Samples the judgments of the first iteration; the seed model by default.')
    .optional(),
});
