import { type FineTuning, roundForIteration } from '../config/fine-tuning.ts';
import { runUris } from './run-layout.ts';

/** The folder in which the trainer of an iteration works. */
export function trainerUri(fineTuning: Pick<FineTuning, 'rounds'>, run: string, iteration: number): string {
  const { selectCheckpoint } = roundForIteration(fineTuning, iteration);
  return (selectCheckpoint === undefined ? runUris.training : runUris.trainer)(run, iteration);
}
