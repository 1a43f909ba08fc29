import { z } from 'zod';
import { fraction, positiveInteger, positiveNumber } from '../../platform/schema-fields.ts';

export const adapterSchema = z.discriminatedUnion('kind', [
  z
    .strictObject({ kind: z.literal('none').describe('All weights are trained.') })
    .describe('All weights are trained.'),
  z
    .strictObject({
      kind: z
        .literal('lora')
        .describe('Low-rank matrices are trained beside the weights, and merged into them.'),
      rank: positiveInteger.default(16).describe('The rank of the matrices.'),
      alpha: positiveNumber.default(32).describe("The adapter's output is scaled by alpha / rank."),
      dropout: fraction.lt(1).default(0).describe("The dropout on the adapter's input, as a share."),
      targetModules: z
        .union([z.literal('all-linear'), z.array(z.string().min(1)).min(1)])
        .default('all-linear')
        .describe('The layers with an adapter: all linear ones, or those with these names.'),
      saveAdapter: z
        .boolean()
        .default(false)
        .describe('Saves the adapter separately, beside the full weights that it is merged into.'),
    })
    .describe('LoRA.'),
]);

export type Adapter = z.output<typeof adapterSchema>;
