import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FollowOptions } from '../../src/models/training/follow-training.ts';

const failingTrainer = join(import.meta.dirname, '../models/training/failing_trainer.py');

/**
 * The command of a trainer whose first start waits after a step, which it has not reported yet, until it is told to stop, because
 * so short a training may be over before it is interrupted.
 */
export function pausingTrainer(step: number): string[] {
  return ['{python}', failingTrainer, 'pause', String(step), '--job', '{job}'];
}

/**
 * The settings of a trainer that waits after a step, which it has not reported yet, until it is released.
 * @param folder for the files by which it is released
 */
export function heldTraining(step: number, folder: string) {
  const command = [
    '{python}',
    failingTrainer,
    '--hold-folder',
    folder,
    'hold',
    String(step),
    '--job',
    '{job}',
  ];
  return {
    settings: { kind: 'process' as const, command },
    async held({ name }: { readonly name: string }): Promise<void> {
      while (!existsSync(join(folder, name, 'holds'))) await sleep(20);
    },
    async release({ name }: { readonly name: string }): Promise<void> {
      await mkdir(join(folder, name), { recursive: true });
      await writeFile(join(folder, name, 'released'), '');
    },
  };
}

/** Waits until a trainer with {@link pausingTrainer} pauses. */
export async function paused({ outputFolder }: { readonly outputFolder: string }): Promise<void> {
  while (!existsSync(join(outputFolder, 'went-wrong'))) await sleep(20);
}

/** Options of `followTraining` that interrupt a training once it has reported a step. Its trainer pauses after the next one. */
export function interruptedAfter(
  step: number,
  interrupt: () => void,
): Pick<FollowOptions, 'settings' | 'onProgress'> {
  let isInterrupted = false;
  return {
    settings: { kind: 'process', command: pausingTrainer(step + 1) },
    onProgress: ({ progress }) => {
      if (isInterrupted || (progress?.step ?? 0) < step) return;
      isInterrupted = true;
      interrupt();
    },
  };
}
