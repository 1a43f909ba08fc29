/**
 * `npm run bench:gpu [-- FOLDER]`: writes what `run.sh` needs on a machine with a GPU, which has neither Node nor the internet:
 * `cases.json` with the jobs and the memory that `plan` says for each, and the wheels that PyTorch images usually lack.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fineTuningSchema, roundForIteration } from '../../src/config/fine-tuning.ts';
import { modelShape } from '../../src/models/training/model-shape.ts';
import { trainingMemory } from '../../src/models/training/training-memory.ts';
import { packageRoot } from '../../src/platform/package-root.ts';

const folder = process.argv[2] ?? join(import.meta.dirname, 'prepared');

interface Size {
  readonly hidden: number;
  readonly intermediate: number;
  readonly layers: number;
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly tied: boolean;
}

/** The sizes of Llama 3.2 1B and 3B, of Llama 3.1 8B, and one whose checkpoints are quick to write. */
const SIZES: Readonly<Record<string, Size>> = {
  '300m': { hidden: 1024, intermediate: 4096, layers: 12, heads: 16, keyValueHeads: 8, tied: true },
  '1b': { hidden: 2048, intermediate: 8192, layers: 16, heads: 32, keyValueHeads: 8, tied: true },
  '3b': { hidden: 3072, intermediate: 8192, layers: 28, heads: 24, keyValueHeads: 8, tied: true },
  '8b': { hidden: 4096, intermediate: 14336, layers: 32, heads: 32, keyValueHeads: 8, tied: false },
};
const VOCABULARY = 128_256;
const TOKENS = 2_048;

const LORA = {
  kind: 'lora',
  rank: 16,
  alpha: 32,
  dropout: 0,
  targetModules: 'all-linear',
  saveAdapter: false,
};

const CASES = [
  { name: '1b-all-weights', size: '1b', batch: 8, steps: 40, adapter: { kind: 'none' } },
  { name: '3b-all-weights', size: '3b', batch: 4, steps: 12, adapter: { kind: 'none' } },
  { name: '8b-lora', size: '8b', batch: 4, steps: 12, adapter: LORA },
  { name: '300m-resumed', size: '300m', batch: 8, steps: 30, adapter: { kind: 'none' } },
] as const;

function llamaConfig({ hidden, intermediate, layers, heads, keyValueHeads, tied }: Size): object {
  return {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    hidden_size: hidden,
    intermediate_size: intermediate,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: keyValueHeads,
    vocab_size: VOCABULARY,
    max_position_embeddings: TOKENS,
    tie_word_embeddings: tied,
    pad_token_id: 0,
    eos_token_id: 1,
    bos_token_id: null,
  };
}

async function prepare({ name, size, batch, steps, adapter }: (typeof CASES)[number]): Promise<object> {
  const config = llamaConfig(SIZES[size] as Size);
  const fineTuning = fineTuningSchema.parse({
    adapter,
    rounds: [
      {
        method: 'sft',
        hyperparameters: {
          maxSteps: steps,
          perDeviceBatchSize: batch,
          gradientAccumulationSteps: 1,
          maxLength: TOKENS,
          precision: 'bfloat16',
          saveSteps: name === '300m-resumed' ? 10 : 1_000,
        },
      },
    ],
  });
  const round = roundForIteration(fineTuning, 1);
  const checkpoint = await mkdtemp(join(tmpdir(), 'shape-'));
  writeFileSync(join(checkpoint, 'config.json'), JSON.stringify(config));
  const shape = await modelShape(checkpoint, size);
  if (shape === undefined) throw new Error(`${name}: the configuration has no shape`);
  const memory = trainingMemory(shape, round, fineTuning.adapter, { devices: 1, sharded: false });
  return {
    name,
    config,
    tokens: TOKENS,
    parameters: shape.parameters,
    plannedBytes: Math.round(memory.bytesPerGpu),
    job: {
      schema: 1,
      method: 'sft',
      seed: 7,
      hyperparameters: round.hyperparameters,
      adapter: fineTuning.adapter,
      threads: null,
      trustRemoteCode: false,
      name,
      reportTo: [],
    },
  };
}

/** Packages that images with PyTorch, transformers, accelerate and peft usually lack, in the locked versions. */
const CARRIED = [
  'trl',
  'datasets',
  'dill',
  'multiprocess',
  'jsonschema',
  'jsonschema-specifications',
  'referencing',
  'rpds-py',
  'tensorboardx',
];

function downloadWheels(): void {
  const locked = readFileSync(join(packageRoot, 'trainer', 'requirements.txt'), 'utf8');
  const pinned = CARRIED.map((name) => {
    const version = new RegExp(`^${name}==(\\S+)`, 'mi').exec(locked)?.[1];
    if (version === undefined) throw new Error(`trainer/requirements.txt does not lock ${name}`);
    return `${name}==${version}`;
  });
  const platforms = ['manylinux_2_28', 'manylinux_2_17', 'manylinux2014'].map(
    (each) => `--platform=${each}_x86_64`,
  );
  execFileSync(
    'python3',
    [
      ...['-m', 'pip', 'download', '--quiet', '--no-deps', '--only-binary=:all:', '--implementation=cp'],
      ...['--python-version=3.12', ...platforms, '--dest', join(folder, 'wheels'), ...pinned],
    ],
    { stdio: 'inherit' },
  );
}

mkdirSync(folder, { recursive: true });
writeFileSync(
  join(folder, 'cases.json'),
  `${JSON.stringify(await Promise.all(CASES.map(prepare)), undefined, 2)}\n`,
);
downloadWheels();
console.log(`${folder} is ready: on the machine with the GPU run bench/gpu/run.sh`);
