import { globSync, readFileSync, statSync } from 'node:fs';
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

/**
 * From the start of the first training's trainer to its first step, in seconds: what any restart of one costs here.
 * A step's time is known to the second.
 */
export function trainerStartSeconds(storeRoot: string, runName: string): number | null {
  const folder = join(storeRoot, runName, 'iteration-1', 'training');
  try {
    const [first = ''] = readFileSync(join(folder, PROGRESS_FILE), 'utf8').split('\n');
    const { time } = JSON.parse(first) as { time: string };
    const { mtimeMs } = statSync(join(folder, 'starts', '000001.json'));
    return (Date.parse(time) - mtimeMs) / 1000;
  } catch {
    return null;
  }
}
