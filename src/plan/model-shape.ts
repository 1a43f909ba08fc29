/** How large a model is, from what its checkpoint says, without loading it. */
import { existsSync, readFileSync } from 'node:fs';
import { open, readdir, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { findCheckpoint } from '../config/checkpoint.ts';
import type { LocalDependencies } from '../activities/dependencies.ts';

export interface ModelShape {
  readonly parameters: number;
  /** Of the weights as they are saved, which is how they are served, and how frozen ones are loaded. */
  readonly bytes: number;
  readonly layers: number;
  readonly hidden: number;
  /** The weights of linear layers, by name, where they are known: what an adapter of all of them is beside. */
  readonly linear: readonly Linear[] | undefined;
  readonly from: 'weights' | 'configuration' | 'name';
}

export interface Linear {
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
}

/**
 * The folder of a checkpoint on this machine: as the configuration names it, or in the cache of the Hugging Face hub.
 * Undefined where it isn't here; nothing is fetched.
 */
export function checkpointFolder(
  { store, files, environment }: Pick<LocalDependencies, 'store' | 'files' | 'environment'>,
  checkpoint: string,
): string | undefined {
  try {
    const place = findCheckpoint(store, files, checkpoint);
    return place.kind === 'folder' ? place.path : hubFolder(place.id, environment);
  } catch {
    // A missing checkpoint is named by its own field.
    return undefined;
  }
}

function hubFolder(id: string, environment: LocalDependencies['environment']): string | undefined {
  const home = environment['HF_HOME'] || join(environment['HOME'] ?? homedir(), '.cache', 'huggingface');
  const cache = environment['HF_HUB_CACHE'] || join(home, 'hub');
  const repository = join(cache, `models--${id.replace('/', '--')}`);
  try {
    const commit = readFileSync(join(repository, 'refs', 'main'), 'utf8').trim();
    const folder = join(repository, 'snapshots', commit);
    return existsSync(folder) ? folder : undefined;
  } catch {
    return undefined;
  }
}

/** The shape of the checkpoint in a folder, else what its name says ("8B"); undefined where neither tells. */
export async function modelShape(
  folder: string | undefined,
  checkpoint: string,
): Promise<ModelShape | undefined> {
  if (folder === undefined) return shapeFromName(checkpoint);
  const config = await readConfig(join(folder, 'config.json'));
  const tensors = await readTensors(folder);
  const sizes = { layers: config?.num_hidden_layers ?? 0, hidden: config?.hidden_size ?? 0 };
  if (tensors.length > 0) {
    const count = ({ shape }: Tensor) => shape.reduce((product, each) => product * each, 1);
    return {
      ...sizes,
      parameters: tensors.reduce((sum, tensor) => sum + count(tensor), 0),
      bytes: tensors.reduce((sum, { bytes }) => sum + bytes, 0),
      linear: tensors.flatMap(linearOf),
      from: 'weights',
    };
  }
  return config === undefined ? shapeFromName(checkpoint) : shapeFromConfig(config);
}

interface Tensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly bytes: number;
}

/** An output layer and embeddings get no adapter (PEFT's "all-linear"). */
function linearOf({ name, shape }: Tensor): Linear[] {
  const [rows, columns] = shape;
  if (rows === undefined || columns === undefined || shape.length !== 2) return [];
  return /embed|lm_head|wte|wpe/.test(name) ? [] : [{ name, rows, columns }];
}

const headerSchema = z.record(
  z.string(),
  z.object({ shape: z.array(z.number()), data_offsets: z.tuple([z.number(), z.number()]) }),
);

const HEADER_LENGTH_BYTES = 8;
/** The format's own bound. */
const LONGEST_HEADER = 100_000_000;

/** What the headers of all safetensors files in a folder list. */
async function readTensors(folder: string): Promise<Tensor[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.safetensors'));
  return (await Promise.all(names.map((name) => readHeader(join(folder, name))))).flat();
}

async function readHeader(path: string): Promise<Tensor[]> {
  const file = await open(path);
  try {
    const size = Buffer.alloc(HEADER_LENGTH_BYTES);
    await file.read(size, 0, size.length, 0);
    const length = Number(size.readBigUInt64LE());
    if (length > LONGEST_HEADER) return [];
    const header = Buffer.alloc(length);
    await file.read(header, 0, length, HEADER_LENGTH_BYTES);
    const { __metadata__: _, ...tensors } = JSON.parse(header.toString('utf8')) as Record<string, unknown>;
    return Object.entries(headerSchema.parse(tensors)).map(
      ([
        name,
        {
          shape,
          data_offsets: [from, to],
        },
      ]) => ({
        name,
        shape,
        bytes: to - from,
      }),
    );
  } finally {
    await file.close();
  }
}

const whole = z.int().positive();
const configSchema = z.object({
  hidden_size: whole,
  num_hidden_layers: whole,
  num_attention_heads: whole,
  num_key_value_heads: whole.nullish(),
  head_dim: whole.nullish(),
  intermediate_size: whole,
  vocab_size: whole,
  tie_word_embeddings: z.boolean().nullish(),
});
type Config = z.output<typeof configSchema>;

async function readConfig(file: string): Promise<Config | undefined> {
  try {
    return configSchema.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch {
    // Not all architectures have these fields.
    return undefined;
  }
}

/** A decoder of Llama's kind, saved in two bytes a weight. */
function shapeFromConfig(config: Config): ModelShape {
  const { hidden_size: hidden, intermediate_size: intermediate, num_hidden_layers: layers } = config;
  const { num_attention_heads: heads, num_key_value_heads: keyValueHeads, vocab_size: words } = config;
  const width = config.head_dim ?? hidden / heads;
  const [queries, keys] = [heads * width, (keyValueHeads ?? heads) * width];
  const ofLayer: readonly (readonly [string, number, number])[] = [
    ['self_attn.q_proj', queries, hidden],
    ['self_attn.k_proj', keys, hidden],
    ['self_attn.v_proj', keys, hidden],
    ['self_attn.o_proj', hidden, queries],
    ['mlp.gate_proj', intermediate, hidden],
    ['mlp.up_proj', intermediate, hidden],
    ['mlp.down_proj', hidden, intermediate],
  ];
  const linear = Array.from({ length: layers }, (_, layer) =>
    ofLayer.map(([name, rows, columns]) => ({ name: `model.layers.${layer}.${name}.weight`, rows, columns })),
  ).flat();
  const embeddings = words * hidden * (config.tie_word_embeddings === true ? 1 : 2);
  const parameters = embeddings + linear.reduce((sum, { rows, columns }) => sum + rows * columns, 0);
  return { parameters, bytes: 2 * parameters, layers, hidden, linear, from: 'configuration' };
}

const UNITS = { M: 1e6, B: 1e9 } as const;

/** "…-8B-…": 8 billion parameters, in the proportions of Llama's (hidden size about 115 times the layers). */
function shapeFromName(checkpoint: string): ModelShape | undefined {
  const [, number, unit] = /(?<![\d.a-z])(\d+(?:\.\d+)?)([MB])(?![a-z\d])/i.exec(checkpoint) ?? [];
  if (number === undefined || unit === undefined) return undefined;
  const parameters = Number(number) * UNITS[unit.toUpperCase() as keyof typeof UNITS];
  const layers = Math.round(Math.cbrt(parameters / (12 * 115 ** 2)));
  return { parameters, bytes: 2 * parameters, layers, hidden: 115 * layers, linear: undefined, from: 'name' };
}
