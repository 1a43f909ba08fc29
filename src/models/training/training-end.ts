/**
 * Errors for trainers that ended without a result. The class of an error says whether to start another
 * trainer.
 */
import {
  TrainingCrashed,
  TrainingFailedPermanently,
  TrainingStalled,
  TrainingStopped,
  type TrainingErrorDetails,
} from './errors.ts';
import { quote } from '../../platform/quotes.ts';
import { hasFault, recordFault, type TrainerFault } from './trainer-faults.ts';
import { recordExit, type TrainerStart } from './trainer-starts.ts';
import type { GoneJob, IdleState, TrainingMonitor } from './training-monitor.ts';

/**
 * The kinds of faults that a trainer reports by its exit code (trainer/__main__.py): its own exception, or a refusal of the
 * operating system. If the same comes again and again, it is not started any more.
 */
const FAULT_OF_EXIT_CODE: ReadonlyMap<number, TrainerFault['kind']> = new Map([
  [1, 'error'],
  [71, 'system'],
]);

/** The trainer's exit code if there is no room, until somebody makes some. */
const NO_ROOM_EXIT_CODE = 74;

/** The trainer's exit code after a request to stop, and that of SIGTERM before it could obey. */
const STOPPED_EXIT_CODE = 75;
const STOPPED_EXIT_CODES: readonly number[] = [STOPPED_EXIT_CODE, 143];

/** Reasons for the end of a job that are not faults of the training. */
const REASONS_OF_THE_MACHINE: readonly GoneJob['reason'][] = ['node-lost', 'preempted', 'time-limit'];

/**
 * Whether the newest start was never launched, or its machine was lost, so that no trainer could report why: then another
 * one is to be started.
 */
export function isLost({ start, gone }: IdleState): boolean {
  return start?.exit === undefined && (start?.job === undefined || gone?.reason === 'node-lost');
}

/** Whether the job was ended by its scheduler, and the trainer was killed or has saved a checkpoint. */
export function isEndedByScheduler({ start, gone }: IdleState): boolean {
  const exitCode = start?.exit?.exitCode ?? STOPPED_EXIT_CODE;
  return REASONS_OF_THE_MACHINE.includes(gone?.reason) && STOPPED_EXIT_CODES.includes(exitCode);
}

/**
 * Returns the error for a trainer that ended without a result: from the trainer's own report if there is one,
 * otherwise from its exit code. Records a fault.
 * @param stalledFor the seconds without progress after which it was stopped, if that is why it ended
 */
export async function endedTrainingError(
  monitor: TrainingMonitor,
  { start, gone }: IdleState,
  stalledFor: number | undefined,
): Promise<Error> {
  const training = `the training in ${monitor.training.address}`;
  const exit = start?.exit ?? exitOf(gone);
  const end: Omit<TrainingErrorDetails, 'what'> = {
    logFile: monitor.logFile,
    lastLines: await monitor.lastLogLines(),
    exitCode: exit?.exitCode,
  };
  if (stalledFor !== undefined) {
    const message = `showed no progress for ${Math.round(stalledFor)} s`;
    const { inARow, fault } = await noteFault(monitor, start, 'stalled', message);
    const what = `${training} ${message} ${sinceStep(fault)} and was stopped`;
    if (!fault.isLast) return new TrainingStalled({ ...end, what });
    return new TrainingFailedPermanently({
      ...end,
      what: `${what}, ${inARow}: it is not started again`,
    });
  }
  if (exit !== undefined && isPermanent(exit.exitCode))
    return new TrainingFailedPermanently({
      ...end,
      what: quoteTrainer(start?.exit?.message ?? unreported(training, exit, end), monitor),
    });
  if (exit !== undefined && STOPPED_EXIT_CODES.includes(exit.exitCode))
    return new TrainingStopped({ ...end, what: quoteTrainer(exit.message, monitor) });
  const what =
    exit === undefined
      ? `${training} died${reasonText(gone)}`
      : `${training} ended without a result: ${quoteTrainer(exit.message, monitor)}`;
  // Only the trainer's own report proves an exception: the exit code may be that of torchrun.
  if (start?.exit === undefined) {
    if (start === undefined || gone?.exitCode !== NO_ROOM_EXIT_CODE)
      return crashError(monitor, start, gone, { ...end, what });
    // A trainer can't report a full disk on that disk. Neither can this follower, which then names the file.
    const { exitCode } = gone;
    const message = `${monitor.training.address} could not be written (exit code ${exitCode}); most often the disk is full`;
    await recordExit(monitor.training, start.token, { exitCode, message });
    return new TrainingCrashed({ ...end, what: message });
  }
  const kind = FAULT_OF_EXIT_CODE.get(start.exit.exitCode);
  if (kind === undefined) return new TrainingCrashed({ ...end, what });
  const { inARow, fault } = await noteFault(monitor, start, kind, start.exit.message);
  if (!fault.isLast) return new TrainingCrashed({ ...end, what });
  return new TrainingFailedPermanently({
    ...end,
    what: `${what}; ${inARow}: it would happen again`,
  });
}

