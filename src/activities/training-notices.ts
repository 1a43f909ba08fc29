/** The messages of a training to its run: its steps, and warnings that no figure shows. */
import { Context } from '@temporalio/activity';
import type { TrainingNotice, TrainingStep } from '../api/signals.ts';
import { SIGNALS } from '../api/temporal-names.ts';
import { roundForIteration, type FineTuning } from '../config/fine-tuning.ts';
import type { DamagedCheckpoint } from '../models/training/damaged-checkpoints.ts';
import { tellsFromBase } from '../models/serving/adapters/canary.ts';
import type { TrainingProgress, TrainingResult } from '../models/training/job.ts';
import { readFaults, type TrainerFault } from '../models/training/trainer-faults.ts';
import { quantity } from '../platform/quantity.ts';
import type { ObjectStore } from '../store/objects/object-store.ts';
import type { Dependencies } from './dependencies.ts';

/** Most reports of steps that a training sends to its run, so that the run's history stays small. */
const MAX_STEP_REPORTS = 20;

/** Reports the training to its run. A report that does not arrive is no failure: the training's files contain it too. */
export function trainingReporter(
  deps: Dependencies,
  iteration: number,
  stalls: number,
  warningOf: (totalSteps: number) => string | undefined,
): (progress: TrainingProgress | undefined) => void {
  const { workflowExecution } = Context.current().info;
  if (workflowExecution === undefined) return () => undefined;
  const run = deps.temporal.workflow.getHandle(workflowExecution.workflowId, workflowExecution.runId);
  const notice = (warnings: readonly string[]): void => {
    if (stalls === 0 && warnings.length === 0) return;
    const message: TrainingNotice = { iteration, stalls, warnings };
    run.signal(SIGNALS.trainingNotice, message).catch(() => undefined);
  };
  notice([]);
  let reportedPart = -1;
  return (progress) => {
    if (progress === undefined) return;
    const { step, totalSteps, loss, etaSeconds } = progress;
    const part = Math.floor((MAX_STEP_REPORTS * step) / totalSteps);
    if (part <= reportedPart) return;
    const warning = warningOf(totalSteps);
    if (reportedPart === -1 && warning !== undefined) notice([warning]);
    reportedPart = part;
    const message: TrainingStep = { iteration, step, totalSteps, loss, etaSeconds };
    run.signal(SIGNALS.trainingStep, message).catch(() => undefined);
  };
}

/** Counts the faults of the training so far; after each it continued from its newest checkpoint. */
export async function faultCounts(
  training: ObjectStore,
): Promise<{ readonly stalls: number; readonly errors: number }> {
  const faults = await readFaults(training);
  const count = (kind: TrainerFault['kind']) => faults.filter((fault) => fault.kind === kind).length;
  return { stalls: count('stalled'), errors: count('error') + count('system') };
}

export function trainingWarnings(
  iteration: number,
  { stalls, errors }: { readonly stalls: number; readonly errors: number },
  others: readonly (string | undefined)[],
): string[] {
  const times = (count: number) => (count === 1 ? 'once' : `${count} times`);
  return [
    ...others.filter((warning) => warning !== undefined),
    ...(stalls === 0
      ? []
      : [
          `The training of M_${iteration} stalled ${times(stalls)}: it was stopped, and went on from its newest checkpoint.`,
        ]),
    ...(errors === 0
      ? []
      : [
          `The training of M_${iteration} ended in an error ${times(errors)}, and went on from its newest checkpoint.`,
        ]),
  ];
}

export function damagedCheckpointWarning(
  iteration: number,
  { checkpoint, reason }: DamagedCheckpoint,
): string {
  return `The training of M_${iteration} found its ${checkpoint} damaged and continued from the one before, or from the start: ${reason}.`;
}

/** Warns if a server that answers without the adapter of a new judge would not be found by its answers. */
export function canaryWarning(
  iteration: number,
  { canary, adapter }: Pick<TrainingResult, 'canary' | 'adapter'>,
): string | undefined {
  if (canary === undefined)
    return adapter === undefined
      ? undefined
      : `The training of M_${iteration} has recorded no answers of its adapter (its trainer.log says why), so it is not checked that the server has its weights.`;
  if (tellsFromBase(canary)) return undefined;
  return (
    `The adapter of M_${iteration} hardly changes any answer that was compared (by ${canary.distance.toFixed(4)} for each token): the judge has ` +
    'learnt little, and a server that answered without the adapter would not be noticed.'
  );
}

/** Warns if the learning rate never reaches its maximum, which no other figure shows; undefined if it does. */
export function warmupWarning(fineTuning: FineTuning, iteration: number, steps: number): string | undefined {
  const { warmupSteps } = roundForIteration(fineTuning, iteration).hyperparameters;
  if (steps > warmupSteps) return undefined;
  const round = Math.min(iteration, fineTuning.rounds.length) - 1;
  return (
    `The training of M_${iteration} has ${quantity(steps, 'step')}, all within its warm-up of ${warmupSteps}: the learning rate never ` +
    `reaches its height, and the judge learns little. Lower fineTuning.rounds.${round}.hyperparameters.warmupSteps, or train longer.`
  );
}

/** Warns if a training has ended before the first step whose model it would have saved; undefined if there is a choice. */
export function singleCheckpointWarning(
  iteration: number,
  checkpoints: readonly unknown[] | undefined,
  steps: number,
): string | undefined {
  if (checkpoints?.length !== 1) return undefined;
  return (
    `The training of M_${iteration} has only ${quantity(steps, 'step')}, so its last checkpoint is the only one, and validation had nothing to ` +
    'choose among: lower selectCheckpoint.everySteps of its round in fineTuning.rounds, or train longer.'
  );
}
