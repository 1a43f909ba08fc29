import { join } from 'node:path';
import { fineTuningSchema, roundForIteration } from '../../src/config/fine-tuning.ts';
import type { TrainingJob } from '../../src/models/training/job.ts';

type SftJob = Extract<TrainingJob, { method: 'sft' }>;

/**
 * A job of the trainer on `base/` and `sft.jsonl` of a folder, whose output is in `NAME/` there.
 * @param hyperparameters those that differ from the defaults of a configuration
 */
export function sftJob(
  folder: string,
  name: string,
  hyperparameters: object,
  changes: Partial<SftJob> = {},
): SftJob {
  const rounds = [{ method: 'sft' as const, hyperparameters }];
  const round = roundForIteration(fineTuningSchema.parse({ rounds }), 1);
  return {
    schema: 1,
    method: 'sft',
    baseCheckpoint: join(folder, 'base'),
    data: join(folder, 'sft.jsonl'),
    outputFolder: join(folder, name),
    seed: 7,
    hyperparameters: round.hyperparameters,
    adapter: { kind: 'none' },
    threads: 1,
    trustRemoteCode: false,
    name,
    reportTo: [],
    ...changes,
  };
}
