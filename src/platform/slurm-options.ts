/** The options of sbatch that configurations have as fields. */
import { z } from 'zod';

/** A value of an option of sbatch, which becomes one argument of the form `--name=value`. */
const optionValue = z.string().min(1).nullable().default(null);

/** The fields that all configurations of Slurm jobs have. */
export const slurmOptionFields = {
  partition: optionValue.describe('The partition; null: the default of the cluster.'),
  account: optionValue.describe('The account that the job is charged to.'),
  qos: optionValue.describe('The quality of service.'),
  gres: optionValue.describe('The devices of each node, such as `gpu:8`.'),
  time: optionValue,
  options: z
    .array(z.string().startsWith('-'))
    .default([])
    .describe('More options of sbatch, such as `--constraint=h100`.'),
};

type SlurmOptions = z.output<z.ZodObject<typeof slurmOptionFields>>;

/** The arguments of sbatch. */
export function sbatchOptions(settings: SlurmOptions): string[] {
  const named = (['partition', 'account', 'qos', 'gres', 'time'] as const).flatMap((name) =>
    settings[name] === null ? [] : [`--${name}=${settings[name]}`],
  );
  return [...named, ...settings.options];
}
