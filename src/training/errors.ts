/** How a training ended; each message says in one line what happened and where the log is. */
export interface TrainingEnd {
  readonly what: string;
  readonly logFile: string;
  /** The end of the trainer's log. */
  readonly lastLines?: readonly string[];
  /** Undefined where nobody saw it. */
  readonly exitCode?: number | undefined;
}

abstract class TrainingError extends Error {
  readonly exitCode: number | undefined;
  readonly lastLines: readonly string[];

  constructor({ what, logFile, lastLines, exitCode }: TrainingEnd) {
    super(`${what} (log: ${logFile})`);
    this.lastLines = lastLines ?? [];
    this.exitCode = exitCode;
  }
}

/** Bad data or configuration: another try would end the same way. */
export class TrainingFailedPermanently extends TrainingError {
  override readonly name = 'TrainingFailedPermanently';
}

/** It stopped when asked to and goes on from its newest whole checkpoint when followed again. */
export class TrainingStopped extends TrainingError {
  override readonly name = 'TrainingStopped';
}

/** It made no progress and was stopped; following it again goes on from its newest whole checkpoint. */
export class TrainingStalled extends TrainingError {
  override readonly name = 'TrainingStalled';
}

/** It ended without a result; following it again goes on from its newest whole checkpoint. */
export class TrainingDied extends TrainingError {
  override readonly name = 'TrainingDied';
}

/** The follower left, as it was told to; the trainer, if one runs, goes on. */
export class TrainingDetached extends TrainingError {
  override readonly name = 'TrainingDetached';
}
