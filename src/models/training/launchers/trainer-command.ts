import { delimiter, isAbsolute } from 'node:path';
import { fillTemplate } from '../../../platform/fill-template.ts';
import { processEnvironment } from '../../../platform/process-environment.ts';
import type { TrainerMachine } from './launcher.ts';

/**
 * Builds the trainer's arguments. No shell interprets them, so a value always stays one argument or a part of
 * one.
 * @throws Error that names a placeholder without a value
 */
export function trainerArguments(command: readonly string[], python: string, jobFile: string): string[] {
  return command.map((part) => fillTemplate(part, { python, job: jobFile }));
}

/**
 * The part of the worker's environment that a trainer may see (src/platform/process-environment.ts), with the token of the hub, the keys of trackers
 * and those of a bucket if it uses them. No variable of accelerate or FSDP is among them: those of a launch come from the
 * launcher's command. The trainer itself clears what else would change a training (trainer/environment.py).
 */
export function trainerEnvironment({
  environment,
  packageRoot,
  usesBucket = false,
  usesHub = false,
  trackers = [],
}: Omit<TrainerMachine, 'python'>): Record<string, string> {
  const passed = processEnvironment(
    environment,
    'compute',
    ...(usesHub ? (['hub'] as const) : []),
    ...(usesBucket ? (['bucket'] as const) : []),
    ...(['wandb', 'mlflow'] as const).filter((tracker) => trackers.includes(tracker)),
  );
  const path = passed['PYTHONPATH'];
  return { ...passed, PYTHONPATH: path ? `${packageRoot}${delimiter}${path}` : packageRoot };
}

/** Finds what a trainer of this checkpoint and these trackers uses, for its environment. */
export function trainerUses(
  baseCheckpoint: string | undefined,
  trackers: readonly string[],
): Pick<TrainerMachine, 'usesHub' | 'trackers'> {
  return { usesHub: baseCheckpoint !== undefined && isHubModel(baseCheckpoint), trackers };
}

/** A checkpoint is a folder, an address in a bucket, or the id of a model of the hub. */
function isHubModel(checkpoint: string): boolean {
  return !isAbsolute(checkpoint) && !/^\w+:\/\//.test(checkpoint);
}
