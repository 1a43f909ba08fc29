import assert from 'node:assert/strict';
import { join, resolve } from 'node:path';
import { readConfiguration } from '../../src/config/read-configuration.ts';
import type { Adapter } from '../../src/config/fine-tuning.ts';
import { launchOf, type Launch } from '../../src/plan/launcher.ts';
import { modelShape, type ModelShape } from '../../src/plan/model-shape.ts';
import { trainedParameters, trainingMemory } from '../../src/plan/training-memory.ts';

const packageRoot = resolve(import.meta.dirname, '../..');
const ONE: Launch = { devices: 1, sharded: false };
const NONE: Adapter = { kind: 'none' };

function lora(changes: Partial<Extract<Adapter, { kind: 'lora' }>> = {}): Adapter {
  return {
    kind: 'lora',
    rank: 16,
    alpha: 32,
    dropout: 0,
    targetModules: 'all-linear',
    keep: false,
    ...changes,
  };
}

function roundOf(round: object) {
  const { configuration, problems } = readConfiguration({
    runName: 'memory',
    models: { seed: { checkpoint: 'some/model' } },
    serving: { kind: 'endpoint', baseUrl: 'http://localhost:1/v1', servedName: 'x' },
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

  it('is 16 bytes for each parameter that is trained, and more for computing in bfloat16', () => {
    const memory = trainingMemory(shape, sft, NONE, ONE);
    assert.equal(bytesOf(memory, ...states), 16 * 8e9);
    assert.equal(bytesOf(memory, /bfloat16/), 2 * 8e9);
    assert.equal(
      memory.bytesPerGpu,
      memory.parts.reduce((sum, { bytes }) => sum + bytes, 0),
    );
  });

  it('is under LoRA the frozen weights as they were saved, and 16 bytes for each parameter of the adapter', () => {
    const memory = trainingMemory(shape, sft, lora(), ONE);
    const adapter = 16 * (4096 + 4096) + 16 * (14336 + 4096);
    assert.equal(memory.trained, adapter);
    assert.equal(bytesOf(memory, /^frozen/), 16e9);
    assert.equal(bytesOf(memory, ...states), 16 * adapter);
    const named = trainedParameters(shape, lora({ targetModules: ['q_proj'] }));
    assert.equal(named, 16 * (4096 + 4096));
  });

  it('has a reference model beside it for DPO, but not under LoRA', () => {
    assert.equal(bytesOf(trainingMemory(shape, dpo, NONE, ONE), /^reference/), 4 * 8e9);
    assert.equal(bytesOf(trainingMemory(shape, dpo, lora(), ONE), /^reference/), 0);
  });

  it('is cut over the GPUs by FSDP alone', () => {
    const of = (launch: Launch) => bytesOf(trainingMemory(shape, sft, NONE, launch), ...states);
    assert.equal(of({ devices: 8, sharded: true }), 2 * 8e9);
    assert.equal(of({ devices: 8, sharded: false }), 16 * 8e9);
  });
});

describe('how many GPUs a trainer is started on', () => {
  const launch = (...command: string[]) => launchOf(command, packageRoot);

  it('is read from accelerate with its file, and from torchrun', async () => {
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
    assert.deepEqual(await launch('{python}', '-m', 'trainer', '--job', '{job}'), ONE);
  });
});

describe('the size of a model', () => {
  const folder = join(packageRoot, 'embedded/model');

  it('is that of its weights', async () => {
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

  it('is what its name says where it is not here', async () => {
    for (const [name, parameters] of [
      ['meta-llama/Meta-Llama-3-70B-Instruct', 70e9],
      ['HuggingFaceTB/SmolLM2-135M-Instruct', 135e6],
      ['Qwen/Qwen2.5-0.5B', 0.5e9],
    ] as const)
      assert.equal((await modelShape(undefined, name))?.parameters, parameters, name);
    assert.equal(await modelShape(undefined, 'mistralai/Mistral-Large'), undefined);
  });
});