/**
 * Returns the error for a trainer that died while it had no follower, perhaps together with the worker when
 * memory ran out. Undefined if another trainer is to be started.
 */
export async function unseenCrashError(
  monitor: TrainingMonitor,
  { start, gone }: IdleState,
): Promise<Error | undefined> {
  if (start === undefined || start.exit !== undefined || (await hasFault(monitor.training, start.token)))
    return undefined;
  const end = {
    what: `the training in ${monitor.training.address} died${reasonText(gone)}`,
    logFile: monitor.logFile,
    lastLines: await monitor.lastLogLines(),
  };
  const error = await crashError(monitor, start, gone, end);
  return error instanceof TrainingFailedPermanently ? error : undefined;
}

/**
 * Returns the error for a trainer that could not report why it ended. The loss of a machine is not a fault of
 * the training.
 */
async function crashError(
  monitor: TrainingMonitor,
  start: TrainerStart | undefined,
  gone: GoneJob | undefined,
  end: TrainingErrorDetails,
): Promise<Error> {
  if (start?.job === undefined || REASONS_OF_THE_MACHINE.includes(gone?.reason ?? 'cancelled'))
    return new TrainingCrashed(end);
  const { inARow, fault } = await noteFault(monitor, start, 'crashed', end.what);
  if (!fault.isLast) return new TrainingCrashed(end);
  return new TrainingFailedPermanently({
    ...end,
    what:
      `${end.what} ${sinceStep(fault)}, ${inARow}, and never said why: it would happen ` +
      "again. Most often memory ran out: the machine's, where the kernel killed the trainer (SIGKILL, exit code 137 or -9; " +
      "see dmesg), or a GPU's. Give it more memory, or lower the round's hyperparameters.perDeviceBatchSize or maxLength. " +
      `Its log ends: ${inOneLine(end.lastLines ?? [])}`,
  });
}

function exitOf(gone: GoneJob | undefined) {
  if (gone?.exitCode === undefined) return undefined;
  const { exitCode, message = `exit code ${exitCode}` } = gone;
  return { exitCode, message };
}

/** What is known of a trainer that has ended before it could report why. */
function unreported(
  training: string,
  { message }: { message: string },
  { lastLines = [] }: { lastLines?: readonly string[] },
) {
  const words = inOneLine(lastLines.slice(-1));
  return `${training} could not begin: ${message}${words === '' ? '' : `; its log ends: ${words}`}`;
}

/** A trainer's exception may contain an example. The names of the training's files are no secret. */
function quoteTrainer<Text extends string | undefined>(text: Text, { training }: TrainingMonitor): Text {
  const known = [training.address];
  return (
    text === undefined ? undefined : quote(text, { by: `the trainer in ${training.address}`, known })
  ) as Text;
}

function reasonText(gone: GoneJob | undefined): string {
  return gone?.reason === undefined ? '' : ` (${gone.reason})`;
}

async function noteFault(
  monitor: TrainingMonitor,
  start: TrainerStart | undefined,
  kind: TrainerFault['kind'],
  message: string,
) {
  const step = (await monitor.readProgress())?.step ?? 0;
  if (start !== undefined) return recordFault(monitor.training, start.token, { kind, message, step });
  return { inARow: 'once', fault: { kind, message, step, isLast: false } };
}

function sinceStep({ step }: TrainerFault): string {
  return step === 0 ? 'before its first step' : `after step ${step}`;
}

/** The end of a log, without the separator lines of torchrun. */
function inOneLine(lines: readonly string[]): string {
  const texts = lines.map((line) => line.trim()).filter((line) => /\w/.test(line));
  return texts.join(' | ').slice(-1000);
}

/** The exit codes of sysexits.h that mean invalid data or configuration (trainer/__main__.py). */
function isPermanent(exitCode: number): boolean {
  return (exitCode >= 64 && exitCode <= 70) || exitCode === 78;
}
