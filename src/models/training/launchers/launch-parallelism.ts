import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { z } from 'zod';

/** The number of devices of a training, and whether each holds all of the model or a part of it. */
export interface Parallelism {
  readonly devices: number;
  readonly sharded: boolean;
  /** True if the command doesn't say how many devices it uses, so that one was assumed. */
  readonly isAssumed?: true;
}

const ASSUMED_DEVICE: Parallelism = { devices: 1, sharded: false, isAssumed: true };

/** The trainer itself, perhaps with variables. */
const TRAINER_ALONE = /^(env (\w+=\S* )*)?\{python\} -m trainer( |$)/;

const accelerateSchema = z.object({
  num_processes: z.int().positive().optional(),
  distributed_type: z.string().nullish(),
});

/**
 * Derives the number of devices from the trainer's command: `--nproc-per-node` times `--nnodes` of torchrun,
 * which gives each device a complete model; `--num_processes`, `--use_fsdp` and `--config_file` of
 * accelerate, and the variable by which it tells its processes to use FSDP. Any other command is taken to train on one device,
 * which is certain only of the trainer without a program around it.
 * @param packageRoot the folder in which the command runs
 */
export async function launchParallelism(
  command: readonly string[],
  packageRoot: string,
): Promise<Parallelism> {
  const option = (...names: readonly string[]) => optionOf(command, names);
  const perNode = option('--nproc-per-node', '--nproc_per_node');
  if (perNode !== undefined) {
    const nodes = Number(option('--nnodes') ?? 1);
    const devices = Number(perNode) * nodes;
    return Number.isInteger(devices) && devices > 0 ? { devices, sharded: false } : ASSUMED_DEVICE;
  }
  const file = option('--config_file', '--config-file');
  const written = file === undefined ? undefined : await readAccelerate(resolve(packageRoot, file));
  const processes = option('--num_processes', '--num-processes') ?? written?.num_processes;
  const devices = Number(processes ?? 1);
  const isFsdp = command.includes('--use_fsdp') || command.includes('ACCELERATE_USE_FSDP=true');
  const sharded = isFsdp || written?.distributed_type === 'FSDP';
  if (!Number.isInteger(devices) || devices <= 0) return ASSUMED_DEVICE;
  const isCertain = processes !== undefined || TRAINER_ALONE.test(command.join(' '));
  return { devices, sharded, ...(isCertain ? {} : { isAssumed: true }) };
}

/** The value of an option, written `--name value` or `--name=value`. */
function optionOf(command: readonly string[], names: readonly string[]): string | undefined {
  for (const [index, argument] of command.entries())
    for (const name of names) {
      if (argument === name) return command[index + 1];
      if (argument.startsWith(`${name}=`)) return argument.slice(name.length + 1);
    }
  return undefined;
}

async function readAccelerate(file: string): Promise<z.output<typeof accelerateSchema> | undefined> {
  try {
    // Loaded only if needed: the client reads the launcher's configuration fields, and has no YAML parser.
    const { parse } = await import('yaml');
    return accelerateSchema.parse(parse(await readFile(file, 'utf8')));
  } catch {
    // accelerate itself reports the problem when the training starts.
    return undefined;
  }
}
