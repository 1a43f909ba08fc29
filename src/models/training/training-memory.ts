/**
 * Computes the memory of a training on each GPU, as trainer/fine_tune.py uses it:
 *
 * - Trained weights, their gradients and the two moments of AdamW are float32: 4 + 4 + 8 = 16 bytes for each parameter,
 *   as with float32 master weights in mixed precision. With bfloat16, a bfloat16 copy of the weights is added.
 * - With LoRA, the base is frozen and keeps the type in which it was saved (float32 if the precision is float32); only
 *   the adapter's parameters need 16 bytes each.
 * - DPO, and GRPO with `beta` above 0, load their reference as a second model, unless an adapter is trained.
 * - FSDP shards all of these over the GPUs; data parallelism without FSDP gives each GPU a complete copy.
 * - Activations: checkpointing keeps the input of each layer and recomputes one layer at a time, at about 34 bytes for
 *   each token and hidden unit (arXiv 2205.05198, section 4.1, without stored attention scores). TRL computes the loss
 *   in chunks, so that logits don't count.
 * - GRPO samples the judgments of a step at once, and holds the keys and values of all their tokens meanwhile. They are gone
 *   before the activations come, so the larger of both counts. With vLLM in its process they are in the share of the memory
 *   that vLLM takes beside all this.
 */
import type { Adapter } from './adapter.ts';
import { recipeOf, type Round } from './recipes/registry.ts';
import type { Parallelism } from './launchers/launch-parallelism.ts';
import type { Linear, ModelShape } from './model-shape.ts';

export interface MemoryPart {
  readonly what: string;
  readonly bytes: number;
}

export interface TrainingMemory {
  readonly method: Round['method'];
  readonly devices: number;
  readonly sharded: boolean;
  /** Number of trained parameters. */
  readonly trained: number;
  /** Memory of each GPU. */
  readonly bytesPerGpu: number;
  readonly parts: readonly MemoryPart[];
}

const FLOAT32 = 4;
const BFLOAT16 = 2;
const ADAM_MEANS = 2 * FLOAT32;
const BYTES_OF_A_LAYER = 34;
/** The memory of CUDA and the libraries before the first tensor. */
const CUDA_BYTES = 1.5e9;

export function trainingMemory(
  shape: ModelShape,
  round: Round,
  adapter: Adapter,
  { devices, sharded }: Parallelism,
): TrainingMemory {
  const recipe = recipeOf(round);
  const { memory } = recipe;
  const { precision, perDeviceBatchSize, gradientAccumulationSteps, maxLength } = round.hyperparameters;
  const isFull = adapter.kind === 'none';
  const { parameters } = shape;
  const trained = trainedParameters(shape, adapter);
  const cut = sharded ? devices : 1;
  const part = (what: string, bytes: number): MemoryPart[] => (bytes > 0 ? [{ what, bytes }] : []);
  const frozen = precision === 'float32' ? FLOAT32 * parameters : shape.bytes;
  const conversations = perDeviceBatchSize * memory.conversationsPerExample;
  // The residual stream is float32 beside bfloat16 layers, unless FSDP casts it to bfloat16.
  const kept = sharded && precision === 'bfloat16' ? BFLOAT16 : FLOAT32;
  const perToken = shape.hidden * (kept * shape.layers + BYTES_OF_A_LAYER);
  const activations = conversations * maxLength * perToken;
  const sampling = recipe.sampling?.(round);
  const samplesItself = sampling !== undefined && sampling.vllmMemory === undefined;
  const sampled = samplesItself ? perDeviceBatchSize * gradientAccumulationSteps : 0;
  const perElement = precision === 'bfloat16' ? BFLOAT16 : FLOAT32;
  const cached = sampled * maxLength * perElement * keysAndValues(shape);
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
    ...(memory.hasReferenceModel(round.hyperparameters) && isFull
      ? part('reference model, float32', (FLOAT32 * parameters) / cut)
      : []),
    ...(cached > activations
      ? part('keys and values while sampling', cached)
      : part('activations', activations)),
    ...part('CUDA and libraries', CUDA_BYTES),
  ];
  const bytesPerGpu = parts.reduce((sum, { bytes }) => sum + bytes, 0);
  return { method: round.method, devices, sharded, trained, bytesPerGpu, parts };
}

/** The numbers that a model keeps of each token, in all layers together. */
function keysAndValues({ linear = [], layers, hidden }: ModelShape): number {
  const known = linear.filter(({ name }) => /\b[kv]_proj\b/.test(name));
  // Otherwise as in Llama 3, whose keys and values have a quarter of the hidden size.
  return known.length === 0 ? (2 * layers * hidden) / 4 : known.reduce((sum, { rows }) => sum + rows, 0);
}

/**
 * Adapter parameters for each parameter of the model and each unit of rank, as in 8B models; larger models
 * have fewer.
 */
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
