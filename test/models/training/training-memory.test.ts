import assert from 'node:assert/strict';
import { join } from 'node:path';
import { parseConfiguration } from '../../../src/config/parse-configuration.ts';
import type { Adapter } from '../../../src/models/training/adapter.ts';
import {
  launchParallelism,
  type Parallelism,
} from '../../../src/models/training/launchers/launch-parallelism.ts';
import { modelShape, type ModelShape } from '../../../src/models/training/model-shape.ts';
import { trainedParameters, trainingMemory } from '../../../src/models/training/training-memory.ts';
import { packageRoot } from '../../../src/platform/package-root.ts';

const ONE: Parallelism = { devices: 1, sharded: false };
const NONE: Adapter = { kind: 'none' };

function lora(changes: Partial<Extract<Adapter, { kind: 'lora' }>> = {}): Adapter {
  return {
    kind: 'lora',
    rank: 16,
    alpha: 32,
    dropout: 0,
    targetModules: 'all-linear',
    saveAdapter: false,
    ...changes,
  };
}

function roundOf(round: object) {
  const { configuration, problems } = parseConfiguration({
    runName: 'memory',
    models: { seed: { checkpoint: 'some/model' } },
    serving: { kind: 'endpoint', baseUrl: 'http://localhost:1/v1', servedModelName: 'x-{iteration}' },
    instructions: { pool: ['x.jsonl'] },
    judging: { samples: 4 },
    evaluation: {
      benchmarks: [{ name: 'test', format: 'reward-bench', path: 'x.jsonl', purpose: 'test' }],
    },
    fineTuning: { rounds: [round] },
  });
  const [first] = configuration?.fineTuning.rounds ?? [];
  assert(first !== undefined, JSON.stringify(problems));
  return first;
}

function bytesOf(memory: ReturnType<typeof trainingMemory>, ...whats: RegExp[]): number {
  return memory.parts
    .filter(({ what }) => whats.some((each) => each.test(what)))
    .reduce((sum, { bytes }) => sum + bytes, 0);
}

describe('the memory of a training', () => {
  const shape: ModelShape = {
    parameters: 8e9,
    bytes: 16e9,
    layers: 32,
    hidden: 4096,
    linear: [
      { name: 'model.layers.0.self_attn.q_proj.weight', rows: 4096, columns: 4096 },
      { name: 'model.layers.0.mlp.up_proj.weight', rows: 14336, columns: 4096 },
    ],
    from: 'weights',
  };
  const sft = roundOf({ method: 'sft' });
  const dpo = roundOf({ method: 'dpo' });
  const states = [/^weights, float32/, /^adapter/, /^gradients/, /^AdamW/] as const;

  it('is 16 bytes for each trained parameter, and 2 more for computing in bfloat16', () => {
    const memory = trainingMemory(shape, sft, NONE, ONE);
    assert.equal(bytesOf(memory, ...states), 16 * 8e9);
    assert.equal(bytesOf(memory, /bfloat16/), 2 * 8e9);
    assert.equal(
      memory.bytesPerGpu,
      memory.parts.reduce((sum, { bytes }) => sum + bytes, 0),
    );
  });

  it('consists under LoRA of the frozen weights as saved, and 16 bytes for each parameter of the adapter', () => {
    const memory = trainingMemory(shape, sft, lora(), ONE);
    const adapter = 16 * (4096 + 4096) + 16 * (14336 + 4096);
    assert.equal(memory.trained, adapter);
    assert.equal(bytesOf(memory, /^frozen/), 16e9);
    assert.equal(bytesOf(memory, ...states), 16 * adapter);
    const named = trainedParameters(shape, lora({ targetModules: ['q_proj'] }));
    assert.equal(named, 16 * (4096 + 4096));
  });

  it('includes a reference model for DPO, but not under LoRA', () => {
    assert.equal(bytesOf(trainingMemory(shape, dpo, NONE, ONE), /^reference/), 4 * 8e9);
    assert.equal(bytesOf(trainingMemory(shape, dpo, lora(), ONE), /^reference/), 0);
  });

  it('grows with the tokens of a batch: DPO puts two conversations of each example through the model', () => {
    const batch = { perDeviceBatchSize: 3, maxLength: 1000 };
    const activations = (method: 'sft' | 'dpo', hyperparameters: object = batch) =>
      bytesOf(trainingMemory(shape, roundOf({ method, hyperparameters }), NONE, ONE), /^activations/);
    // For each token and hidden unit: the float32 input of each of the 32 layers, and 34 bytes for the layer at work.
    const conversation = 1000 * 4096 * (4 * 32 + 34);
    assert.equal(activations('sft'), 3 * conversation);
    assert.equal(activations('dpo'), 2 * 3 * conversation);
    assert.equal(activations('dpo', { ...batch, maxLength: 2000 }), 2 * activations('dpo'));
  });

  it('includes the keys and values of all judgments that GRPO samples at once, if they outweigh the activations', () => {
    const grpo = (gradientAccumulationSteps: number, precision = 'bfloat16') =>
      roundOf({
        method: 'grpo',
        hyperparameters: { perDeviceBatchSize: 8, gradientAccumulationSteps, maxLength: 8192, precision },
      });
    const sampling = /^keys and values/;
    const few = trainingMemory(shape, grpo(2), lora(), ONE);
    const many = trainingMemory(shape, grpo(64), lora(), ONE);
    assert.equal(bytesOf(few, sampling), 0);
    assert.equal(bytesOf(many, /^activations/), 0);
    assert.equal(bytesOf(many, sampling), (8 * 64 * 8192 * 2 * 2 * 32 * 4096) / 4);
    const { hyperparameters } = grpo(64);
    const byVllm = roundOf({ method: 'grpo', hyperparameters: { ...hyperparameters, rollouts: 'vllm' } });
    assert.equal(bytesOf(trainingMemory(shape, byVllm, lora(), ONE), sampling), 0);
    const keys = { name: 'model.layers.0.self_attn.k_proj.weight', rows: 4096, columns: 4096 };
    const known = trainingMemory({ ...shape, linear: [keys] }, grpo(512, 'float32'), lora(), ONE);
    assert.equal(bytesOf(known, sampling), 8 * 512 * 8192 * 4 * 4096);
  });

  it('is divided by the number of GPUs under FSDP alone', () => {
    const of = (launch: Parallelism) => bytesOf(trainingMemory(shape, sft, NONE, launch), ...states);
    assert.equal(of({ devices: 8, sharded: true }), 2 * 8e9);
    assert.equal(of({ devices: 8, sharded: false }), 16 * 8e9);
  });
});

