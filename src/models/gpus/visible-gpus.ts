import { commandOutput } from '../../platform/process-identity.ts';

/** The variable that limits the GPUs that CUDA programs see. */
const VISIBLE_GPUS_VARIABLE = 'CUDA_VISIBLE_DEVICES';

/**
 * The names of the GPUs that a worker's programs see: those of `CUDA_VISIBLE_DEVICES` (indices or UUIDs), otherwise the
 * indices that `nvidia-smi` lists. Empty on a machine without GPUs.
 */
export function visibleGpus(environment: Readonly<Record<string, string | undefined>>): string[] {
  const named = environment[VISIBLE_GPUS_VARIABLE];
  const listed =
    named ??
    commandOutput('nvidia-smi', ['--query-gpu=index', '--format=csv,noheader'])?.replaceAll('\n', ',');
  return (listed ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '' && name !== '-1');
}
