import { join } from 'node:path';
import type { FollowOptions } from '../../src/models/training/follow-training.ts';

const failingTrainer = join(import.meta.dirname, '../models/training/failing_trainer.py');

/**
 * Options of `followTraining` that interrupt a training once it has reported a step. Its trainer waits after the next step
 * until it is told to stop, because so short a training may be over before it is interrupted.
 */
export function interruptedAfter(
  step: number,
  interrupt: () => void,
): Pick<FollowOptions, 'settings' | 'onProgress'> {
  let isInterrupted = false;
  return {
    settings: {
      kind: 'process',
      command: ['{python}', failingTrainer, 'pause', String(step + 1), '--job', '{job}'],
    },
    onProgress: ({ progress }) => {
      if (isInterrupted || (progress?.step ?? 0) < step) return;
      isInterrupted = true;
      interrupt();
    },
  };
}
