import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
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

/** Writes the inputs of `sftJob` into its folder: a tiny base model, and rows whose prompts differ. */
export async function writeSftInputs(python: string, folder: string): Promise<void> {
  const script = join(import.meta.dirname, '../models/training/make_tiny_checkpoint.py');
  execFileSync(python, [script, join(folder, 'base')], {
    env: { ...process.env, OMP_NUM_THREADS: '1' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const rows = Array.from({ length: 32 }, (_, index) => ({
    id: `row-${index}`,
    prompt: [{ role: 'user', content: `${index % 50} ${(7 * index) % 50}` }],
    completion: [{ role: 'assistant', content: 'A is better [[A]]' }],
  }));
  await writeFile(join(folder, 'sft.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
}
