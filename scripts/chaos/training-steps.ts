import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PROGRESS_FILE } from '../../src/training/job.ts';

export interface Steps {
  /** Different steps of all trainings of a run. */
  readonly steps: number;
  /** Done again, because they came after the checkpoint that a restart began from. */
  readonly again: number;
}

export function countSteps(storeRoot: string, runName: string): Steps {
  let steps = 0;
  let lines = 0;
  for (const file of globSync(join(storeRoot, runName, 'iteration-*', 'training', PROGRESS_FILE))) {
    const done = readFileSync(file, 'utf8')
      .split('\n')
      .flatMap((line) => {
        try {
          return [(JSON.parse(line) as { step: number }).step];
        } catch {
          return [];
        }
      });
    lines += done.length;
    steps += new Set(done).size;
  }
  return { steps, again: lines - steps };
}
