import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { endProcessGroup } from '../processes/group.ts';
import { processState, type ProcessIdentity } from '../processes/identity.ts';
import { leaseSchema } from './job.ts';
import { StallWatch } from './stall-watch.ts';
import { newestStart, readIfThere } from './starts.ts';
import type { TrainingState } from './training-watch.ts';

/** Somebody is at work, or about to be. */
export type RunningState = Extract<TrainingState, { kind: 'training' | 'starting' }>;

/** How long torchrun may take to end its workers, in seconds: it kills them after 30. */
const launcherGraceSeconds = 40;

/** Brings a trainer to its end, with a checkpoint as far as it can save one. */
export class TrainerStop {
  readonly #watch: StallWatch;
  #askedWhile: RunningState['kind'] | undefined;

  /** @param silentSeconds how long it may show no sign that it gets on before it is killed */
  constructor(outputFolder: string, silentSeconds: number) {
    this.#watch = new StallWatch(outputFolder, { seconds: silentSeconds, firstStepSeconds: silentSeconds });
  }

  /**
   * To be called at every look until it is gone: a large checkpoint takes its time, so it is killed only once it has
   * stood still for too long. `not-there-yet`: somebody is about to launch it. `elsewhere`: another machine's.
   */
  async goOn(state: RunningState): Promise<'asked' | 'not-there-yet' | 'elsewhere'> {
    if ((await this.#watch.stalledFor(state.start, undefined)) !== undefined) await endTraining(state);
    // A launcher that was asked while it started may have left a trainer that has heard nothing.
    if (this.#askedWhile === state.kind) return 'asked';
    const answer = await askToStop(state);
    if (answer === 'asked') this.#askedWhile = state.kind;
    return answer;
  }
}

/**
 * Asks the trainer to save a checkpoint and stop; it does so at its next step. The trainer itself is asked, not a
 * launcher around it: torchrun would kill its workers 30 s later, checkpoint or not. Rank 0 tells the other ranks.
 */
async function askToStop(state: RunningState): Promise<'asked' | 'not-there-yet' | 'elsewhere'> {
  const trainer: ProcessIdentity | undefined = state.kind === 'training' ? state.lease : state.start.process;
  if (trainer === undefined) return 'not-there-yet';
  // Looked at again right before the signal: its id may be another process's by now.
  const now = await processState(trainer);
  if (now !== 'alive') return now === 'dead' ? 'asked' : now;
  try {
    process.kill(trainer.pid, 'SIGTERM');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // gone in the meantime
  }
  return 'asked';
}

/**
 * Stops whoever trains into an output folder on this machine, with a checkpoint; for a training that nobody follows. One
 * that shows no sign that it gets on for longer than `silentSeconds` is killed.
 */
export async function stopTrainer(
  outputFolder: string,
  silentSeconds: number,
  signal: AbortSignal,
): Promise<void> {
  const stop = new TrainerStop(outputFolder, silentSeconds);
  for (;;) {
    const state = await runningHere(outputFolder);
    if (state === undefined) return;
    await stop.goOn(state);
    await sleep(100, undefined, { signal });
  }
}

async function runningHere(outputFolder: string): Promise<RunningState | undefined> {
  const start = await newestStart(outputFolder);
  const lease = await readIfThere(join(outputFolder, 'lease.json'), leaseSchema);
  if (lease !== undefined && (await processState(lease)) === 'alive')
    return { kind: 'training', lease, start };
  if (start?.process === undefined || (await processState(start.process)) !== 'alive') return undefined;
  return { kind: 'starting', start };
}

/** Ends the trainer and the launcher around it, with or without a checkpoint. */
async function endTraining(state: RunningState): Promise<void> {
  const launched = state.start?.process;
  const trainer = state.kind === 'training' ? state.lease : undefined;
  if (launched !== undefined) {
    // A launcher's workers have groups of their own: only the launcher can end them all.
    const launchedByAnother = trainer !== undefined && trainer.pid !== launched.pid;
    await endProcessGroup(launched, launchedByAnother ? launcherGraceSeconds : 0);
  }
  if (trainer !== undefined) await endProcessGroup(trainer, 0);
}