describe('the number of GPUs that a command trains on', () => {
  const launch = (...command: string[]) => launchParallelism(command, packageRoot);

  it("is read from accelerate's arguments and configuration file, and from torchrun's arguments", async () => {
    const file = 'trainer/launch/fsdp-8-gpus.yaml';
    assert.deepEqual(await launch('accelerate', 'launch', '--config_file', file, '-m', 'trainer'), {
      devices: 8,
      sharded: true,
    });
    assert.deepEqual(await launch('accelerate', 'launch', '--num_processes', '4', '-m', 'trainer'), {
      devices: 4,
      sharded: false,
    });
    assert.deepEqual(await launch('torchrun', '--nnodes=2', '--nproc-per-node=8', '-m', 'trainer'), {
      devices: 16,
      sharded: false,
    });
    assert.deepEqual(await launch('env', 'ACCELERATE_USE_FSDP=true', '{python}', '-m', 'trainer'), {
      devices: 1,
      sharded: true,
    });
    assert.deepEqual(await launch('{python}', '-m', 'trainer', '--job', '{job}'), ONE);
  });

  it('is assumed to be one if the command does not say it', async () => {
    const assumed = { ...ONE, isAssumed: true };
    assert.deepEqual(await launch('mpirun', '-n', '4', '{python}', '-m', 'trainer'), assumed);
    assert.deepEqual(await launch('torchrun', '--nproc-per-node=gpu', '-m', 'trainer'), assumed);
    assert.deepEqual(await launch('accelerate', 'launch', '-m', 'trainer'), assumed);
  });
});

describe('the size of a model', () => {
  const folder = join(packageRoot, 'embedded/model');

  it('is that of the weights in its folder', async () => {
    const shape = await modelShape(folder, 'embedded/model');
    assert(shape !== undefined);
    assert.equal(shape.from, 'weights');
    // 0.88 million (embedded/README.md), in float16.
    assert.equal(Math.round(shape.parameters / 1e4), 88);
    assert.equal(shape.bytes, 2 * shape.parameters);
    assert.deepEqual([shape.layers, shape.hidden], [4, 128]);
    // q, k, v, o, gate, up, down of each layer.
    assert.equal(shape.linear?.length, 4 * 7);
  });

  it('follows from its name if it is not on this machine', async () => {
    for (const [name, parameters] of [
      ['meta-llama/Meta-Llama-3-70B-Instruct', 70e9],
      ['HuggingFaceTB/SmolLM2-135M-Instruct', 135e6],
      ['Qwen/Qwen2.5-0.5B', 0.5e9],
    ] as const)
      assert.equal((await modelShape(undefined, name))?.parameters, parameters, name);
    assert.equal(await modelShape(undefined, 'mistralai/Mistral-Large'), undefined);
  });
});
