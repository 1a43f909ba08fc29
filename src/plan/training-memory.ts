/**
 * The memory of a training on each GPU. Pure; the numbers are what trainer/fine_tune.py does with them:
 *
 * - Weights that are trained are float32, so are their gradients and the two means of AdamW: 4 + 4 + 8 = 16 bytes a
 *   parameter, which is also what mixed precision with float32 masters takes. With bfloat16 a copy of the weights to
 *   compute with comes to it.
 * - Under LoRA the base is frozen and stays as it was saved (float32 where the precision is float32); 16 bytes go to
 *   each parameter of the adapter alone.
 * - DPO loads its reference a second time, without an adapter.
 * - FSDP cuts all of these over the GPUs; data parallelism without it gives each GPU all of them.
 * - Activations: checkpointing keeps the input of each layer and computes one layer anew, at about 34 bytes for each
 *   token and hidden unit (arXiv 2205.05198, section 4.1, attention scores never stored). TRL computes the loss in
 *   chunks, so that logits don't count.
 */
import type { Adapter, Round } from '../config/fine-tuning.ts';
import type { Launch } from './launcher.ts';
import type { Linear, ModelShape } from './model-shape.ts';

export interface MemoryPart {
  readonly what: string;
  readonly bytes: number;
}

export interface TrainingMemory {
  readonly method: Round['method'];
  readonly devices: number;
  readonly sharded: boolean;
  /** Parameters that are trained. */
  readonly trained: number;
  /** Of each GPU. */
  readonly bytesPerGpu: number;
  readonly parts: readonly MemoryPart[];
}

const FLOAT32 = 4;
const BFLOAT16 = 2;
const ADAM_MEANS = 2 * FLOAT32;
const BYTES_OF_A_LAYER = 34;
/** What CUDA and the libraries take before the first tensor. */
const CUDA_BYTES = 1.5e9;

export function trainingMemory(
  shape: ModelShape,
  { method, hyperparameters }: Round,
  adapter: Adapter,
  { devices, sharded }: Launch,
): TrainingMemory {
  const { precision, batchSize, maximumLength } = hyperparameters;
  const isFull = adapter.kind === 'none';
  const { parameters } = shape;
  const trained = trainedParameters(shape, adapter);
  const cut = sharded ? devices : 1;
  const part = (what: string, bytes: number): MemoryPart[] => (bytes > 0 ? [{ what, bytes }] : []);
  const frozen = precision === 'float32' ? FLOAT32 * parameters : shape.bytes;
  const conversations = batchSize * (method === 'dpo' ? 2 : 1);
  // The sum that layers add to is float32 beside bfloat16 layers, unless FSDP hands out bfloat16.
  const kept = sharded && precision === 'bfloat16' ? BFLOAT16 : FLOAT32;
  const perToken = shape.hidden * (kept * shape.layers + BYTES_OF_A_LAYER);
  const computing = precision === 'bfloat16' && isFull ? BFLOAT16 * parameters : 0;
  const parts = [
    ...(isFull ? [] : part('frozen weights', frozen / cut)),
    ...part(isFull ? 'weights, float32' : 'adapter, float32', (FLOAT32 * trained) / cut),
    ...part('gradients, float32', (FLOAT32 * trained) / cut),
    ...part('AdamW, two means in float32', (ADAM_MEANS * trained) / cut),
    // FSDP gathers two layers at a time.
    ...part(
      'weights to compute with, bfloat16',
      sharded ? (2 * computing) / Math.max(2, shape.layers) : computing,
    ),
    ...(method === 'dpo' && isFull ? part('reference model, float32', (FLOAT32 * parameters) / cut) : []),
    ...part('activations', conversations * maximumLength * perToken),
    ...part('CUDA and libraries', CUDA_BYTES),
  ];
  const bytesPerGpu = parts.reduce((sum, { bytes }) => sum + bytes, 0);
  return { method, devices, sharded, trained, bytesPerGpu, parts };
}

/** Parameters of an adapter for each of the model's and unit of rank, as in 8B models; larger ones have fewer. */
const ADAPTER_SHARE_BY_RANK = 3.3e-4;

export function trainedParameters({ parameters, linear }: ModelShape, adapter: Adapter): number {
  if (adapter.kind === 'none') return parameters;
  const { rank, targetModules } = adapter;
  if (linear === undefined) return Math.round(ADAPTER_SHARE_BY_RANK * rank * parameters);
  const isTarget = ({ name }: Linear) =>
    targetModules === 'all-linear' ||
    targetModules.some(
      (target) =>
        name
          .replace(/\.weight$/, '')
          .split('.')
          .at(-1) === target,
    );
  return linear.filter(isTarget).reduce((sum, { rows, columns }) => sum + rank * (rows + columns), 0);
}
