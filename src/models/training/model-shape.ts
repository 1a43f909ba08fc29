/** The size of a model, read from its checkpoint without loading it. */
import { open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';

export interface ModelShape {
  readonly parameters: number;
  /** Bytes of the weights as they are saved, which is how they are served and how frozen ones are loaded. */
  readonly bytes: number;
  readonly layers: number;
  readonly hidden: number;
  /** The weights of linear layers, if they are known. An adapter is added to each of them. */
  readonly linear: readonly Linear[] | undefined;
  readonly from: 'weights' | 'configuration' | 'name';
}

export interface Linear {
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
}

/** The shape of the checkpoint in a folder, or the one that its name suggests ("8B"); undefined if neither is known. */
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
/** The maximum header size of the safetensors format. */
const LONGEST_HEADER = 100_000_000;

/** Reads the tensors from the headers of all safetensors files in a folder. */
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

const positiveInteger = z.int().positive();
const configSchema = z.object({
  hidden_size: positiveInteger,
  num_hidden_layers: positiveInteger,
  num_attention_heads: positiveInteger,
  num_key_value_heads: positiveInteger.nullish(),
  head_dim: positiveInteger.nullish(),
  intermediate_size: positiveInteger,
  vocab_size: positiveInteger,
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

/** Estimates a Llama-like decoder whose weights have two bytes each. */
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

/**
 * Estimates the shape from a name such as "…-8B-…": 8 billion parameters in the proportions of Llama (hidden
 * size about 115 times the number of layers).
 */
function shapeFromName(checkpoint: string): ModelShape | undefined {
  const [, number, unit] = /(?<![\d.a-z])(\d+(?:\.\d+)?)([MB])(?![a-z\d])/i.exec(checkpoint) ?? [];
  if (number === undefined || unit === undefined) return undefined;
  const parameters = Number(number) * UNITS[unit.toUpperCase() as keyof typeof UNITS];
  const layers = Math.round(Math.cbrt(parameters / (12 * 115 ** 2)));
  return { parameters, bytes: 2 * parameters, layers, hidden: 115 * layers, linear: undefined, from: 'name' };
}
