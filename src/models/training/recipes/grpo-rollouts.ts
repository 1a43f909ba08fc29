/** The settings of the sampler that GRPO draws judgments with during the training: the trained model, or vLLM. */
import { z } from 'zod';
import { fraction, positiveInteger } from '../../../platform/schema-fields.ts';

const DEFAULT_MEMORY = 0.3;

export const rolloutFields = {
  rollouts: z
    .enum(['generate', 'vllm'])
    .default('generate')
    .describe(
      'What samples the judgments: `generate`: the trained model itself, which holds the keys and values of all judgments of a ' +
        "step in memory; `vllm`: a vLLM in the trainer's process, which gets the weights of each step, on NVIDIA GPUs with the " +
        'packages that `setup --with vllm-training` installs.',
    ),
  vllmMemory: fraction
    .gt(0)
    .lt(1)
    .default(DEFAULT_MEMORY)
    .describe("The share of each GPU's memory that vLLM takes, with `rollouts: vllm`."),
  vllmTensorParallel: positiveInteger
    .default(1)
    .describe(
      'The GPUs over which vLLM divides the model, with `rollouts: vllm`; it divides the number of GPUs of the training.',
    ),
};

/** Refuses settings of vLLM without it. A default that is written out can't be told from a field that is left out. */
export function refuseUnusedVllm(
  { rollouts, vllmMemory, vllmTensorParallel }: z.output<z.ZodObject<typeof rolloutFields>>,
  context: z.core.$RefinementCtx,
): void {
  if (rollouts === 'vllm') return;
  const refuse = (field: keyof typeof rolloutFields, why: string) =>
    context.addIssue({
      code: 'custom',
      path: [field],
      message: `only vLLM ${why}: set rollouts to "vllm", or remove it`,
    });
  if (vllmMemory !== DEFAULT_MEMORY) refuse('vllmMemory', 'takes this share of the memory');
  if (vllmTensorParallel !== 1) refuse('vllmTensorParallel', 'divides the model');
}
